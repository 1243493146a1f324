"""What an answer says of the target that gave it, whatever its status line says (spec/gateway A1.8). Pure.

Model servers report failures inside answers of status 200: as an `error` object with a status as its `code`, alone in
the body or as the first event of a stream, or as a body with nothing in it.
"""

import re
from email.utils import parsedate_to_datetime

import msgspec

from dwctl.gateway.upstream.response_head import Head
from dwctl.routing.pool import is_status
from dwctl.wire.sse import Cutter, EventTooLarge, data_of, events

EMPTY = 502
"""What a JSON answer without a body counts as."""
MAX_PEEKED = 4
"""Events of a stream that are looked at; comments count, but say nothing."""
_RETRY_AFTER = re.compile(rb"(?:^|\n)retry-after:[ \t]*([^\r\n]*)", re.IGNORECASE)
_CONTENT_TYPE = b"content-type: application/json\r\n"


class _Error(msgspec.Struct, gc=False):
    code: object = None


class _Answer(msgspec.Struct, gc=False):
    error: _Error | None = None


_read = msgspec.json.Decoder(_Answer).decode


def embedded_status(body: bytes) -> int | None:
    """The status from 400 to 599 that an error object in a JSON body carries as its code, a number or its digits."""
    if body.find(b'"error"') < 0:
        return None
    try:
        error = _read(body).error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    code = None if error is None else error.code
    if isinstance(code, str) and len(code) == 3 and code.isascii() and code.isdigit():
        code = int(code)
    if isinstance(code, int) and not isinstance(code, bool) and code >= 400 and is_status(code):
        return code
    return None


def whole_status(head: Head, body: bytes) -> int | None:
    """What a whole JSON answer of status 2xx means, if that differs from what its head says."""
    if not head.json or head.status == 204:
        return None
    return embedded_status(body) if body.strip() else EMPTY


def as_error(status: int, body: bytes) -> Head:
    """The head of an error that came inside another answer."""
    return Head(
        status=status,
        length=len(body),
        chunked=False,
        keep_alive=False,
        coded=False,
        json=True,
        events=False,
        lines=_CONTENT_TYPE,
    )


def failing(status: int) -> bool:
    """Whether an answer of this status counts against the health of its target: it is broken, or has too much to do."""
    return status >= 500 or status == 429


def retry_after(head: Head, now: float) -> float:
    """Seconds that the answer asks to wait (RFC 9110 §10.2.3); 0 when it does not say. `now` in unix seconds."""
    return pause_in(head.lines, now)


def pause_in(lines: bytes, now: float) -> float:
    """The same, of the lines of a head."""
    match = _RETRY_AFTER.search(lines)
    if match is None:
        return 0.0
    text = match[1].strip().decode("latin-1")
    if text.isascii() and text.isdigit() and len(text) < 10:
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (TypeError, ValueError, OverflowError):
        return 0.0


class Peek:
    """Looks at the beginning of one stream. Comments and events without data decide nothing."""

    __slots__ = ("_cutter", "_seen", "decided", "error", "status")

    def __init__(self) -> None:
        self._cutter = Cutter()
        self._seen = 0
        self.decided = False
        """Whether there is nothing more to find out."""
        self.status: int | None = None
        """Of the error that the stream began with."""
        self.error = b""
        """Its data."""

    def feed(self, data: bytes) -> bool:
        """Whether it is decided after this piece."""
        try:
            whole = self._cutter.feed(data)
        except EventTooLarge:
            self.decided = True
            return True
        for event in events(whole):
            data = data_of(event)
            self._seen += 1
            if data:
                self.status = embedded_status(data)
                self.error = data
            if data or self._seen == MAX_PEEKED:
                self.decided = True
                break
        return self.decided
