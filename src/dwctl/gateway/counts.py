"""What the gateway counts: plain numbers on the path of a call, Prometheus families when somebody asks.

A metrics library's counter or histogram costs a call a microsecond each; adding to a list of ours costs a tenth.
Labels are the model's alias, the path, and classes of few values: never a key, a user or an id.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from dwctl.gateway.upstream.connection import Failure
from dwctl.requests.record import Record

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
LEFT = 499
"""The client left: counted apart from other errors of clients."""
OVERHEAD_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)


class Distribution:
    """A histogram."""

    __slots__ = ("_bounds", "_buckets", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._buckets = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def add(self, seconds: float) -> None:
        """One more observation."""
        self._buckets[bisect_left(self._bounds, seconds)] += 1
        self._sum += seconds

    def shown(self) -> tuple[list[tuple[str, float]], float]:
        """Cumulative buckets by their upper bound, and the sum."""
        names = [*map(repr, self._bounds), "+Inf"]
        return [
            (name, float(count)) for name, count in zip(names, accumulate(self._buckets), strict=True)
        ], self._sum


class _ModelCounts:
    """One model on one path."""

    __slots__ = ("calls", "duration", "first_byte", "input_tokens", "output_tokens")

    def __init__(self) -> None:
        self.calls: dict[int, int] = {}
        """By hundreds of the status, and 499."""
        self.input_tokens = 0
        self.output_tokens = 0
        self.duration = Distribution(SECONDS)
        self.first_byte = Distribution(SECONDS)


class Counts(Collector):
    """Registered once for each process."""

    def __init__(self) -> None:
        self.in_flight = 0
        """Calls that are not recorded yet."""
        self._models: dict[tuple[str, str], _ModelCounts] = {}
        self._refused: dict[int, int] = {}
        self._failures: dict[tuple[str, Failure], int] = {}
        self._overhead = Distribution(OVERHEAD_SECONDS)

    def refused(self, status: int) -> None:
        """A request was answered before it became a call."""
        self._refused[status] = self._refused.get(status, 0) + 1

    def failed(self, endpoint: str, failure: Failure) -> None:
        """An attempt at an endpoint failed."""
        place = (endpoint, failure)
        self._failures[place] = self._failures.get(place, 0) + 1

    def ended(self, record: Record) -> None:
        """A call has been recorded."""
        self.in_flight -= 1
        place = (record.model, record.path)
        counts = self._models.get(place)
        if counts is None:
            counts = self._models[place] = _ModelCounts()
        status = record.status_code
        if status != LEFT:
            status //= 100
        counts.calls[status] = counts.calls.get(status, 0) + 1
        counts.duration.add(record.duration_ms / 1000)
        if record.first_byte_ms is not None:
            counts.first_byte.add(record.first_byte_ms / 1000)
        if record.overhead_ms:
            self._overhead.add(record.overhead_ms / 1000)
        if record.total_tokens is not None:
            counts.input_tokens += record.prompt_tokens or 0
            counts.output_tokens += record.completion_tokens or 0

    def collect(self) -> Iterator[Metric]:
        """Everything, as Prometheus families."""
        yield GaugeMetricFamily("dwctl_gateway_in_flight", "Calls that are not recorded yet.", self.in_flight)
        yield from self._of_models()
        refused = CounterMetricFamily(
            "dwctl_gateway_refused",
            "Requests that were refused before they became a call.",
            labels=["status"],
        )
        for status, count in self._refused.items():
            refused.add_metric([str(status)], count)
        yield refused
        failures = CounterMetricFamily(
            "dwctl_gateway_upstream_failures",
            "Attempts without a whole answer.",
            labels=["endpoint", "failure"],
        )
        for (endpoint, failure), count in self._failures.items():
            failures.add_metric([endpoint, failure.name.lower()], count)
        yield failures
        buckets, total = self._overhead.shown()
        yield HistogramMetricFamily(
            "dwctl_gateway_overhead_seconds",
            "From a request's head to its upstream.",
            buckets=buckets,
            sum_value=total,
        )

    def _of_models(self) -> Iterator[Metric]:
        labels = ["model", "path"]
        calls = CounterMetricFamily(
            "dwctl_gateway_calls",
            "Calls that have ended, by what the client got.",
            labels=[*labels, "status"],
        )
        tokens = CounterMetricFamily(
            "dwctl_gateway_tokens", "Tokens that upstreams reported.", labels=[*labels, "direction"]
        )
        duration = HistogramMetricFamily(
            "dwctl_gateway_call_seconds", "From a request's head to the end of its call.", labels=labels
        )
        first_byte = HistogramMetricFamily(
            "dwctl_gateway_first_byte_seconds",
            "From a request's head to the first byte of its answer.",
            labels=labels,
        )
        for place, counts in self._models.items():
            for status, count in counts.calls.items():
                calls.add_metric([*place, str(status) if status == LEFT else f"{status}xx"], count)
            tokens.add_metric([*place, "input"], counts.input_tokens)
            tokens.add_metric([*place, "output"], counts.output_tokens)
            duration.add_metric(place, *counts.duration.shown())
            first_byte.add_metric(place, *counts.first_byte.shown())
        yield calls
        yield tokens
        yield duration
        yield first_byte
