"""Reading a request's head (RFC 9112). No I/O.

A strict grammar: whatever two readers could understand differently is refused. No line folding, no bare line
feed, no white space before a colon, one content-length of digits only, no other transfer coding than chunked,
never both, exactly one host in HTTP/1.1.
"""

import re
from typing import TypeVar

from dwctl.server.request_head import RequestHead
from dwctl.wire.exchange import Headers, Memo
from dwctl.wire.repeats import Repeats

T = TypeVar("T")

_REQUEST_LINE = re.compile(rb"([A-Z][A-Z0-9_\-]{0,31}) ([!-~]+) HTTP/1\.([01])")
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(rb"[\t -~\x80-\xff]*")
_OTHER_VERSION = re.compile(rb"\S+ \S+ HTTP/(?!1\.)[0-9.]+")
_FRAMING = frozenset({b"content-length", b"transfer-encoding", b"host", b"connection", b"expect"})
_UNKEPT = frozenset(
    {b"authorization", b"content-length", b"cookie", b"proxy-authorization", b"x-api-key", b"api-key"}
)
"""Secrets, and what differs from request to request."""
MAX_KNOWN_LINES = 2048
MAX_KNOWN_LINE = 256
MAX_LENGTH_DIGITS = 18
_KEY = b"authorization"
_KEY_LINES = (b"\r\nauthorization: ", b"\r\nAuthorization: ")
MAX_REPEATED = 8192
"""Bytes of a head that a connection remembers."""
_ABSOLUTE = re.compile(rb"(?i:https?)://[0-9A-Za-z\-._~%!$&'()*+,;=:\[\]]+(?=[/?]|\Z)")
"""A scheme and an authority (RFC 3986 §3.2) without a user, which RFC 9110 §4.2.4 forbids."""


class HeadError(Exception):
    """The head cannot be served; carries the status of the answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class KnownLines:
    """What was read before, with what it means: clients repeat most of a head in every request."""

    __slots__ = ("lines", "names", "starts")

    def __init__(self) -> None:
        self.lines: dict[bytes, tuple[bytes, bytes]] = {}
        """Name in lower case and value of header lines, but of those that are secret or never the same."""
        self.names: dict[bytes, bytes] = {}
        """Fields' names in lower case, as they were written."""
        self.starts: dict[bytes, tuple[bytes, bytes, int, bytes, bytes]] = {}
        """Method, target, minor version, path and query of request lines; of POST alone, for other paths have ids."""


class RepeatedHeads:
    """The last head of a connection; a repeated one is exactly as good as one that the grammar has let through."""

    __slots__ = ("_repeats", "head")

    def __init__(self) -> None:
        self._repeats = Repeats()
        self.head: RequestHead | None = None
        """The last one."""

    def parse(self, data: bytes, max_headers: int, max_target: int, known: KnownLines) -> RequestHead:
        """As the function of this name. A repeated head is the same object again, with its new length."""
        head = self.head
        digits = self._repeats.digits(data)
        if digits is not None and head is not None:
            head.length = int(digits)
            head.repeated = True
            head.fields()
            return head
        used = head is not None and head.memo.used
        head = parse(data, max_headers, max_target, known, used=used)
        if len(data) <= MAX_REPEATED and not head.expects_continue and self._repeats.remember(data):
            self.head = head
        else:
            self._repeats.forget()
        return head

    def again(self, data: bytes) -> int:
        """Where the body begins in bytes that begin with the last head, or 0; `head` has the new length then.

        A head that differs from it by the key alone counts too, as of a proxy that sends for many clients.
        """
        end = self._repeats.measure(data)
        head = self.head
        if head is None:
            return 0
        if not end:
            head = self._with_another_key(data, head)
            if head is None:
                return 0
            end = self._repeats.measure(data)
            if not end:
                self._repeats.forget()
                return 0
            self.head = head
        head.length = self._repeats.length
        head.repeated = True
        return end

    def _with_another_key(self, data: bytes, head: RequestHead) -> RequestHead | None:
        """The head that these bytes begin with, up to its length; None unless it differs from the last one so."""
        for line in _KEY_LINES:
            value = self._repeats.other(data, line)
            if value:
                break
        else:
            return None
        names = [name for name, _ in head.headers]
        if not _plain(value) or names.count(_KEY) != 1:
            return None
        self._repeats.follow(data)
        value = value.strip(b" ")
        headers = head.headers.copy()
        headers[names.index(_KEY)] = (_KEY, value)
        memo = Memo(used=head.memo.used, like=head.memo.facts, authorization=value)
        return RequestHead(
            head.method,
            head.target,
            head.path,
            head.query,
            headers,
            head.minor,
            0,
            head.keep_alive,
            False,
            memo,
        )


def parse(
    data: bytes, max_headers: int, max_target: int, known: KnownLines | None = None, *, used: bool = False
) -> RequestHead:
    """Parse a head without its final empty line; `known` makes it faster and is added to. `used` is for its memo."""
    first, *lines = data.split(b"\r\n")
    known = KnownLines() if known is None else known
    method, target, minor, path, query = known.starts.get(first) or _start(first, max_target, known)
    if len(lines) > max_headers:
        raise HeadError(431, f"The request has more than {max_headers} header lines.")
    headers: Headers = []
    framing: dict[bytes, list[bytes]] = {}
    pairs = known.lines
    for line in lines:
        pair = pairs.get(line)
        if pair is None:
            pair = _header(line, known)
        headers.append(pair)
        if pair[0] in _FRAMING:
            framing.setdefault(pair[0], []).append(pair[1])
    hosts = len(framing.get(b"host", ()))
    if hosts != 1 and (minor or hosts > 1):
        raise HeadError(400, "A request needs exactly one Host header.")
    connection = b",".join(framing[b"connection"]).lower() if b"connection" in framing else b""
    return RequestHead(
        method,
        target,
        path,
        query,
        headers,
        minor,
        _body_length(framing, minor),
        _keeps_alive(minor, connection),
        b"expect" in framing and framing[b"expect"][0].lower() == b"100-continue",
        Memo(used=used),
    )


def _start(line: bytes, max_target: int, known: KnownLines) -> tuple[bytes, bytes, int, bytes, bytes]:
    """What a request line says that is not known yet."""
    method, target, minor = _request_line(line, max_target)
    path, _, query = _origin_form(method, target).partition(b"?")
    start = (method, target, minor, path, query)
    if method == b"POST" and len(line) <= MAX_KNOWN_LINE and not query:
        _note(known.starts, line, start)
    return start


def _header(line: bytes, known: KnownLines) -> tuple[bytes, bytes]:
    """Name in lower case and value of a line that is not known yet."""
    written, colon, value = line.partition(b":")
    name = known.names.get(written)
    if name is None:
        if _NAME.fullmatch(written) is None:
            raise HeadError(400, "A header line is malformed.")
        name = written.lower()
        if len(written) <= MAX_KNOWN_LINE:
            _note(known.names, written, name)
    if not colon or not (_plain(value) or _VALUE.fullmatch(value)):
        raise HeadError(400, "A header line is malformed.")
    pair = (name, value.strip(b" \t"))
    if len(line) <= MAX_KNOWN_LINE and name not in _UNKEPT:
        _note(known.lines, line, pair)
    return pair


def _note(known: dict[bytes, T], written: bytes, meaning: T) -> None:
    """Add to what is known; when it is full, all of it is learnt anew."""
    if len(known) >= MAX_KNOWN_LINES:
        known.clear()
    known[written] = meaning


def _plain(value: bytes) -> bool:
    """Whether a value is what most are: nothing but printable ASCII. A pattern is slow to find that."""
    return value.isascii() and value.decode("ascii").isprintable()


def _request_line(line: bytes, max_target: int) -> tuple[bytes, bytes, int]:
    match = _REQUEST_LINE.fullmatch(line)
    if match is None:
        if _OTHER_VERSION.fullmatch(line):
            raise HeadError(505, "This server speaks HTTP/1.1.")
        raise HeadError(400, "The request line is malformed.")
    if len(match[2]) > max_target:
        raise HeadError(414, f"The request target is longer than {max_target} bytes.")
    return match[1], match[2], 1 if match[3] == b"1" else 0


def _body_length(framing: dict[bytes, list[bytes]], minor: int) -> int:
    """Bytes of the body, -1 for chunked; two readers must not disagree (RFC 9112 §6.3)."""
    lengths = framing.get(b"content-length")
    codings = framing.get(b"transfer-encoding")
    if codings:
        if lengths or not minor:
            raise HeadError(400, "Transfer-Encoding excludes Content-Length and HTTP/1.0.")
        if len(codings) > 1 or codings[0].lower() != b"chunked":
            raise HeadError(501, "The only transfer coding understood is chunked.")
        return -1
    if not lengths:
        return 0
    if len(lengths) > 1 or len(lengths[0]) > MAX_LENGTH_DIGITS or not lengths[0].isdigit():
        raise HeadError(400, "Content-Length must be one number.")
    return int(lengths[0])


def _keeps_alive(minor: int, connection: bytes) -> bool:
    if not connection:
        return minor == 1
    options = {option.strip() for option in connection.split(b",")}
    if b"close" in options:
        return False
    return minor == 1 or b"keep-alive" in options


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
