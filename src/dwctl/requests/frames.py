"""The spool's file format: one block for each write, with a frame for each record in it. Pure.

```
block   length  u32 little-endian   bytes of its frames
        crc32   u32 little-endian   of those bytes, begun with the segment's number
frame   kind    u8                  1 a call starts, 2 it ends
        meta    u32 little-endian   length of the record's JSON
        body    u32 little-endian   length of the body
                JSON of the record, then the body
```

A file is read up to the first block that is not whole or whose checksum differs: what a killed process or a
power cut left at the end of its last segment, space that was laid out ahead, or what stands there of the segment that
the file held before. The same bytes never have the same checksum under another number, so nothing old is taken for new.
"""

import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import Final

import msgspec
from zlib_ng.zlib_ng import crc32

from dwctl.requests.entries import Stamp
from dwctl.requests.entry import Entry

_BLOCK: Final = struct.Struct("<II")
_FRAME: Final = struct.Struct("<BII")
BLOCK_HEAD: Final = _BLOCK.size
FRAME_HEAD: Final = _FRAME.size
MAX_BLOCK = (1 << 32) - 1
_checksum: Final = crc32
"""The one that `zlib` has, in a seventh of its time (decision 0019)."""


class Kind(IntEnum):
    """What a frame holds."""

    STARTED = 1
    FINISHED = 2


def frame_head(kind: int, meta: int, body: int) -> bytes:
    """What stands before a record, by the lengths of its JSON and its body."""
    # One number: `struct` takes three times as long.
    return (kind | meta << 8 | body << 40).to_bytes(FRAME_HEAD, "little")


def block_head(frames: bytes, segment: int) -> bytes:
    """What stands before frames that are written to a segment together."""
    return _BLOCK.pack(len(frames), _checksum(frames, segment))


def frame(kind: int, meta: bytes, body: bytes) -> bytes:
    """One record's frame."""
    return b"%b%b%b" % (frame_head(kind, len(meta), len(body)), meta, body)


def blocks(data: bytes, segment: int) -> Iterator[tuple[list[Entry], int]]:
    """(records, offset after the block) of every whole block that was written to this segment."""
    end = len(data)
    offset = 0
    while offset + BLOCK_HEAD <= end:
        length, crc = _BLOCK.unpack_from(data, offset)
        start = offset + BLOCK_HEAD
        offset = start + length
        if offset > end:
            return
        frames = data[start:offset]
        if _checksum(frames, segment) != crc:
            return
        entries = _entries(frames)
        if entries is None:
            return
        yield entries, offset


def block_length(data: bytes) -> int:
    """Bytes of the first block with its head, as it says itself; 0 when not even that can be read."""
    if len(data) < BLOCK_HEAD:
        return 0
    length: int = _BLOCK.unpack_from(data)[0]
    return BLOCK_HEAD + length


_decode: Final = msgspec.json.Decoder(Stamp).decode


def entry_of(kind: int, meta: bytes, body: bytes) -> Entry:
    """An entry from what a frame holds."""
    known = _decode(meta)
    request, response = (body, b"") if kind == Kind.STARTED else (b"", body)
    return Entry(kind, known.id, known.attempt, known.state, meta, request, response)


def _entries(frames: bytes) -> list[Entry] | None:
    """The records of a block; None when it is no block of ours, as bytes that happen to fit their checksum."""
    entries: list[Entry] = []
    at = 0
    while at < len(frames):
        if at + FRAME_HEAD > len(frames):
            return None
        kind, meta, body = _FRAME.unpack_from(frames, at)
        at += FRAME_HEAD
        middle, end = at + meta, at + meta + body
        if end > len(frames):
            return None
        try:
            entries.append(entry_of(kind, frames[at:middle], frames[middle:end]))
        except msgspec.MsgspecError:
            return None
        at = end
    return entries
