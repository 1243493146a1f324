"""How a model with several targets chooses among them, and when it tries another one (spec/gateway A1.8). Pure.

These shapes are the ones of the admin API and of the column `models.fallback`: what is stored is what was sent.
"""

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

Strategy = Literal["weighted_random", "priority"]
"""`weighted_random` prefers the target with the fewest calls for its weight; `priority` keeps the given order."""


class Backoff(msgspec.Struct, frozen=True, kw_only=True):
    """How long a call waits before it is sent again."""

    initial_ms: float = 0.0
    """Before the first retry; 0 never waits."""
    max_ms: float = 5000.0
    factor: float = 2.0
    """Each wait is so many times the one before."""
    jitter: Literal["full", "none"] = "full"
    """`full` waits for a random part of that time, so that calls that failed together do not come back together."""


class RetryBudget(msgspec.Struct, frozen=True, kw_only=True):
    """How many retries a pool may send in each process, so that a failing pool is not drowned in them."""

    ratio: float = 0.2
    """Retries earned by each call."""
    min_per_second: float = 10.0
    """Retries earned by time."""
    burst: int = 100
    """Earned retries are kept up to this many."""


class Fallback(msgspec.Struct, frozen=True, kw_only=True):
    """When another target is tried."""

    enabled: bool = True
    """Failures to connect, to answer in time and to answer whole are retried whenever this is on."""
    on_rate_limit: bool = True
    """Whether a target that is over a limit of ours gives way to the next one."""
    on_status: tuple[int, ...] = (500, 502, 503, 504)
    """Three digits are a status, two a decade (52: 520 to 529), one a class (5: 500 to 599)."""
    with_replacement: bool = False
    """Whether a target may be chosen again at once; `weighted_random` only."""
    max_attempts: int | None = None
    """None is the number of targets. More than that begins the list again."""
    backoff: Backoff = Backoff()
    max_total_backoff_ms: float | None = None
    """All waits of a call together: a retry whose wait would go beyond does not take place. None sets no limit."""
    retry_budget: RetryBudget = RetryBudget()


class Pool(msgspec.Struct, frozen=True, kw_only=True):
    """The policy of a model with several targets."""

    strategy: Strategy = "weighted_random"
    fallback: Fallback = Fallback()
    statuses: frozenset[int] = frozenset()
    """Every status that `fallback.on_status` means; empty when fallback is off."""


def pool_of(strategy: Strategy, fallback: Any) -> Pool:
    """From the columns; None is the default. Raises `msgspec.ValidationError` for what is not a fallback."""
    given = Fallback() if fallback is None else msgspec.convert(fallback, Fallback)
    statuses = expand(given.on_status) if given.enabled else frozenset()
    return Pool(strategy=strategy, fallback=given, statuses=statuses)


def expand(patterns: Iterable[int]) -> frozenset[int]:
    """The statuses from 100 to 599 that patterns of one to three digits mean."""
    found: set[int] = set()
    for pattern in patterns:
        width = {1: 100, 2: 10, 3: 1}.get(len(str(pattern)), 0)
        found.update(range(pattern * width, (pattern + 1) * width))
    return frozenset(status for status in found if is_status(status))


def is_status(number: int) -> bool:
    """Whether a number is a status of HTTP."""
    return 100 <= number <= 599


def is_pattern(pattern: int) -> bool:
    """Whether a number means at least one status."""
    return bool(expand((pattern,)))
