"""UUIDv7 (RFC 9562 §5.7): 48 bits of milliseconds, then random bits; rising within a process.

Order within a millisecond, and while the wall clock stands or steps back, comes from adding a random step to
the 74 random bits (RFC 9562 §6.2, method 2), so that ids of one process always sort as they were made.
"""

import os
import time
from collections.abc import Callable
from uuid import UUID

_LOW_MASK = (1 << 48) - 1
_TEXT = "%s%03x-%04x-%012x"
_RANDOM_BITS = 74
_STEP_BITS = 32


_POOL_BYTES = 4096


class RandomBits:
    """The kernel's random bits, fetched in blocks: a system call for each id would cost more than the id."""

    __slots__ = ("_at", "_pool")

    def __init__(self) -> None:
        self._pool = b""
        self._at = 0
        os.register_at_fork(after_in_child=self._forget)

    def __call__(self, count: int) -> int:
        """A number of so many bits."""
        size = (count + 7) >> 3
        at = self._at
        end = at + size
        if end > len(self._pool):
            self._pool = os.urandom(_POOL_BYTES)
            at, end = 0, size
        self._at = end
        return int.from_bytes(self._pool[at:end], "little") >> ((size << 3) - count)

    def _forget(self) -> None:
        """Two processes must not hand out the same bits."""
        self._pool = b""
        self._at = 0


class IdSource:
    """Makes rising ids from a clock of unix nanoseconds and a source of random bits."""

    __slots__ = ("_clock_ns", "_getrandbits", "_last_ms", "_prefix", "_random")

    def __init__(
        self,
        clock_ns: Callable[[], int] = time.time_ns,
        getrandbits: Callable[[int], int] | None = None,
    ) -> None:
        self._clock_ns = clock_ns
        self._getrandbits = getrandbits or RandomBits()
        self._last_ms = -1
        self._prefix = ""
        self._random = 0

    def next_text(self) -> str:
        """The next id, such as `0199e1c2-5f6a-7b3c-8d4e-5f60718293a4`."""
        now_ms = self._clock_ns() // 1_000_000
        if now_ms > self._last_ms:
            self._begin(now_ms)
        else:
            self._random += 1 + self._getrandbits(_STEP_BITS)
            if self._random >> _RANDOM_BITS:
                self._begin(self._last_ms + 1)
        random = self._random
        high = random >> 48
        return _TEXT % (self._prefix, high >> 14, 0x8000 | high & 0x3FFF, random & _LOW_MASK)

    def _begin(self, ms: int) -> None:
        """Ids of another millisecond."""
        self._last_ms = ms
        self._prefix = f"{ms >> 16:08x}-{ms & 0xFFFF:04x}-7"
        # The top bit stays free, so that the steps of one millisecond cannot overflow.
        self._random = self._getrandbits(_RANDOM_BITS - 1)


_source = IdSource()
new_id = _source.next_text
"""A fresh UUIDv7 as text."""


def new_uuid() -> UUID:
    """A fresh UUIDv7."""
    return UUID(new_id())
