"""A head that was seen before, but for the digits of its one content-length. Pure.

Peers send the same head again and again, and only the length of what follows it changes. What stands around the digits
is compared byte by byte, so that whoever let the first one through knows the next one too.
"""

import re
from typing import Final

_LENGTH_LINE = re.compile(rb"\r\n[Cc]ontent-[Ll]ength: ([0-9]{1,18})(?=\r\n|\Z)")
MAX_DIGITS: Final = 18
_NOTHING = b"\0"
"""Stands before no head's digits: nothing is remembered."""


class Repeats:
    """One remembered head."""

    __slots__ = ("_after", "_before", "_rest", "_start")

    def __init__(self) -> None:
        self._before = _NOTHING
        self._start = 0
        self._after = b""
        self._rest = b""

    def digits(self, data: bytes) -> bytes | None:
        """The length's digits, when the rest is the remembered head; else None."""
        start = self._start
        end = data.find(b"\r\n", start)
        if end < 0:
            end = len(data)
        digits = data[start:end]
        if (
            data[:start] == self._before
            and data[end:] == self._after
            and len(digits) <= MAX_DIGITS
            and digits.isdigit()
        ):
            return digits
        return None

    def measure(self, data: bytes) -> tuple[bytes, int] | None:
        """The same for bytes that may begin with a whole head: the digits, and where the head's empty line ends."""
        start = self._start
        if not data.startswith(self._before):
            return None
        end = data.find(b"\r\n", start, start + MAX_DIGITS + 2)
        if end < 0 or not data.startswith(self._rest, end):
            return None
        digits = data[start:end]
        return (digits, end + len(self._rest)) if digits.isdigit() else None

    def remember(self, data: bytes) -> bool:
        """Remember a head that has exactly one content-length; whether it is written as it can be compared."""
        match = _LENGTH_LINE.search(data)
        if match is None:
            self.forget()
            return False
        self._start, end = match.span(1)
        self._before = data[: self._start]
        self._after = data[end:]
        self._rest = self._after + b"\r\n\r\n"
        return True

    def forget(self) -> None:
        """Remember nothing."""
        self._before = _NOTHING
        self._start = 0
