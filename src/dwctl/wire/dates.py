"""The `Date` header (RFC 9110 §6.6.1): rendered once a second."""

import time
from email.utils import formatdate


class _Rendered:
    second = 0
    line = b""


def date_line() -> bytes:
    """`date: Tue, 24 Nov 2026 14:35:56 GMT` with its line break."""
    now = int(time.time())
    if now != _Rendered.second:
        _Rendered.line = f"date: {formatdate(now, usegmt=True)}\r\n".encode("ascii")
        _Rendered.second = now
    return _Rendered.line
