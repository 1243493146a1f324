"""Compressed bodies of requests (RFC 9110 §8.4): gzip and deflate, never larger than a limit. Pure."""

import zlib

from dwctl.wire.errors import Problem, Refused

INLINE_BYTES = 256 * 1024
"""A body that is this small in both forms is decompressed at once, in about a millisecond; another one in a thread."""
MAX_MEMBERS = 64
"""Streams of gzip that may follow one another."""
ACCEPTED = "gzip, deflate"
_GZIP = 16 + zlib.MAX_WBITS
_WRAPPED, _RAW = zlib.MAX_WBITS, -zlib.MAX_WBITS


class TooLarge(Exception):
    """It would be more bytes than the limit."""


def coding_of(value: bytes) -> str | None:
    """What is to be undone, from the whole of `Content-Encoding`; None for nothing. Raises `Refused` with 415."""
    named = [name.strip().lower() for name in value.decode("latin-1").split(",")]
    codings = [name.removeprefix("x-") for name in named if name not in ("", "identity")]
    if not codings:
        return None
    if len(codings) > 1 or codings[0] not in ("gzip", "deflate"):
        shown = value[:64].decode("ascii", "replace")
        raise Refused(unsupported(f"The content coding '{shown}' is not understood; send one of {ACCEPTED}."))
    return codings[0]


def unsupported(text: str) -> Problem:
    """415, with what is accepted (RFC 9110 §12.5.3)."""
    return Problem(
        status=415,
        message=text,
        code="unsupported_content_encoding",
        headers=((b"accept-encoding", ACCEPTED.encode()),),
    )


def inflate(data: bytes, coding: str, limit: int) -> bytes:
    """The body itself. Raises `TooLarge`, and `Refused` with 400 for what is no such coding."""
    if coding == "gzip":
        window = _GZIP
    else:
        # RFC 9110 means zlib's format; some clients leave its two bytes out.
        wrapped = len(data) > 1 and data[0] & 15 == 8 and not (data[0] << 8 | data[1]) % 31
        window = _WRAPPED if wrapped else _RAW
    parts: list[bytes] = []
    left = limit
    rest = data
    for _ in range(MAX_MEMBERS):
        stream = zlib.decompressobj(window)
        try:
            parts.append(stream.decompress(rest, left + 1))
        except zlib.error as error:
            raise Refused(_malformed(coding)) from error
        left -= len(parts[-1])
        if left < 0:
            raise TooLarge
        if not stream.eof:
            break
        rest = stream.unused_data
        if not rest:
            return parts[0] if len(parts) == 1 else b"".join(parts)
        if coding != "gzip":
            break
    raise Refused(_malformed(coding))


def _malformed(coding: str) -> Problem:
    return Problem(status=400, message=f"The body is not what Content-Encoding says: not valid {coding}.")
