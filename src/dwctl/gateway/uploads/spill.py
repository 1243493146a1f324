"""Bytes that are kept in memory while they are few, else in a file without a name.

A file without a name belongs to its descriptor: the kernel takes it back when the process ends, however it ends, so
that no crash leaves one and no start has to look for them. Writing goes to the page cache and is not synced.
"""

import os
import tempfile
from pathlib import Path

import msgspec


class SpillRoom:
    """Where bodies go, and how much there may be of all of them."""

    def __init__(self, folder: Path, *, memory_bytes: int, max_total_bytes: int) -> None:
        self.folder = folder
        self.memory_bytes = memory_bytes
        self.max_total_bytes = max_total_bytes
        self.used = 0
        """Bytes of all bodies that are kept now."""


class RoomFull(Exception):
    """All bodies together are as many bytes as there may be."""


class Spill:
    """One body. Raises `OSError` when the disk does not take it."""

    __slots__ = ("_descriptor", "_parts", "_room", "size")

    def __init__(self, room: SpillRoom) -> None:
        self._room = room
        self._parts: list[bytes] = []
        self._descriptor = -1
        self.size = 0

    @property
    def on_disk(self) -> bool:
        """Whether it has outgrown memory."""
        return self._descriptor >= 0

    def write(self, data: bytes) -> None:
        """Add bytes at the end."""
        room = self._room
        if room.used + len(data) > room.max_total_bytes:
            raise RoomFull
        room.used += len(data)
        self.size += len(data)
        if self._descriptor < 0:
            self._parts.append(data)
            if self.size <= room.memory_bytes:
                return
            with tempfile.TemporaryFile(dir=room.folder, buffering=0) as file:
                self._descriptor = os.dup(file.fileno())
            data = b"".join(self._parts)
            self._parts = []
        left = memoryview(data)
        while left:
            left = left[os.write(self._descriptor, left) :]

    def read(self, start: int, size: int) -> bytes:
        """So many bytes from a place on; fewer only at the end."""
        if self._descriptor >= 0:
            return os.pread(self._descriptor, size, start)
        if len(self._parts) > 1:
            self._parts = [b"".join(self._parts)]
        return self._parts[0][start : start + size] if self._parts else b""

    def close(self) -> None:
        """Give everything back; a second time does nothing."""
        self._room.used -= self.size
        self.size = 0
        self._parts = []
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class Piece(msgspec.Struct, frozen=True):
    """A part of what is sent: bytes of ours, or a range of the spill."""

    data: bytes = b""
    start: int = 0
    end: int = 0

    @property
    def size(self) -> int:
        """How many bytes it is."""
        return len(self.data) or self.end - self.start


class SpillSource:
    """Implements the upstream's `Source`: pieces, one after the other, as often as need be."""

    __slots__ = ("_at", "_index", "_pieces", "_spill", "size")

    def __init__(self, spill: Spill, pieces: tuple[Piece, ...]) -> None:
        self._spill = spill
        self._pieces = pieces
        self._index = 0
        self._at = 0
        self.size = sum(piece.size for piece in pieces)

    def rewind(self) -> None:
        """Begin anew."""
        self._index = 0
        self._at = 0

    def read(self, size: int) -> bytes:
        """The next bytes, at most so many; none at the end."""
        while self._index < len(self._pieces):
            piece = self._pieces[self._index]
            if self._at < piece.size:
                most = min(size, piece.size - self._at)
                if piece.data:
                    data = piece.data[self._at : self._at + most]
                else:
                    data = self._spill.read(piece.start + self._at, most)
                if not data:
                    raise OSError("a kept body is shorter than it was")
                self._at += len(data)
                return data
            self._index += 1
            self._at = 0
        return b""
