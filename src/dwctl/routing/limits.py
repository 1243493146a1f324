"""Limits of requests, tokens and concurrency, and the arithmetic of one bucket (spec/gateway A1.7). Pure.

**Rates** are token buckets (GCRA): a bucket holds `burst` units, refills evenly at `rate` units a second, and a call
takes one. Over any `t` seconds it lets at most `rate * t + burst` through. A limit a minute is a bucket that holds a
minute's worth and refills it in a minute. **Tokens** are known only when a call ends, so they are charged then: the
bucket may fall below zero, and calls are refused until it has a token again. **Concurrency** counts the calls that have
not ended.

A bucket is not kept as a level but as two numbers that only grow, so that several processes can share it without a
lock (`limit_table.py`): `used`, the units taken since the beginning, and `waste`, the units that were lost because the
bucket was full. What is left is

    left = burst + (rate * now - used) - waste,   waste = the largest (rate * s - used at s) of all s up to now

`used` of several processes is the sum of theirs, `waste` the largest of theirs, and one that has let nothing through
contributes nothing. With one process this is the usual token bucket.
"""

from enum import StrEnum
from math import inf
from typing import Protocol, Self

import msgspec

MINUTE = 60.0
ONE = 1.0 - 1e-6
"""One unit, less what floating point may lose of it: a call that comes exactly on time is not refused."""


class Scope(StrEnum):
    """What is limited."""

    KEY = "key"
    MODEL = "model"
    """The alias that was asked for."""
    TARGET = "target"
    PROVIDER = "provider"
    """An endpoint, whatever is asked of it."""


class Kind(StrEnum):
    """How it is limited; the values are the names of the fields in the admin API and the labels of the metric."""

    REQUESTS_PER_SECOND = "requests_per_second"
    REQUESTS_PER_MINUTE = "requests_per_minute"
    TOKENS_PER_MINUTE = "tokens_per_minute"
    CONCURRENCY = "concurrency"


class Limits(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The limits of one key, model or endpoint; None does not limit. Something without any has no `Limits` at all."""

    id: str
    """What is limited, such as `key:<uuid>`: the state belongs to it and outlives every reload."""
    requests_per_second: float | None = None
    burst_size: int | None = None
    """How many may come at once; without it a second's worth, at least one. Limits nothing by itself."""
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    max_concurrent: int | None = None

    @classmethod
    def of(
        cls,
        ident: str,
        requests_per_second: float | None,
        burst_size: int | None,
        requests_per_minute: int | None,
        tokens_per_minute: int | None,
        max_concurrent: int | None,
    ) -> Self | None:
        """None when nothing is limited."""
        limited = (requests_per_second, requests_per_minute, tokens_per_minute, max_concurrent)
        if all(value is None for value in limited):
            return None
        return cls(
            id=ident,
            requests_per_second=requests_per_second,
            burst_size=burst_size,
            requests_per_minute=requests_per_minute,
            tokens_per_minute=tokens_per_minute,
            max_concurrent=max_concurrent,
        )

    @property
    def burst(self) -> int:
        """Requests that the bucket of a second holds."""
        return self.burst_size or max(1, int(self.requests_per_second or 0))


class Limited(Protocol):
    """What the choice of a target gives to `LimitBook.take`; a `Target` is one."""

    @property
    def limits(self) -> Limits | None:
        """Of the target itself; None for that of a standard model, whose limits were checked for its alias."""
        ...

    @property
    def provider_limits(self) -> Limits | None:
        """Of its endpoint."""
        ...


class Bucket:
    """One token bucket; `used` is passed in, for two buckets count the same calls."""

    __slots__ = ("burst", "left", "name", "quota", "rate", "told", "waste", "window")

    def __init__(self, name: str, quota: int, window: float) -> None:
        self.name = name
        """What callers are told that it is called, such as `key-minute`."""
        self.quota = quota
        """What callers are told: so many units in `window` seconds."""
        self.window = window
        self.told: tuple[bytes, ...] = ()
        """Room for what whoever tells them has rendered."""
        self.rate = quota / window
        """Units a second."""
        self.burst: float = quota
        """Units that it holds."""
        self.waste = -inf
        """Units that were lost because it was full; a bucket that nobody has looked at begins full."""
        self.left: float = quota
        """Units in it when it was last looked at; below zero when more was charged than there was."""

    def share(self, part: float) -> None:
        """Be a part of itself: no caller is told."""
        self.rate *= part
        self.burst = self.left = max(1.0, self.burst * part)

    def look(self, now: float, used: float) -> float:
        """What is left at a moment, in seconds since the beginning, with so many units taken until then."""
        gone = self.rate * now - used
        if gone > self.waste:
            self.waste = gone
        self.left = left = self.burst + (gone - self.waste)
        return left

    def wait(self) -> float:
        """Seconds until it has one unit again, as of the last look."""
        return max(0.0, (1.0 - self.left) / self.rate)

    def follow(self, old: "Bucket", now: float, used: float) -> None:
        """Take the place of a bucket of another size: what was taken of it counts, so that no change refills.

        A larger one has as much more as it is larger. A smaller one is empty at the worst: debts are kept, not made.
        """
        left = max(self.burst - (old.burst - old.left), min(old.left, 0.0))
        self.left = min(left, self.burst)
        self.waste = self.rate * now - used + (self.burst - self.left)
