"""What is kept of a stream that is too large to be recorded: enough of it to tell its usage (decision 0030). Pure."""

from dwctl.usage.meter import OPENING

TAIL = 256 * 1024
"""Bytes from the end of a stream; up to twice as many are kept before some are dropped."""


def shorten(parts: list[bytes], size: int, dropped: int) -> int:
    """Drop pieces before the last `TAIL` bytes once there are twice as many: of `size`, less those dropped before.

    Gives how many are dropped now. Done rarely and for many at a time, it costs no more than adding them did. The first
    piece stays if it is small: some providers tell the input's usage there and nowhere else.
    """
    kept = size - dropped
    if kept <= 2 * TAIL:
        return dropped
    begin = first = 1 if len(parts[0]) <= OPENING else 0
    while kept - len(parts[first]) > TAIL:
        kept -= len(parts[first])
        first += 1
    del parts[begin:first]
    return size - kept
