"""A head that was seen before, but for the digits of its one content-length. Pure.

Peers send the same head again and again, and only the length of what follows it changes. What stands around the digits
is compared byte by byte, so that whoever let the first one through knows the next one too.
"""

import re
from typing import Final

_LENGTH_LINE = re.compile(rb"\r\n[Cc]ontent-[Ll]ength: ([0-9]{1,18})(?=\r\n|\Z)")
MAX_DIGITS: Final = 18
ZERO: Final = ord("0")
_NOTHING = b"\0"
"""Stands before no head's digits: nothing is remembered."""


class Repeats:
    """One remembered head."""

    __slots__ = ("_after", "_before", "_rest", "_start", "length")

    def __init__(self) -> None:
        self._before = _NOTHING
        self._start = 0
        self._after = b""
        self._rest = b""
        self.length = 0
        """Of the last head that was measured."""

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
            and (digits[0] != ZERO or len(digits) == 1)
        ):
            return digits
        return None

    def measure(self, data: bytes) -> int:
        """Where the empty line ends in bytes that begin with the remembered head, or 0; `length` has the length then.

        A number that begins with a zero is none that is repeated: whoever is shown the head sees it as it was written.
        """
        if not data.startswith(self._before):
            return 0
        start = at = self._start
        most = min(len(data), at + MAX_DIGITS)
        length = 0
        # Digit by digit: cutting them out, looking at them and reading them as a number takes several times as long.
        while at < most:
            digit = data[at] - ZERO
            if digit < 0 or digit > 9:
                break
            length = length * 10 + digit
            at += 1
        rest = self._rest
        end = at + len(rest)
        if at == start or (data[start] == ZERO and at > start + 1) or data[at:end] != rest:
            return 0
        self.length = length
        return end

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
