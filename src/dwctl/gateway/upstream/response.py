"""Reading an HTTP/1.1 response from bytes as they come (RFC 9112). No I/O.

Strict where a guess could mix up two answers: a bad status line, a header line without a name, two different
lengths, a bad chunk size end the connection.
"""

import re

import msgspec

Headers = list[tuple[bytes, bytes]]

_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: [^\r\n]*)?")
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_LENGTH = re.compile(rb"[0-9]{1,18}")


class ResponseError(Exception):
    """The bytes are not an HTTP response."""


class Head(msgspec.Struct, frozen=True, gc=False):
    """A response's head; names are lower-cased."""

    status: int
    headers: Headers
    length: int | None
    """Bytes of the body by content-length."""
    chunked: bool
    keep_alive: bool

    def first(self, name: bytes) -> bytes | None:
        """The first value of a field."""
        for known, value in self.headers:
            if known == name:
                return value
        return None


def parse_head(data: bytes) -> Head:
    """Parse a head up to and without its empty line."""
    first, *lines = data.split(b"\r\n")
    match = _STATUS_LINE.fullmatch(first)
    if match is None:
        raise ResponseError("the status line is not HTTP/1.1")
    headers: Headers = []
    length: int | None = None
    chunked = False
    connection = b""
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or _NAME.fullmatch(name) is None:
            raise ResponseError("a header line has no name")
        name = name.lower()
        value = value.strip(b" \t")
        if b"\n" in value or b"\r" in value or b"\0" in value:
            raise ResponseError("a header value has a line break in it")
        headers.append((name, value))
        if name == b"content-length":
            if _LENGTH.fullmatch(value) is None or length not in (None, int(value)):
                raise ResponseError("content-length is not one number")
            length = int(value)
        elif name == b"transfer-encoding":
            if value.lower() != b"chunked":
                raise ResponseError("transfer-encoding is not chunked")
            chunked = True
        elif name == b"connection":
            connection = value.lower()
    keep_alive = b"close" not in connection if match[1] == b"1" else b"keep-alive" in connection
    if chunked:
        length = None
    return Head(int(match[2]), headers, length, chunked, keep_alive)
