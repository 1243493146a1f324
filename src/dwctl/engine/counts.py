"""What the worker counts, under the contract's names (spec/responses-and-batches §4.13).

Labels are models and statuses: never a key, a user or an id.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from dwctl.core.distribution import SECONDS, Distribution

SIZES = (1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0)
RETRIES = (0.0, 1.0, 2.0, 3.0, 5.0, 10.0, 25.0, 100.0)
CLAIM_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)


class WorkerCounts(Collector):
    """Registered once for each process."""

    def __init__(self) -> None:
        self.ended: Counter[tuple[str, str]] = Counter()
        """Requests by model and what became of them."""
        self.late: Counter[str] = Counter()
        self.retried: Counter[str] = Counter()
        self.denied: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self.escalated: Counter[str] = Counter()
        self.reclaimed = 0
        self.batches_cancelled = 0
        self.poll_errors = 0
        self.claim_errors = 0
        self.purged = 0
        self.purge_errors = 0
        self.claims = Distribution(CLAIM_SECONDS)
        self.claim_sizes = Distribution(SIZES)
        self.durations: dict[str, Distribution] = {}
        self.tries: dict[str, Distribution] = {}
        self.in_flight: Callable[[], Mapping[str, int]] = dict
        """By model; set by the worker, and so the next."""
        self.capacity: Callable[[], Mapping[str, int]] = dict
        self.allowance: Callable[[], Mapping[str, int]] = dict

    @property
    def processed(self) -> int:
        """Requests that have ended here."""
        return sum(self.ended.values())

    @property
    def failed(self) -> int:
        """Those that failed."""
        return sum(count for (_, status), count in self.ended.items() if status == "failed")

    def took(self, model: str, seconds: float) -> None:
        """An attempt has ended."""
        found = self.durations.get(model)
        if found is None:
            found = self.durations[model] = Distribution(SECONDS)
        found.add(seconds)

    def completed(self, model: str, retries: int) -> None:
        """A request is completed after so many failed tries."""
        found = self.tries.get(model)
        if found is None:
            found = self.tries[model] = Distribution(RETRIES)
        found.add(retries)

    def collect(self) -> Iterator[Metric]:
        """As Prometheus families."""
        ended = CounterMetricFamily(
            "fusillade_requests_completed", "Queued requests that have ended.", labels=["model", "status"]
        )
        for place, count in self.ended.items():
            ended.add_metric(list(place), count)
        yield ended
        statuses = CounterMetricFamily(
            "fusillade_http_status_retriable", "Failed attempts that may pass, by status.", labels=["status"]
        )
        for status, count in self.statuses.items():
            statuses.add_metric([str(status)], count)
        yield statuses
        yield from self._by_model()
        yield from self._of_process()
        yield from self._distributions()

    def _by_model(self) -> Iterator[Metric]:
        labels = ["model"]
        families: tuple[tuple[Metric, Mapping[str, float]], ...] = (
            (
                CounterMetricFamily(
                    "fusillade_requests_completed_after_sla", "Completed after their deadline.", labels=labels
                ),
                self.late,
            ),
            (
                CounterMetricFamily(
                    "fusillade_requests_retried", "Attempts that another one followed.", labels=labels
                ),
                self.retried,
            ),
            (
                CounterMetricFamily(
                    "fusillade_retry_denied", "Failures without time or tries left.", labels=labels
                ),
                self.denied,
            ),
            (
                CounterMetricFamily(
                    "fusillade_requests_routed_to_escalation",
                    "Attempts sent to another model.",
                    labels=labels,
                ),
                self.escalated,
            ),
            (
                GaugeMetricFamily(
                    "fusillade_requests_in_flight", "Queued requests that are claimed here.", labels=labels
                ),
                self.in_flight(),
            ),
            (
                GaugeMetricFamily(
                    "fusillade_claim_capacity", "How many more can be claimed here.", labels=labels
                ),
                self.capacity(),
            ),
            (
                GaugeMetricFamily(
                    "dwctl_batch_allowance",
                    "How many queued requests may be under way here beside interactive calls.",
                    labels=labels,
                ),
                self.allowance(),
            ),
        )
        for family, values in families:
            for model, value in values.items():
                family.add_sample(
                    f"{family.name}_total" if family.type == "counter" else family.name,
                    {"model": model},
                    value,
                )
            yield family

    def _of_process(self) -> Iterator[Metric]:
        yield CounterMetricFamily(
            "fusillade_stale_requests_reclaimed",
            "Requests of dead processes that wait again.",
            self.reclaimed,
        )
        yield CounterMetricFamily(
            "fusillade_batches_cancelled", "Batches with requests cancelled here.", self.batches_cancelled
        )
        yield CounterMetricFamily(
            "fusillade_cancellation_poll_errors", "Looks for cancelled work that failed.", self.poll_errors
        )
        yield CounterMetricFamily(
            "fusillade_claim_loop_errors", "Rounds of claiming that failed.", self.claim_errors
        )
        yield CounterMetricFamily("fusillade_rows_purged", "Rows that nobody needed any more.", self.purged)
        yield CounterMetricFamily(
            "fusillade_purge_errors", "Steps of purging that failed.", self.purge_errors
        )

    def _distributions(self) -> Iterator[Metric]:
        buckets, total = self.claims.shown()
        yield HistogramMetricFamily(
            "fusillade_claim_duration_seconds", "Time of one claim.", buckets=buckets, sum_value=total
        )
        buckets, total = self.claim_sizes.shown()
        yield HistogramMetricFamily(
            "fusillade_claim_size", "Requests that one claim got.", buckets=buckets, sum_value=total
        )
        durations = HistogramMetricFamily(
            "fusillade_request_duration_seconds", "Time of attempts.", labels=["model"]
        )
        for model, each in self.durations.items():
            durations.add_metric([model], *each.shown())
        yield durations
        tries = HistogramMetricFamily(
            "fusillade_retry_attempts_on_success",
            "Failed tries before a request was completed.",
            labels=["model"],
        )
        for model, each in self.tries.items():
            tries.add_metric([model], *each.shown())
        yield tries
