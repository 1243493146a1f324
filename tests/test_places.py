"""Where tests keep their files, and what is left of one that was killed."""

import signal
import subprocess
import sys
from pathlib import Path

from tests import places
from tests.processes import ROOT

HOLDER = """
import signal, sys
from pathlib import Path
from tests import places
with places.directory(Path(sys.argv[1])) as path:
    print(path.name, flush=True)
    signal.pause()
"""


def test_memory_is_taken_when_it_has_room(tmp_path: Path) -> None:
    assert places.chosen(tmp_path, room=1) == tmp_path
    assert places.chosen(tmp_path, room=1 << 62) != tmp_path
    assert places.chosen(tmp_path / "none", room=1) != tmp_path / "none"


def test_a_directory_is_removed_at_its_end_or_by_the_next_when_its_process_was_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        held = tmp_path / holder.stdout.readline().strip()
        with places.directory(tmp_path) as beside:
            assert held.is_dir()
            assert beside.is_dir()
        assert held.is_dir()
        assert not beside.exists()
        holder.send_signal(signal.SIGKILL)
    with places.directory(tmp_path):
        assert not held.exists()
    assert list(tmp_path.iterdir()) == []
