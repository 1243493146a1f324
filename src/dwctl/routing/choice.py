"""Which target of a pool is tried next (spec/gateway A1.8). Pure: random numbers and time are handed in.

Targets that are ejected come after all others, the one that comes back first before the rest: an attempt that will
probably fail is better than a refusal.
"""

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Protocol, Self

import msgspec

from dwctl.routing.condition import Condition
from dwctl.routing.pool import Pool
from dwctl.routing.snapshot import Target


class Verdict(Enum):
    """What limits of ours say of one more call to a target."""

    FREE = "free"
    FULL = "full"
    """As many calls as it may have are under way."""
    LIMITED = "limited"
    """It had as many calls as it may have in this time."""


class Limits(Protocol):
    """Where limits of single targets come in."""

    def __call__(self, target: Target, active: int, /) -> Verdict:
        """Asked once before each attempt, which counts as one call when the answer is `FREE`.

        `active` is how many calls the target has under way. When it is asked again, the attempt before has ended.
        """
        ...


def no_limits(_target: Target, _active: int, /) -> Verdict:
    """Every call may go."""
    return Verdict.FREE


class Member:
    """A target of a pool with what is known of it."""

    __slots__ = ("condition", "target")

    def __init__(self, target: Target, condition: Condition) -> None:
        self.target = target
        self.condition = condition


class Pick(msgspec.Struct, frozen=True):
    """A target that was chosen for an attempt."""

    target: Target
    condition: Condition
    trial: bool
    """Whether its ejection depends on this attempt."""
    ejected: bool
    """Whether it was chosen in spite of an ejection, as a trial or because there was no other."""


class Choice:
    """An iterator over the attempts of one call. It ends with the attempts, or when no target may be called."""

    __slots__ = ("_draw", "_fresh", "_left", "_limits", "_members", "_now", "_pool", "_repeats", "blocked")

    def __init__(
        self,
        pool: Pool,
        members: Sequence[Member],
        *,
        draw: Callable[[], float],
        now: Callable[[], float],
        limits: Limits = no_limits,
    ) -> None:
        fallback = pool.fallback
        self._pool = pool
        self._members = members
        self._draw = draw
        self._now = now
        self._limits = limits
        self._left = (fallback.max_attempts or len(members)) if fallback.enabled else 1
        self._repeats = fallback.with_replacement and pool.strategy == "weighted_random"
        self._fresh = list(members)
        self.blocked: Verdict | None = None
        """What the limits said of the last target that could not be chosen."""

    @property
    def left(self) -> int:
        """How many attempts may follow."""
        return self._left

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Pick:
        if self._left <= 0:
            raise StopIteration
        if not self._fresh:
            self._fresh = list(self._members)
        now = self._now()
        candidates = list(self._fresh)
        while candidates:
            member = self._best(candidates, now)
            condition = member.condition
            verdict = self._limits(member.target, condition.load.active)
            if verdict is Verdict.FREE:
                self._left -= 1
                if not self._repeats:
                    self._fresh.remove(member)
                ejected = condition.health.until > 0
                return Pick(member.target, condition, condition.health.claim(now), ejected)
            self.blocked = verdict
            if verdict is Verdict.LIMITED and not self._pool.fallback.on_rate_limit:
                break
            candidates.remove(member)
        self._left = 0
        raise StopIteration

    def _best(self, candidates: list[Member], now: float) -> Member:
        ready = [member for member in candidates if member.condition.health.ready(now)]
        if not ready:
            return min(candidates, key=lambda member: member.condition.health.until)
        if self._pool.strategy == "priority" or len(ready) == 1:
            return ready[0]
        loads = [member.condition.load.active / member.target.weight for member in ready]
        least = min(loads)
        tied = [member for member, load in zip(ready, loads, strict=True) if load == least]
        point = self._draw() * sum(member.target.weight for member in tied)
        for member in tied:
            point -= member.target.weight
            if point < 0:
                return member
        return tied[-1]
