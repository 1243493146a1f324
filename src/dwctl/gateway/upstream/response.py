"""Reading an HTTP/1.1 response's head (RFC 9112). No I/O.

Strict where a guess could mix up two answers: a bad status line, a line without a name, a lone CR or LF, two
different lengths, a coding that is not chunked end the connection. What may go on to a client keeps its bytes, so that
a reply's head is read in one pass and sent as it came.
"""

import re

from dwctl.gateway.upstream.response_head import Head
from dwctl.wire.repeats import Repeats

_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: .*)?")
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_LENGTH = re.compile(rb"[0-9]{1,18}")
_CONTROLS = bytes({*range(32), 127} - set(b"\t\r\n"))
"""What no field has in it (RFC 9110 §5.5): readers differ on what to make of them, and so would our clients."""
_PLAIN_CONNECTION = frozenset({b"keep-alive", b"close", b""})
MAX_KNOWN_NAMES = 2048


class ResponseError(Exception):
    """The bytes are not an HTTP response."""


_PASS = b"+"
_DROP = b"-"
_SPECIAL = frozenset(
    {b"content-length", b"transfer-encoding", b"connection", b"content-type", b"content-encoding"}
)
_PASSED_TOO = frozenset({b"content-type", b"content-encoding"})
_DROPPED = frozenset(
    {
        # hop by hop
        b"keep-alive", b"proxy-connection", b"proxy-authenticate", b"te", b"trailer", b"upgrade",
        # about the upstream's server, place and sessions; no business of a client of ours
        b"server", b"via", b"set-cookie", b"alt-svc", b"strict-transport-security", b"www-authenticate",
        # ours stands instead
        b"x-request-id", b"date", b"ratelimit", b"ratelimit-policy",
    }
)  # fmt: skip
_DROPPED_PREFIXES = (b"x-ratelimit-", b"cf-", b"access-control-", b"x-onwards-", b"x-fusillade-", b"x-dwctl-")


class HeadReader:
    """Reads heads. Remembers what to do with a field, by its name as it is spelled: pass, drop, or read as what.

    And remembers the last head: that of the next answer is often the same but for its length, and what is the same
    byte by byte needs no second reading.
    """

    __slots__ = ("_kinds", "_repeats", "head")

    def __init__(self) -> None:
        self._kinds: dict[bytes, bytes] = {}
        self._repeats = Repeats()
        self.head: Head | None = None
        """The last one that can be repeated."""

    def again(self, data: bytes) -> int:
        """Where the body begins in bytes that begin with the last head, or 0; `head` has the new length then."""
        head = self.head
        end = self._repeats.measure(data)
        if not end or head is None:
            return 0
        length = self._repeats.length
        if length != head.length:
            self.head = _with_length(head, length)
        return end

    def read(self, data: bytes) -> Head:
        """Parse a head up to and without its empty line."""
        last = self.head
        digits = self._repeats.digits(data)
        if digits is not None and last is not None:
            return _with_length(last, int(digits))
        head = self._parse(data)
        if head.length is not None and self._repeats.remember(data):
            self.head = head
        else:
            self._repeats.forget()
        return head

    def _parse(self, data: bytes) -> Head:
        first, *rest = data.split(b"\r\n")
        match = _STATUS_LINE.fullmatch(first)
        if match is None:
            raise ResponseError("the status line is not HTTP/1.1")
        breaks = len(rest)
        if (
            data.count(b"\r") != breaks
            or data.count(b"\n") != breaks
            or len(data.translate(None, _CONTROLS)) != len(data)
        ):
            raise ResponseError("the head has a line break or a control character in it")
        lines: list[bytes] = []
        special: dict[bytes, bytes] = {}
        for line in rest:
            name, colon, value = line.partition(b":")
            kind = self._kinds.get(name) or self._learn(name)
            if not colon:
                raise ResponseError("a header line has no colon")
            if kind is _PASS:
                lines.append(line)
            elif kind is not _DROP:
                value = value.strip(b" \t").lower()
                # A field in several lines is one list (RFC 9110 §5.3).
                special[kind] = b"%b,%b" % (special[kind], value) if kind in special else value
                if kind in _PASSED_TOO:
                    lines.append(line)
        return _head(match[1] == b"1", int(match[2]), special, lines)

    def _learn(self, name: bytes) -> bytes:
        if _NAME.fullmatch(name) is None:
            raise ResponseError("a header line has no name")
        lower = name.lower()
        if lower in _SPECIAL:
            kind = lower
        else:
            kind = _DROP if lower in _DROPPED or lower.startswith(_DROPPED_PREFIXES) else _PASS
        if len(self._kinds) < MAX_KNOWN_NAMES:
            self._kinds[name] = kind
        return kind


def _head(http11: bool, status: int, special: dict[bytes, bytes], lines: list[bytes]) -> Head:
    length = _length(special.get(b"content-length"))
    chunked = b"transfer-encoding" in special
    if chunked and special[b"transfer-encoding"] != b"chunked":
        raise ResponseError("transfer-encoding is not chunked")
    keep_alive = http11
    if b"connection" in special:
        keep_alive, lines = _connected(special[b"connection"], lines, keep_alive=keep_alive)
    if chunked and length is not None:
        # Two readers may differ on where this answer ends (RFC 9112 §6.3): nothing may follow it.
        keep_alive = False
        length = None
    lines.append(b"")
    content_type = special.get(b"content-type", b"")
    coded = special.get(b"content-encoding", b"identity") not in (b"identity", b"")
    return Head(
        status,
        length,
        chunked,
        keep_alive,
        coded,
        b"json" in content_type and not coded,
        content_type.startswith(b"text/event-stream"),
        b"\r\n".join(lines),
    )


def _with_length(head: Head, length: int) -> Head:
    return Head(
        head.status, length, head.chunked, head.keep_alive, head.coded, head.json, head.events, head.lines
    )


def _length(value: bytes | None) -> int | None:
    if value is None:
        return None
    if _LENGTH.fullmatch(value) is None:
        same = {part.strip(b" \t") for part in value.split(b",")}
        if len(same) > 1 or _LENGTH.fullmatch(same.pop()) is None:
            raise ResponseError("content-length is not one number")
        value = value.partition(b",")[0]
    return int(value)


def _connected(connection: bytes, lines: list[bytes], *, keep_alive: bool) -> tuple[bool, list[bytes]]:
    """What `Connection` says: whether the connection lives on, and which fields end here (RFC 9110 §7.6.1)."""
    options = {option.strip(b" \t") for option in connection.lower().split(b",")}
    if b"close" in options:
        keep_alive = False
    elif b"keep-alive" in options:
        keep_alive = True
    if options - _PLAIN_CONNECTION:
        lines = [line for line in lines if line.partition(b":")[0].lower() not in options]
    return keep_alive, lines
