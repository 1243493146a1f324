"""Time as a thing that is passed in, so that tests can hold it."""

import time
from typing import Protocol


class Clock(Protocol):
    """Wall time for what is stored, monotonic time for what is measured."""

    def now(self) -> float:
        """Unix seconds."""
        ...

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment; never steps back."""
        ...


class SystemClock:
    """The machine's clocks."""

    __slots__ = ()

    # The functions themselves: every call of the gateway reads them several times.
    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)
