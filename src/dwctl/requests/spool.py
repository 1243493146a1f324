"""Segment files of one process: `<data_dir>/spool/<daemon id>/00000001.seg`, …

Written once per turn of the event loop; let go segment by segment once the database has them for certain. A
lock on the folder tells a living owner from a dead one. `write` is a plain write to the page cache: SIGKILL
loses nothing of it, a power cut at most the last moments.

New pages of a file cost several times what is written into them. So space is laid out ahead in large pieces, and the
file of a segment that was let go becomes a spare, which a later segment is written over. A spare has another name: a
process that dies leaves it, and whoever inherits does not read it. Spares that were not needed for a while go
(`tidy`).
"""

import fcntl
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from dwctl.core.errors import SetupError
from dwctl.requests.entries import Position
from dwctl.requests.frames import block_head

PROBE = "probe"
SEGMENT = ".seg"
SPARE = ".spare"
EARLIER = ".log"
"""Of segments that versions before this one wrote: their checksums begin with zero."""
AHEAD: Final = 64 * 1024
"""Space is laid out up to a multiple of so many bytes. The kernel keeps what is written at once in one piece, and is
slower again with pieces of a megabyte."""
_NOTHING: Final = memoryview(bytes(2 * AHEAD))


class Spool:
    """The writing end. Raises OSError when the disk is full or broken; nothing half-written is read back."""

    def __init__(self, folder: Path, segment_bytes: int, spare_segments: int = 0) -> None:
        self.folder = folder
        self._segment_bytes = segment_bytes
        self._spare_segments = spare_segments
        self._spares: list[Path] = []
        self._unneeded = 0
        """The fewest spares there were since `tidy`."""
        self._segment = 0
        self._offset = 0
        self._laid = 0
        """Up to here the file has space."""
        self._sizes: dict[int, int] = {}
        self._fd = -1
        self._lock = -1
        self.size = 0
        """Bytes of the segments that were not let go."""

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

    def write(self, frames: bytes) -> None:
        """Append a block of frames in one write."""
        if self._offset >= self._segment_bytes:
            self._begin_segment()
        head = block_head(frames, self._segment)
        size = len(head) + len(frames)
        end = self._offset + size
        if end > self._laid and size < AHEAD:
            self._lay_out(end)
        written = os.pwritev(self._fd, (head, frames), self._offset)
        if written < size:
            data = head + frames
            while written < size:
                written += os.pwrite(self._fd, data[written:], self._offset + written)
        self._laid = max(self._laid, end)
        self._offset = end
        self.size += size
        self._sizes[self._segment] = end

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
        """At most `limit` bytes of what was written to a segment."""
        with segment_path(self.folder, segment).open("rb") as file:
            file.seek(offset)
            return file.read(min(limit, self.segment_end(segment) - offset))

    def segment_end(self, segment: int) -> int:
        """Length of a segment."""
        return self._sizes.get(segment, 0)

    def has_before(self, committed: Position) -> bool:
        """Whether there is a segment that lies wholly before a place."""
        return next(iter(self._sizes), self._segment) < committed.segment

    def let_go(self, committed: Position) -> list[Path]:
        """Give up the segments that lie wholly before a committed place, as spares; the rest is to be deleted."""
        done = [segment for segment in self._sizes if segment < committed.segment]
        surplus: list[Path] = []
        for segment in done:
            self.size -= self._sizes.pop(segment)
            path = segment_path(self.folder, segment)
            if len(self._spares) >= self._spare_segments or not self._set_aside(path):
                surplus.append(path)
        return surplus

    def tidy(self) -> list[Path]:
        """Spares that were not needed since this was last asked: the caller is to `delete` them."""
        surplus = self._spares[: self._unneeded]
        del self._spares[: self._unneeded]
        self._unneeded = len(self._spares)
        return surplus

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

    def _set_aside(self, path: Path) -> bool:
        try:
            self._spares.append(path.rename(path.with_suffix(SPARE)))
        except OSError:
            return False
        return True

    def _begin_segment(self) -> None:
        path = segment_path(self.folder, self._segment + 1)
        if self._spares:
            with suppress(OSError):
                self._spares.pop().rename(path)
            self._unneeded = min(self._unneeded, len(self._spares))
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = fd
        self._segment += 1
        self._offset = 0
        self._laid = os.fstat(fd).st_size
        self._sizes[self._segment] = 0

    def _lay_out(self, end: int) -> None:
        """Space for what ends there, and somewhat more."""
        end = -(-end // AHEAD) * AHEAD
        self._laid += os.pwrite(self._fd, _NOTHING[: end - self._laid], self._laid)


def segment_path(folder: Path, segment: int) -> Path:
    """The file of a segment."""
    return folder / f"{segment:08d}{SEGMENT}"


def segments(folder: Path) -> list[tuple[int, Path]]:
    """The segment files of a folder in order, each with the number that its checksums begin with."""
    paths = sorted((*folder.glob(f"*{EARLIER}"), *folder.glob(f"*{SEGMENT}")))
    return [(int(path.stem) if path.suffix == SEGMENT else 0, path) for path in paths]


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
    for suffix in (EARLIER, SEGMENT, SPARE):
        delete(folder.glob(f"*{suffix}"))
    delete((folder / PROBE, folder / "lock"))
    folder.rmdir()
