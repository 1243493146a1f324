"""The chunked transfer coding (RFC 9112 §7.1), decoded from bytes as they come. No I/O.

Strict: a size that is no hexadecimal number, a chunk longer than its size, a line without end are errors. Trailer
fields are read over.
"""

import re
from enum import Enum

_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?")
MAX_CHUNK_LINE = 4096
MAX_TRAILER_LINES = 64


class ChunkError(Exception):
    """The bytes are not chunked."""


class _At(Enum):
    SIZE = 1
    DATA = 2
    DATA_END = 3
    TRAILER = 4
    END = 5


class Chunks:
    """Decodes the chunked transfer coding."""

    __slots__ = ("_at", "_buffer", "_left", "_trailers")

    def __init__(self) -> None:
        self._buffer = b""
        self._left = 0
        self._at = _At.SIZE
        self._trailers = 0

    @property
    def ended(self) -> bool:
        """Whether the last chunk and its trailer have been read."""
        return self._at is _At.END

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """(body bytes, bytes after the end of the body)."""
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        body: list[bytes] = []
        place = 0
        while self._at is not _At.END:
            if self._at is _At.DATA:
                piece = data[place : place + self._left]
                if not piece:
                    break
                body.append(piece)
                place += len(piece)
                self._left -= len(piece)
                if self._left:
                    break
                self._at = _At.DATA_END
            end = data.find(b"\r\n", place)
            if end < 0:
                self._keep(data[place:])
                break
            line = data[place:end]
            place = end + 2
            self._line(line)
        else:
            return (body[0] if len(body) == 1 else b"".join(body)), data[place:]
        return (body[0] if len(body) == 1 else b"".join(body)), b""

    def _keep(self, rest: bytes) -> None:
        if len(rest) > MAX_CHUNK_LINE:
            raise ChunkError("a chunk's first line does not end")
        self._buffer = rest

    def _line(self, line: bytes) -> None:
        if self._at is _At.SIZE:
            match = _CHUNK_SIZE.fullmatch(line)
            if match is None:
                raise ChunkError("a chunk's size is not a number")
            self._left = int(match[1], 16)
            self._at = _At.DATA if self._left else _At.TRAILER
        elif self._at is _At.DATA_END:
            if line:
                raise ChunkError("a chunk is longer than its size")
            self._at = _At.SIZE
        elif not line:
            self._at = _At.END
        else:
            self._trailers += 1
            if self._trailers > MAX_TRAILER_LINES:
                raise ChunkError("the trailer has too many lines")
