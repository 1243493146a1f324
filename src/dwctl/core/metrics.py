"""Metrics: a registry of our own over prometheus_client, and the event loop's lag.

Names carry their unit (`_seconds`, `_bytes`, `_total`). Children of labelled metrics are resolved once and kept
by whoever counts: a look-up by labels costs several microseconds.
"""

import asyncio

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from dwctl.core.clock import Clock
from dwctl.core.samples import Part, part_of

LAG_EVERY = 0.1
LAG_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Metrics:
    """The metrics of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._worst: set[str] = set()

    def counter(self, name: str, text: str, labels: tuple[str, ...] = ()) -> Counter:
        """A number that only rises."""
        return Counter(name, text, labels, registry=self.registry)

    def gauge(self, name: str, text: str, labels: tuple[str, ...] = (), *, worst: bool = False) -> Gauge:
        """A number that rises and falls; of several processes their sum is shown, or the `worst` of them."""
        if worst:
            self._worst.add(name)
        return Gauge(name, text, labels, registry=self.registry)

    def histogram(
        self, name: str, text: str, buckets: tuple[float, ...], labels: tuple[str, ...] = ()
    ) -> Histogram:
        """A distribution."""
        return Histogram(name, text, labels, buckets=buckets, registry=self.registry)

    def part(self) -> Part:
        """What this process shows."""
        return part_of(self.registry, frozenset(self._worst))


class LoopLag:
    """Measures how late the event loop wakes: a `Service` that writes nothing and may be lost."""

    name = "loop-lag"

    def __init__(self, metrics: Metrics, clock: Clock) -> None:
        self._clock = clock
        self._lag = metrics.histogram(
            "dwctl_loop_lag_seconds", "How much later than asked the event loop woke.", LAG_BUCKETS
        )
        self._last = metrics.gauge(
            "dwctl_loop_lag_last_seconds", "The last measured lag of the event loop.", worst=True
        )

    async def start(self) -> None:
        """Nothing to prepare."""

    async def run(self) -> None:
        """Ask to be woken ten times a second and see when it happens."""
        while True:
            asked = self._clock.monotonic()
            await asyncio.sleep(LAG_EVERY)
            lag = max(0.0, self._clock.monotonic() - asked - LAG_EVERY)
            self._lag.observe(lag)
            self._last.set(lag)

    async def stop(self) -> None:
        """Nothing to let go."""
