"""Bodies of answers as they are kept: longer ones as a frame of Zstandard (RFC 8878), others as they came.

A frame begins with its magic number, and so does nothing else that is kept: an answer that begins with it by itself is
packed whatever its length. So a body tells by itself how it is kept, in the spool and in the database alike (ADR 0045).
"""

import sys
from typing import Any, Final

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAGIC: Final = b"\x28\xb5\x2f\xfd"
LEVEL: Final = 1
MOST: Final = 256 * 1024 * 1024
"""Bytes of a body. Ours say their length in their frame."""


class Packer:
    """Packs bodies of `least` to `most` bytes. Keeps its working memory, so it is for one thread."""

    def __init__(self, least: int, most: int) -> None:
        self._least = least
        self._most = min(most, MOST)
        self._zstd = zstd.ZstdCompressor(level=LEVEL)

    def pack(self, body: bytes) -> bytes:
        """A body as it is kept."""
        if self._least <= len(body) <= self._most or (body.startswith(MAGIC) and len(body) <= MOST):
            return self._zstd.compress(body, zstd.ZstdCompressor.FLUSH_FRAME)
        return body


def unpacked(kept: bytes) -> bytes:
    """The body that is kept so.

    A version before this one packed nothing, and a model server may have answered with a frame of its own. That is read
    too, unless it does not say how large it is, or is larger than any body of ours.
    """
    if not kept.startswith(MAGIC):
        return kept
    try:
        # Its stub does not know that the size may be missing, and compiled code would take its word.
        told: Any = zstd.get_frame_info(kept)
        size: int | None = told.decompressed_size
        if size is None or size > MOST:
            return kept
        reader = zstd.ZstdDecompressor()
        body = reader.decompress(kept, size + 1)
    except zstd.ZstdError:
        return kept
    return body if reader.eof and not reader.unused_data else kept
