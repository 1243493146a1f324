"""UUIDv7 (RFC 9562 §5.7): 48 bits of milliseconds, then random bits; rising within a process.

Order within a millisecond, and while the wall clock stands or steps back, comes from adding a random step to the
last 48 of the 74 random bits (RFC 9562 §6.2, method 2), so that ids of one process always sort as they were made.
"""

import os
import struct
import time
from collections.abc import Callable
from typing import Final
from uuid import UUID

_LOW_BITS: Final = 48
_HIGH_BITS: Final = 26
_STEPS: Final = struct.Struct("<64I")
"""Steps that are made at once: 32 random bits each."""


def random_bits(count: int) -> int:
    """A number of so many bits from the kernel."""
    size = (count + 7) >> 3
    return int.from_bytes(os.urandom(size), "little") >> ((size << 3) - count)


class IdSource:
    """Makes rising ids from a clock of unix nanoseconds and a source of random bits."""

    __slots__ = ("_clock_ns", "_getrandbits", "_last_ms", "_low", "_prefix", "_steps")

    def __init__(
        self,
        clock_ns: Callable[[], int] = time.time_ns,
        getrandbits: Callable[[int], int] = random_bits,
    ) -> None:
        self._clock_ns = clock_ns
        self._getrandbits = getrandbits
        self._last_ms = -1
        self._prefix = ""
        self._low = 0
        self._steps: list[int] = []
        os.register_at_fork(after_in_child=self._forget)

    def next_text(self) -> str:
        """The next id, such as `0199e1c2-5f6a-7b3c-8d4e-5f60718293a4`."""
        now_ms = self._clock_ns() // 1_000_000
        if now_ms > self._last_ms:
            self._begin(now_ms)
        else:
            steps = self._steps
            self._low += 1 + (steps.pop() if steps else self._more_steps())
            if self._low >> _LOW_BITS:
                self._begin(self._last_ms + 1)
        return self._prefix + self._low.to_bytes(6, "big").hex()

    def _begin(self, ms: int) -> None:
        """Ids of another millisecond."""
        high = self._getrandbits(_HIGH_BITS)
        self._last_ms = ms
        self._prefix = f"{ms >> 16:08x}-{ms & 0xFFFF:04x}-7{high >> 14:03x}-{0x8000 | high & 0x3FFF:04x}-"
        # The top bit stays free: room for the steps of 32,768 ids.
        self._low = self._getrandbits(_LOW_BITS - 1)

    def _more_steps(self) -> int:
        """The next of them."""
        bits = self._getrandbits(_STEPS.size * 8)
        self._steps = list(_STEPS.unpack(bits.to_bytes(_STEPS.size, "little")))
        return self._steps.pop()

    def _forget(self) -> None:
        """Two processes must not make the same ids."""
        self._last_ms = -1
        self._steps = []


_source: Final = IdSource()


def new_id() -> str:
    """A fresh UUIDv7 as text."""
    return _source.next_text()


def new_uuid() -> UUID:
    """A fresh UUIDv7."""
    return UUID(new_id())


_MOST_MS = 2**48 - 1


def least_of(moment_ms: int) -> UUID:
    """The least UUIDv7 of a millisecond, clamped to what fits: the SQL function `uuidv7_floor`."""
    ms = min(max(0, moment_ms), _MOST_MS)
    return UUID(int=ms << 80 | 0x7000_8000_0000_0000_0000)


def moment_of(ident: UUID) -> int:
    """The milliseconds in a UUIDv7; in any other id whatever stands there."""
    return ident.int >> 80
