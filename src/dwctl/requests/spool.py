"""Append-only segment files of one process: `<data_dir>/spool/<daemon id>/00000001.log`, …

Written once per turn of the event loop; deleted segment by segment once the database has them for certain. A
lock on the folder tells a living owner from a dead one. `write` is a plain write to the page cache: SIGKILL
loses nothing of it, a power cut at most the last moments.
"""

import fcntl
import os
from collections.abc import Iterable
from pathlib import Path

from dwctl.core.errors import SetupError
from dwctl.requests.entries import Position

PROBE = "probe"


class Spool:
    """The writing end. Raises OSError when the disk is full or broken; nothing half-written stays."""

    def __init__(self, folder: Path, segment_bytes: int) -> None:
        self.folder = folder
        self._segment_bytes = segment_bytes
        self._segment = 0
        self._offset = 0
        self._sizes: dict[int, int] = {}
        self._fd = -1
        self._lock = -1
        self.size = 0
        """Bytes on disk."""

    def open(self) -> None:
        """Make the folder, lock it, begin the first segment; raises `SetupError` when that cannot be."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = take_lock(self.folder)
            if self._lock >= 0:
                self._begin_segment()
        except OSError as error:
            raise SetupError(
                f"calls cannot be recorded in {self.folder}: {error.strerror or error}. Make room or give this "
                "user the right to write there, or choose another place with --data-dir."
            ) from error
        if self._lock < 0:
            raise BlockingIOError(f"{self.folder} belongs to a living process")

    @property
    def position(self) -> Position:
        """Where the next frame goes."""
        return Position(self._segment, self._offset)

    def write(self, *parts: bytes) -> None:
        """Append a whole block, given in parts, in one write."""
        if self._offset >= self._segment_bytes:
            self._begin_segment()
        size = sum(map(len, parts))
        written = 0
        try:
            written = os.writev(self._fd, parts)
            if written < size:
                data = b"".join(parts)
                while written < size:
                    written += os.write(self._fd, data[written:])
        except OSError:
            if written:
                os.ftruncate(self._fd, self._offset)
            raise
        self._offset += size
        self.size += size
        self._sizes[self._segment] = self._offset

    def turn_page(self) -> None:
        """Begin the next segment, so that this one can go once it is committed: its space may be what is missing."""
        if self._offset:
            self._begin_segment()

    def probe(self) -> None:
        """Try to write where it failed before: 64 KiB beside the segments."""
        path = self.folder / PROBE
        try:
            path.write_bytes(bytes(65536))
        finally:
            path.unlink(missing_ok=True)

    def read(self, segment: int, offset: int, limit: int) -> bytes:
        """At most `limit` bytes of a segment."""
        with segment_path(self.folder, segment).open("rb") as file:
            file.seek(offset)
            return file.read(limit)

    def segment_end(self, segment: int) -> int:
        """Length of a segment."""
        return self._sizes.get(segment, 0)

    def has_before(self, committed: Position) -> bool:
        """Whether there is a segment that lies wholly before a place."""
        return next(iter(self._sizes), self._segment) < committed.segment

    def let_go(self, committed: Position) -> list[Path]:
        """The files of the segments that lie wholly before a committed place: the caller is to `delete` them."""
        done = [segment for segment in self._sizes if segment < committed.segment]
        for segment in done:
            self.size -= self._sizes.pop(segment)
        return [segment_path(self.folder, segment) for segment in done]

    def close(self, *, delete: bool) -> None:
        """Let go; `delete` when everything is committed."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        if delete:
            remove(self.folder)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def abandon(self) -> None:
        """Remove a spool that was opened and never written to; whoever writes closes it, and then this does nothing."""
        if self._lock >= 0 and not self.size:
            self.close(delete=True)

    def _begin_segment(self) -> None:
        fd = os.open(
            segment_path(self.folder, self._segment + 1),
            os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC,
            0o600,
        )
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = fd
        self._segment += 1
        self._offset = 0
        self._sizes[self._segment] = 0


def segment_path(folder: Path, segment: int) -> Path:
    """The file of a segment."""
    return folder / f"{segment:08d}.log"


def segments(folder: Path) -> list[Path]:
    """The segment files of a folder in order."""
    return sorted(folder.glob("*.log"))


def delete(paths: Iterable[Path]) -> None:
    """Remove files, those that are gone already passed over. A large one can take milliseconds."""
    for path in paths:
        path.unlink(missing_ok=True)


def take_lock(folder: Path, *, make: bool = True) -> int:
    """An open descriptor that holds the folder, or -1 when a living process does.

    Without `make` a folder that has no lock file counts as held: its owner is just making it, or removing it, and a
    file that came into it now would be in the way.
    """
    flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if make else 0)
    try:
        fd = os.open(folder / "lock", flags, 0o600)
    except FileNotFoundError:
        if make:
            raise
        return -1
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        return -1
    return fd


def remove(folder: Path) -> None:
    """Delete a folder whose records are all committed, the lock last."""
    delete((*segments(folder), folder / PROBE, folder / "lock"))
    folder.rmdir()
