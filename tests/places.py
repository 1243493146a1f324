"""Where the tests keep what need not outlive them: in memory where there is room, else in the system's own place.

A cluster of PostgreSQL is a thousand files of 40 MB, and a test's database is a copy of some hundred: on a disk the
kernel spends more on them than the tests take.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MEMORY = Path("/dev", "shm")
ROOM = 2 << 30
"""Bytes that must be free there: two processes need a tenth of it. A container has often 64 MB."""
_PREFIX = "dwctl-test-"
_LOCK = ".lock"


def chosen(memory: Path = MEMORY, room: int = ROOM) -> Path:
    """The folder for temporary directories."""
    usual = Path(tempfile.gettempdir())
    try:
        system = os.statvfs(memory)
    except OSError:
        return usual
    # Programs are copied there when the server's user cannot reach those of the virtual environment.
    closed = system.f_flag & (os.ST_NOEXEC | os.ST_RDONLY)
    return usual if closed or system.f_bavail * system.f_frsize < room else memory


@contextmanager
def directory(parent: Path) -> Iterator[Path]:
    """A directory that other users may enter; one that a killed process has left there is removed."""
    for left in parent.glob(f"{_PREFIX}*"):
        _remove_abandoned(left)
    making = Path(tempfile.mkdtemp(prefix=f".{_PREFIX}", dir=parent))
    with (making / _LOCK).open("wb") as lock:
        # The kernel lets go of it when this process ends, however it does. Only then the directory has a name that
        # another process looks for.
        fcntl.flock(lock, fcntl.LOCK_EX)
        making.chmod(0o755)
        path = making.rename(parent / making.name[1:])
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)


def _remove_abandoned(path: Path) -> None:
    """Of a process that has made its lock and holds it no more; what is not ours to remove stays."""
    try:
        with (path / _LOCK).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)
    except OSError:
        return
