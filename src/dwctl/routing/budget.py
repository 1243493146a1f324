"""How many retries a pool has earned: a bucket that calls and time fill, and retries empty. Pure.

Retries multiply the load of servers that fail under load. So a pool may send only a part of its calls again, and a few
a second besides, for pools that are called rarely. Each process has buckets of its own.
"""

from dwctl.routing.pool import RetryBudget


class Bucket:
    """One pool's; full at first. Times are seconds of any clock that never goes back."""

    __slots__ = ("_at", "_tokens")

    def __init__(self, policy: RetryBudget, now: float) -> None:
        self._tokens = float(policy.burst)
        self._at = now

    def called(self, policy: RetryBudget, now: float) -> None:
        """A call came."""
        self._fill(policy, now, policy.ratio)

    def allows(self, policy: RetryBudget, now: float) -> bool:
        """Whether a retry has been earned."""
        self._fill(policy, now, 0.0)
        return self._tokens >= 1.0

    def spend(self) -> None:
        """A retry is sent."""
        self._tokens -= 1.0

    def _fill(self, policy: RetryBudget, now: float, earned: float) -> None:
        earned += (now - self._at) * policy.min_per_second
        self._at = now
        self._tokens = min(self._tokens + earned, float(policy.burst))
