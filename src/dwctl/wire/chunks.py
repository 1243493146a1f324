"""The chunked transfer coding (RFC 9112 §7.1), decoded from bytes as they come. No I/O.

Strict: a size that is no hexadecimal number, a chunk longer than its size, a line without end, a trailer's line that is
no field are errors. Trailer fields are read over.
"""

import re
from enum import Enum

_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[\t -~\x80-\xff]*)?\r\n")
_TRAILER_LINE = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t -~\x80-\xff]*")
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


_SIZE = _At.SIZE
_SIZES = {b"%x" % size: size for size in range(1, 4096)}
"""The size lines of chunks as nearly everybody writes them."""


def _plain_chunks(data: bytes) -> tuple[list[bytes], bool] | None:
    """The chunks of data that is nothing but such chunks, none with a CRLF in it, and whether the last one is there.

    Split and compared in a few steps, however many there are; and whether the last one of all, without a trailer, is
    among them. None when it is anything else.
    """
    pieces = data.split(b"\r\n")
    if pieces.pop():
        return None
    # A chunk has at least a byte; behind the last one's size is an empty line.
    ended = not pieces[-1]
    if ended and pieces[-2:] == [b"0", b""]:
        del pieces[-2:]
    body = pieces[1::2]
    return (body, ended) if list(map(_SIZES.get, pieces[::2])) == list(map(len, body)) else None


def _whole_chunks(data: bytes) -> tuple[list[bytes], int]:
    """The chunks that `data` begins with, as far as they are whole and plain, and where they end."""
    body: list[bytes] = []
    place = 0
    find = data.find
    size_of = _SIZES.get
    append = body.append
    while (line := find(b"\r\n", place, place + 8)) > 0 and (size := size_of(data[place:line])):
        start = line + 2
        end = start + size
        if data[end : end + 2] != b"\r\n":
            break
        append(data[start:end])
        place = end + 2
    return body, place


class Chunks:
    """Decodes the chunked transfer coding."""

    __slots__ = ("_at", "_buffer", "_left", "_trailers", "ended")

    def __init__(self) -> None:
        self._buffer = b""
        self._left = 0
        self._at = _At.SIZE
        self._trailers = 0
        self.ended = False
        """Whether the last chunk and its trailer have been read."""

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """(body bytes, bytes after the end of the body)."""
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        if self._at is _SIZE:
            # Whole chunks, as a model server writes its events: one, or several in one read.
            line, _, rest = data.partition(b"\r\n")
            size = _SIZES.get(line)
            if size is not None:
                if len(rest) == size + 2 and rest.endswith(b"\r\n"):
                    return rest[:size], b""
                return self._several(data)
        return self._feed(data, [], 0)

    def _several(self, data: bytes) -> tuple[bytes, bytes]:
        plain = _plain_chunks(data)
        if plain is not None:
            body, self.ended = plain
            if self.ended:
                self._at = _At.END
            return b"".join(body), b""
        body, place = _whole_chunks(data)
        return self._feed(data, body, place)

    def _feed(self, data: bytes, body: list[bytes], place: int) -> tuple[bytes, bytes]:
        while self._at is not _At.END:
            if self._at is _At.SIZE:
                match = _SIZE_LINE.match(data, place)
                if match is None:
                    self._keep(data[place:])
                    break
                place = match.end()
                self._left = int(match[1], 16)
                self._at = _At.DATA if self._left else _At.TRAILER
            elif self._at is _At.DATA:
                piece = data[place : place + self._left]
                if not piece:
                    break
                body.append(piece)
                place += len(piece)
                self._left -= len(piece)
                if self._left:
                    break
                self._at = _At.DATA_END
            elif self._at is _At.DATA_END:
                if not data.startswith(b"\r\n", place):
                    self._keep_end(data[place:])
                    break
                place += 2
                self._at = _At.SIZE
            else:
                end = data.find(b"\r\n", place)
                if end < 0:
                    self._keep(data[place:])
                    break
                self._trailer_line(data[place:end])
                place = end + 2
        else:
            return _joined(body), data[place:]
        return _joined(body), b""

    def _keep(self, rest: bytes) -> None:
        """An unfinished line, to be read on when more has come."""
        if self._at is _At.SIZE and (b"\n" in rest or rest[:1] not in b"0123456789abcdefABCDEF"):
            raise ChunkError("a chunk's size is not a number")
        if len(rest) > MAX_CHUNK_LINE:
            raise ChunkError("a chunk's first line does not end")
        self._buffer = rest

    def _keep_end(self, rest: bytes) -> None:
        if not b"\r\n".startswith(rest):
            raise ChunkError("a chunk is longer than its size")
        self._buffer = rest

    def _trailer_line(self, line: bytes) -> None:
        if not line:
            self._at = _At.END
            self.ended = True
            return
        if _TRAILER_LINE.fullmatch(line) is None:
            raise ChunkError("a line of the trailer is not a field")
        self._trailers += 1
        if self._trailers > MAX_TRAILER_LINES:
            raise ChunkError("the trailer has too many lines")


def _joined(body: list[bytes]) -> bytes:
    return body[0] if len(body) == 1 else b"".join(body)
