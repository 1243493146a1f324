"""What the calls of a pool have shown of a target: passive health. Pure.

So many failures in a row, or a `Retry-After` of its own, eject a target: it gets no calls for a while. Then one call
is a trial: answered, it brings the target back; failed, it ejects it for twice as long; without either, the next trial
comes after the same time again. A target in working order pays for all this with one comparison.
"""

import msgspec

MAX_DOUBLINGS = 30


class HealthPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """When and for how long; seconds."""

    failures: int
    """In a row; 0 never ejects."""
    initial: float
    most: float


class Health:
    """Of one target in this process. Times are seconds of any clock that never goes back."""

    __slots__ = ("_ejections", "_length", "failures", "until")

    def __init__(self) -> None:
        self.failures = 0
        """In a row."""
        self.until = 0.0
        """The end of the ejection; 0 when there is none. It stays until a trial succeeds."""
        self._ejections = 0
        self._length = 0.0

    def ready(self, now: float) -> bool:
        """Whether it may be called: it is in working order, or a trial is due."""
        return self.until <= now

    def claim(self, now: float) -> bool:
        """A call is about to be sent. Whether it is a trial; the next one then has to wait."""
        if not self.until or self.until > now:
            return False
        self.until = now + self._length
        return True

    def failed(self, now: float, policy: HealthPolicy, *, trial: bool = False) -> bool:
        """A call failed. Whether that ejects the target, or ejects it again."""
        self.failures += 1
        if not policy.failures or (not trial and (self.until or self.failures < policy.failures)):
            return False
        self._length = min(policy.initial * 2.0 ** min(self._ejections, MAX_DOUBLINGS), policy.most)
        self._ejections += 1
        self.until = now + self._length
        return True

    def told_to_wait(self, now: float, seconds: float, policy: HealthPolicy) -> bool:
        """The target itself asked for a pause, so it gets it, up to the longest ejection. Whether it was in use."""
        self.failures += 1
        if not policy.failures or seconds <= 0:
            return False
        newly = not self.until
        seconds = min(seconds, policy.most)
        if newly:
            self._length = seconds
        self.until = max(self.until, now + seconds)
        return newly

    def answered(self, *, lifts: bool) -> None:
        """An answer began. `lifts`: the call was sent in spite of the ejection, so it is the proof that ends it."""
        if lifts:
            self.until = 0.0

    def succeeded(self, *, lifts: bool) -> None:
        """An answer is whole. One that was sent before the ejection proves nothing against it."""
        if lifts or not self.until:
            self.until = 0.0
            self.failures = 0
            self._ejections = 0
