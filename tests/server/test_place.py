"""The folder that workers of one start share."""

from pathlib import Path

import pytest

from dwctl.core.errors import SetupError
from dwctl.requests.spool import take_lock
from dwctl.server.workers.place import shared_folder


def test_it_is_there_while_they_live_and_gone_afterwards(tmp_path: Path) -> None:
    with shared_folder(tmp_path) as one, shared_folder(tmp_path) as other:
        assert one != other
        (one / "something").write_bytes(b"x")
        assert take_lock(one) == -1
    assert list((tmp_path / "workers").iterdir()) == []


def test_what_a_killed_start_has_left_is_deleted(tmp_path: Path) -> None:
    left = tmp_path / "workers" / "left"
    left.mkdir(parents=True)
    (left / "lock").touch()
    (left / "table").touch()
    with shared_folder(tmp_path) as mine:
        assert list((tmp_path / "workers").iterdir()) == [mine]


def test_one_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "workers").touch()
    with pytest.raises(SetupError, match="cannot be written"), shared_folder(tmp_path):
        pass
