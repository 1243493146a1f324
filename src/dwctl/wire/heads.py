"""What the heads of our answers have first: the status line (RFC 9112 §4), and `Date` (RFC 9110 §6.6.1)."""

import time
from email.utils import formatdate
from http import HTTPStatus
from typing import Final

_LINES: Final = {
    status.value: b"HTTP/1.1 %d %b\r\n" % (status, status.phrase.encode()) for status in HTTPStatus
}


class _Date:
    """Rendered once a second."""

    __slots__ = ("line", "second")

    def __init__(self) -> None:
        self.second = 0
        self.line = b""


_clock: Final = time.time
_date: Final = _Date()


def status_line(status: int) -> bytes:
    """`HTTP/1.1 404 Not Found\\r\\n`; without a reason for a status that has no name."""
    return _LINES.get(status) or b"HTTP/1.1 %d \r\n" % status


def date_line(moment: float = 0.0) -> bytes:
    """`date: Tue, 24 Nov 2026 14:35:56 GMT` with its line break, of these unix seconds or of now."""
    now = int(moment or _clock())
    if now != _date.second:
        _date.line = f"date: {formatdate(now, usegmt=True)}\r\n".encode("ascii")
        _date.second = now
    return _date.line
