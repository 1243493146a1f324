"""A head that was seen before, but for the digits of its one content-length. Pure.

Peers send the same head again and again, and only the length of what follows it changes. What stands around the digits
is compared byte by byte, so that whoever let the first one through knows the next one too.
"""

import re
from typing import Final

_LENGTH_LINES: Final = tuple(
    b"\r\n%b: " % name
    for name in (b"content-length", b"Content-Length", b"Content-length", b"content-Length")
)
_DIGITS = re.compile(rb"[0-9]{1,18}(?=\r\n|\Z)")
MAX_DIGITS: Final = 18
ZERO: Final = ord("0")
_NOTHING = b"\0"
"""Stands before no head's digits: nothing is remembered."""


def _length_in(data: bytes) -> int:
    """Where the digits of a head's content-length begin; 0 when it has none, or one that is written oddly."""
    for line in _LENGTH_LINES:
        # A pattern is tried at each end of a line; to look for a text costs a third of that.
        at = data.find(line)
        if at >= 0:
            start = at + len(line)
            match = _DIGITS.match(data, start)
            return 0 if match is None else start
    return 0


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

    def other(self, data: bytes, line: bytes) -> bytes:
        """What stands after `line` in a head that is the remembered one, but for that, up to the length.

        Empty when more differs, or when it is longer or shorter than it was.
        """
        before = self._before
        start = before.find(line) + len(line)
        if start < len(line):
            return b""
        end = before.find(b"\r\n", start)
        if data[:start] != before[:start] or data[end : self._start] != before[end:]:
            return b""
        return data[start:end]

    def follow(self, data: bytes) -> None:
        """Remember the head that these bytes begin with: up to the length it has the size of the remembered one."""
        self._before = data[: self._start]

    def remember(self, data: bytes) -> bool:
        """Remember a head that has exactly one content-length; whether it is written as it can be compared."""
        start = _length_in(data)
        if not start:
            self.forget()
            return False
        end = data.find(b"\r\n", start)
        if end < 0:
            end = len(data)
        self._start = start
        self._before = data[:start]
        self._after = data[end:]
        self._rest = self._after + b"\r\n\r\n"
        return True

    def forget(self) -> None:
        """Remember nothing."""
        self._before = _NOTHING
        self._start = 0
