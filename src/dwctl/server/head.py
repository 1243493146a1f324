"""Reading a request's head (RFC 9112). No I/O.

A strict grammar: whatever two readers could understand differently is refused. No line folding, no bare line
feed, no white space before a colon, one content-length of digits only, no other transfer coding than chunked,
never both, exactly one host in HTTP/1.1.
"""

import re

import msgspec

from dwctl.wire.exchange import Headers

_REQUEST_LINE = re.compile(rb"([A-Z][A-Z0-9_\-]{0,31}) ([!-~\x80-\xff]+) HTTP/1\.([01])")
_LINE = re.compile(
    rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*((?:[!-~\x80-\xff](?:[ \t]*[!-~\x80-\xff])*)?)[ \t]*"
)
_LENGTH = re.compile(rb"[0-9]{1,18}")
_ABSOLUTE = re.compile(rb"(?i:https?)://[^/?#]*")


class HeadError(Exception):
    """The head cannot be served; carries the status of the answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class RequestHead(msgspec.Struct, gc=False):
    """One request's head."""

    method: bytes
    target: bytes
    path: bytes
    query: bytes
    headers: Headers
    minor: int
    """1 for HTTP/1.1."""
    length: int
    """Bytes of the body; -1 when it is chunked."""
    keep_alive: bool
    expects_continue: bool


def parse(data: bytes, max_headers: int, max_target: int) -> RequestHead:
    """Parse a head without its final empty line."""
    first, *lines = data.split(b"\r\n")
    match = _REQUEST_LINE.fullmatch(first)
    if match is None:
        if re.fullmatch(rb"\S+ \S+ HTTP/[0-9.]+", first) and b"HTTP/1." not in first:
            raise HeadError(505, "This server speaks HTTP/1.1.")
        raise HeadError(400, "The request line is malformed.")
    method, target, minor = match.groups()
    if len(target) > max_target:
        raise HeadError(414, f"The request target is longer than {max_target} bytes.")
    if len(lines) > max_headers:
        raise HeadError(431, f"The request has more than {max_headers} header lines.")
    headers: Headers = []
    length = 0
    lengths = hosts = 0
    chunked = expects_continue = False
    connection = b""
    for line in lines:
        found = _LINE.fullmatch(line)
        if found is None:
            raise HeadError(400, "A header line is malformed.")
        name = found[1].lower()
        value = found[2]
        headers.append((name, value))
        if name == b"content-length":
            lengths += 1
            if lengths > 1 or _LENGTH.fullmatch(value) is None:
                raise HeadError(400, "Content-Length must be one number.")
            length = int(value)
        elif name == b"transfer-encoding":
            if chunked or value.lower() != b"chunked":
                raise HeadError(501, "The only transfer coding understood is chunked.")
            chunked = True
        elif name == b"host":
            hosts += 1
        elif name == b"connection":
            connection = connection + b"," + value.lower() if connection else value.lower()
        elif name == b"expect":
            expects_continue = value.lower() == b"100-continue"
    if chunked:
        if lengths or minor == b"0":
            raise HeadError(400, "Content-Length and Transfer-Encoding exclude each other.")
        length = -1
    if hosts != 1 and (minor == b"1" or hosts > 1):
        raise HeadError(400, "A request needs exactly one Host header.")
    path, _, query = _origin_form(method, target).partition(b"?")
    keep_alive = _keeps_alive(minor, connection)
    return RequestHead(method, target, path, query, headers, int(minor), length, keep_alive, expects_continue)


def _keeps_alive(minor: bytes, connection: bytes) -> bool:
    if not connection:
        return minor == b"1"
    options = {option.strip() for option in connection.split(b",")}
    if b"close" in options:
        return False
    return minor == b"1" or b"keep-alive" in options


def _origin_form(method: bytes, target: bytes) -> bytes:
    """The path and query of any form of target (RFC 9112 §3.2)."""
    if target.startswith(b"/"):
        return target.partition(b"#")[0]
    if target == b"*" and method == b"OPTIONS":
        return b"/"
    match = _ABSOLUTE.match(target)
    if match is None:
        raise HeadError(400, "The request target is neither a path nor an absolute address.")
    rest = target[match.end() :].partition(b"#")[0]
    return rest if rest.startswith(b"/") else b"/" + rest
