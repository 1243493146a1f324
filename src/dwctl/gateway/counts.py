"""What the gateway counts: plain numbers on the path of a call, Prometheus families when somebody asks.

A metrics library's counter or histogram costs a call a microsecond each; adding to a list of ours costs a tenth.
Labels are the model's alias, the path, and classes of few values: never a key, a user or an id.
"""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from dwctl.core.distribution import BYTES, SECONDS, Bounds, Distribution
from dwctl.gateway.routes import PREFIX
from dwctl.gateway.upstream.connection import Failure
from dwctl.requests.record import Record

LEFT = 499
"""The client left: counted apart from other errors of clients."""
OVERHEAD_SECONDS: Final[Bounds] = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0
)  # fmt: skip
STATUSES = frozenset({*map(int, HTTPStatus), LEFT})
"""Those that are shown as they are; any other that an upstream makes up is shown as the first of its hundred."""
Served = tuple[str, str, int, Distribution]
"""Method, path, status, and how long requests took."""


class ModelCounts:
    """One model on one path. Calls mostly end with the status of the last one: what counts those is at hand."""

    __slots__ = (
        "began", "ended", "estimated", "first_byte", "input_tokens", "last", "output_tokens", "sizes", "status",
    )  # fmt: skip

    def __init__(self, sizes: Distribution) -> None:
        self.began = 0
        self.status = 0
        """The last one; 0 before there was any."""
        self.last: Distribution | None = None
        """How long calls took that ended with it."""
        self.first_byte = Distribution(SECONDS)
        self.sizes = sizes
        """Of answers, before any framing; the same object for all models of a path."""
        self.input_tokens = 0
        self.output_tokens = 0
        self.estimated = 0
        """Calls whose tokens are an estimate, in whole or in part."""
        self.ended: dict[int, Distribution] = {}
        """How long calls took, by status."""

    def of_status(self, status: int) -> Distribution:
        """Where a call that ended so is counted, made when it is missing."""
        last = self.last
        if status != self.status or last is None:
            known = status if status in STATUSES else status // 100 * 100
            last = self.ended.get(known)
            if last is None:
                last = self.ended[known] = Distribution(SECONDS)
            self.status, self.last = status, last
        return last

    @property
    def in_flight(self) -> int:
        """Calls that have begun and not ended."""
        return self.began - sum(each.count for each in self.ended.values())


class Counts(Collector):
    """Registered once for each process."""

    def __init__(self) -> None:
        self.in_flight = 0
        """Calls that are not recorded yet."""
        self._calls: dict[str, dict[str, ModelCounts]] = {}
        """By path, then by model: a pair as a key would be made, hashed and compared anew for each call."""
        self._sizes: dict[str, Distribution] = {}
        """Of answers, by path."""
        self._answered: dict[tuple[str, str, int], Distribution] = {}
        self._refused: dict[int, int] = {}
        self._failures: dict[tuple[str, Failure], int] = {}
        self._overhead = Distribution(OVERHEAD_SECONDS)

    def answered(self, method: str, path: str, status: int, seconds: float) -> None:
        """A request that is no call, such as for the list of models, was answered."""
        place = (method, path, status)
        known = self._answered.get(place)
        if known is None:
            known = self._answered[place] = Distribution(SECONDS)
        known.add(seconds)

    def refused(self, method: str, path: str, status: int, seconds: float) -> None:
        """A request was answered before it became a call."""
        self._refused[status] = self._refused.get(status, 0) + 1
        self.answered(method, path, status, seconds)

    def failed(self, endpoint: str, failure: Failure) -> None:
        """An attempt at an endpoint failed."""
        place = (endpoint, failure)
        self._failures[place] = self._failures.get(place, 0) + 1

    def of(self, model: str, path: str) -> ModelCounts:
        """Where calls for a model on a path are counted."""
        models = self._calls.get(path)
        if models is None:
            models = self._calls[path] = {}
            self._sizes[path] = Distribution(BYTES)
        counts = models.get(model)
        if counts is None:
            counts = models[model] = ModelCounts(self._sizes[path])
        return counts

    def began(self, record: Record, counts: ModelCounts | None = None) -> None:
        """A call was admitted; `counts` are those of its model and path, where they are known."""
        self.in_flight += 1
        if counts is None:
            counts = self.of(record.model, record.path)
        counts.began += 1

    def ended(self, record: Record, counts: ModelCounts | None = None) -> None:
        """A call has been recorded."""
        self.in_flight -= 1
        if counts is None:
            counts = self.of(record.model, record.path)
        counts.of_status(record.status_code).add(record.duration_ms / 1000)
        counts.sizes.add(float(record.response_size))
        if record.first_byte_ms is not None:
            counts.first_byte.add(record.first_byte_ms / 1000)
        if record.overhead_ms:
            self._overhead.add(record.overhead_ms / 1000)
        if record.total_tokens is not None:
            counts.input_tokens += record.prompt_tokens or 0
            counts.output_tokens += record.completion_tokens or 0
            if record.estimated:
                counts.estimated += 1

    def served(self) -> Iterator[Served]:
        """Requests that have been answered."""
        places: dict[tuple[str, int], list[Distribution]] = {}
        for _, path, counts in self._each():
            for status, seconds in counts.ended.items():
                places.setdefault((PREFIX.decode() + path, status), []).append(seconds)
        for (path, status), parts in places.items():
            refused = self._answered.get(("POST", path, status))
            yield "POST", path, status, Distribution.of(SECONDS, [*parts, *([refused] if refused else [])])
        for (method, path, status), seconds in self._answered.items():
            if method != "POST" or (path, status) not in places:
                yield method, path, status, seconds

    def pending(self) -> Iterator[tuple[str, str, int]]:
        """Method, path and number of requests that are being answered."""
        paths: dict[str, int] = {}
        for _, path, counts in self._each():
            path = PREFIX.decode() + path
            paths[path] = paths.get(path, 0) + counts.in_flight
        for path, count in paths.items():
            yield "POST", path, count

    def under_way(self, model: str) -> int:
        """Calls for a model that have begun and not ended, queued ones too."""
        return sum(models[model].in_flight for models in self._calls.values() if model in models)

    def sizes(self) -> Iterator[tuple[str, str, Distribution]]:
        """Method, path and sizes of the answers of calls."""
        for path, sizes in self._sizes.items():
            yield "POST", PREFIX.decode() + path, sizes

    def collect(self) -> Iterator[Metric]:
        """Everything, as Prometheus families."""
        yield GaugeMetricFamily("dwctl_gateway_in_flight", "Calls that are not recorded yet.", self.in_flight)
        yield from self._in_flight()
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

    def _each(self) -> Iterator[tuple[str, str, ModelCounts]]:
        """Model and path of what was called, and what is counted of it."""
        for path, models in self._calls.items():
            for model, counts in models.items():
                yield model, path, counts

    def _of_models(self) -> Iterator[Metric]:
        labels = ["model", "path"]
        calls = CounterMetricFamily(
            "dwctl_gateway_calls",
            "Calls that have ended, by what the client got.",
            labels=[*labels, "status"],
        )
        tokens = CounterMetricFamily(
            "dwctl_gateway_tokens", "Tokens of calls, told or estimated.", labels=[*labels, "direction"]
        )
        estimated = CounterMetricFamily(
            "dwctl_gateway_usage_estimated",
            "Calls whose upstream did not tell all of their tokens.",
            labels=labels,
        )
        duration = HistogramMetricFamily(
            "dwctl_gateway_call_seconds", "From a request's head to the end of its call.", labels=labels
        )
        first_byte = HistogramMetricFamily(
            "dwctl_gateway_first_byte_seconds",
            "From a request's head to the first byte of its answer.",
            labels=labels,
        )
        for model, path, counts in self._each():
            place = (model, path)
            classes: dict[str, int] = {}
            for status, seconds in counts.ended.items():
                name = str(status) if status == LEFT else f"{status // 100}xx"
                classes[name] = classes.get(name, 0) + seconds.count
            for name, count in classes.items():
                calls.add_metric([*place, name], count)
            tokens.add_metric([*place, "input"], counts.input_tokens)
            tokens.add_metric([*place, "output"], counts.output_tokens)
            estimated.add_metric(place, counts.estimated)
            duration.add_metric(place, *Distribution.of(SECONDS, counts.ended.values()).shown())
            first_byte.add_metric(place, *counts.first_byte.shown())
        yield calls
        yield tokens
        yield estimated
        yield duration
        yield first_byte

    def _in_flight(self) -> Iterator[Metric]:
        """The contract's names (spec/gateway A1.18)."""
        yield GaugeMetricFamily(
            "onwards_requests_inflight", "Calls under way, to the end of their streams.", self.in_flight
        )
        sizes = HistogramMetricFamily(
            "dwctl_http_response_body_size",
            "Bytes of the answers of calls, before any framing.",
            labels=["method", "endpoint"],
        )
        for method, path, size in self.sizes():
            sizes.add_metric([method, path], *size.shown())
        yield sizes
        models: dict[str, int] = {}
        for model, _, counts in self._each():
            models[model] = models.get(model, 0) + counts.in_flight
        family = GaugeMetricFamily("onwards_model_inflight", "Calls under way, by model.", labels=["model"])
        for model, count in models.items():
            family.add_metric([model], count)
        yield family
