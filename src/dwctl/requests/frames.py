"""The spool's file format: one frame for each record. Pure.

```
length  u32 little-endian   bytes after this field and the next
crc32   u32 little-endian   of those bytes
kind    u8                  1 Started, 2 Finished
meta    u32 little-endian   length of the record's JSON
        JSON of the record, then the body's bytes
```

A file is read up to the first frame that is not whole or whose checksum differs: what a killed process or a
power cut left at the end of its last segment.
"""

import struct
import zlib
from collections.abc import Iterator
from enum import IntEnum

import msgspec

from dwctl.requests.record import State

_OUTER = struct.Struct("<II")
_INNER = struct.Struct("<BI")
_HEAD = struct.Struct("<IIBI")
OVERHEAD = _HEAD.size
MAX_FRAME = 1 << 30


class Kind(IntEnum):
    """What a frame holds."""

    STARTED = 1
    FINISHED = 2


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One record on its way to the database."""

    kind: int
    id: str
    attempt: int
    state: int
    meta: bytes
    """The record as JSON."""
    body: bytes


def head(kind: int, meta: bytes, body: bytes) -> bytes:
    """What stands before a record's JSON and body."""
    inner = _INNER.pack(kind, len(meta))
    crc = zlib.crc32(body, zlib.crc32(meta, zlib.crc32(inner)))
    return _HEAD.pack(_INNER.size + len(meta) + len(body), crc, kind, len(meta))


def read(data: bytes, offset: int = 0) -> Iterator[tuple[int, bytes, bytes, int]]:
    """(kind, meta, body, offset after the frame) of every whole frame from `offset` on."""
    end = len(data)
    while offset + OVERHEAD <= end:
        length, crc = _OUTER.unpack_from(data, offset)
        start = offset + _OUTER.size
        if length < _INNER.size or length > MAX_FRAME or start + length > end:
            return
        payload = data[start : start + length]
        if zlib.crc32(payload) != crc:
            return
        kind, meta_length = _INNER.unpack_from(payload)
        if _INNER.size + meta_length > length:
            return
        split = _INNER.size + meta_length
        offset = start + length
        yield kind, payload[_INNER.size : split], payload[split:], offset


def first_length(data: bytes) -> int:
    """Bytes of the first frame with its head, as it says itself; 0 when not even that can be read."""
    if len(data) < _OUTER.size:
        return 0
    length: int = _OUTER.unpack_from(data)[0]
    return _OUTER.size + length


class _Known(msgspec.Struct, gc=False):
    id: str
    attempt: int = 1
    state: int = State.PROCESSING


_decode = msgspec.json.Decoder(_Known).decode


def entry_of(kind: int, meta: bytes, body: bytes) -> Entry:
    """An entry from what a frame holds."""
    known = _decode(meta)
    return Entry(kind, known.id, known.attempt, known.state, meta, body)
