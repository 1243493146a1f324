"""Whether a client takes what is written to it, looked at from sweep to sweep. Pure."""


class SlowReader:
    """One connection's client."""

    __slots__ = ("_taken", "_unsent")

    def __init__(self) -> None:
        self._unsent = 0
        """Bytes that waited for it at the last sweep."""
        self._taken = 0.0
        """When it was last seen to take some of them, or they began to wait."""

    def took(self) -> None:
        """It has taken some, even when more waits again by the next sweep."""
        self._unsent = 0

    def idle(self, unsent: int, now: float) -> float:
        """Seconds for which it has taken nothing, at a sweep at which so many bytes wait for it."""
        if not unsent or not self._unsent or unsent < self._unsent:
            self._taken = now
        self._unsent = unsent
        return now - self._taken
