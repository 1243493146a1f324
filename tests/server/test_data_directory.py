"""Who holds a data directory: the kernel knows it, what the file says may be old."""

from pathlib import Path

import pytest

from dwctl.core.errors import SetupError
from dwctl.server.data_directory import Holder, hold, read_holder
from tests.cli.command import dwctl

LEFT_BEHIND = b'{"pid":1,"address":"http://127.0.0.1:3001"}'
"""What a process that was killed leaves in the file; process 1 always lives."""


def test_a_holder_is_known_while_it_holds(tmp_path: Path) -> None:
    assert read_holder(tmp_path) is None
    held = hold(tmp_path)
    held.tell("http://127.0.0.1:4000")
    known = read_holder(tmp_path)
    assert isinstance(known, Holder)
    assert known.address == "http://127.0.0.1:4000"
    with pytest.raises(SetupError, match=f"in use by process {known.pid} "):
        hold(tmp_path)
    held.release()
    assert read_holder(tmp_path) is None


def test_a_holder_that_was_killed_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / "lock").write_bytes(LEFT_BEHIND)
    assert read_holder(tmp_path) is None
    hold(tmp_path).release()


@pytest.mark.xdist_group("cli")
def test_commands_work_after_a_kill(data_dir: Path) -> None:
    (data_dir / "lock").write_bytes(LEFT_BEHIND)
    ended = dwctl("migrate", "--data-dir", data_dir, directory=data_dir)
    assert (ended.status, ended.errors) == (0, "")
    assert ended.output.startswith("applied 0001")
