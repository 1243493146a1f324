"""What the worker counts, under the contract's names (spec/responses-and-batches §4.13).

Labels are models and statuses: never a key, a user or an id.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from dwctl.core.distribution import SECONDS, Distribution

SIZES = (1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0)
RETRIES = (0.0, 1.0, 2.0, 3.0, 5.0, 10.0, 25.0, 100.0)
MARGINS = (0.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 43_200.0, 86_400.0)
"""Seconds that were left; what is below the first was late."""
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
        self.panics = 0
        self.heartbeat_failures = 0
        self.batches_checked = 0
        """That were found to be cancelled, with the last look."""
        self.heartbeats = Distribution(CLAIM_SECONDS)
        self.polls = Distribution(CLAIM_SECONDS)
        self.rescues = Distribution(CLAIM_SECONDS)
        self.claims = Distribution(CLAIM_SECONDS)
        self.claim_sizes = Distribution(SIZES)
        self.durations: dict[str, Distribution] = {}
        self.tries: dict[str, Distribution] = {}
        self.first_bytes: dict[str, Distribution] = {}
        self.margins: dict[str, Distribution] = {}
        self.in_flight: Callable[[], Mapping[str, int]] = dict
        """By model; set by the worker, and so the next."""
        self.capacity: Callable[[], Mapping[str, int]] = dict
        self.allowance: Callable[[], Mapping[str, int]] = dict
        self.lost: Callable[[], int] = int
        """Outcomes that came after their lease; set by who builds the engine."""

    @property
    def processed(self) -> int:
        """Requests that have ended here."""
        return sum(self.ended.values())

    @property
    def failed(self) -> int:
        """Those that failed."""
        return sum(count for (_, status), count in self.ended.items() if status == "failed")

    def took(self, model: str, seconds: float, first_byte_ms: float | None) -> None:
        """An attempt has ended."""
        _of(self.durations, model, SECONDS).add(seconds)
        if first_byte_ms is not None:
            _of(self.first_bytes, model, SECONDS).add(first_byte_ms / 1000)

    def completed(self, model: str, retries: int, margin: float) -> None:
        """A request is completed after so many failed tries, so many seconds before its deadline."""
        _of(self.tries, model, RETRIES).add(retries)
        _of(self.margins, model, MARGINS).add(margin)
        if margin < 0:
            self.late[model] += 1

    def beat(self, seconds: float | None) -> None:
        """A heartbeat took so long, or failed."""
        if seconds is None:
            self.heartbeat_failures += 1
        else:
            self.heartbeats.add(seconds)

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
        yield CounterMetricFamily(
            "fusillade_task_panics", "Outcomes that were lost to an error of ours.", self.panics
        )
        yield CounterMetricFamily(
            "fusillade_requests_retry_lost_ownership",
            "Outcomes that came when the request was somebody else's.",
            self.lost(),
        )
        yield CounterMetricFamily(
            "fusillade_heartbeat_failures", "Heartbeats that failed.", self.heartbeat_failures
        )
        yield GaugeMetricFamily(
            "fusillade_cancellation_poll_batches_checked",
            "Batches that the last look found to be cancelled.",
            self.batches_checked,
        )
        yield GaugeMetricFamily("fusillade_daemon_up", "Processes that tell of queued work.", 1)
        yield CounterMetricFamily("fusillade_rows_purged", "Rows that nobody needed any more.", self.purged)
        yield CounterMetricFamily(
            "fusillade_purge_errors", "Steps of purging that failed.", self.purge_errors
        )

    def _distributions(self) -> Iterator[Metric]:
        alone = (
            (HistogramMetricFamily("fusillade_claim_duration_seconds", "Time of one claim."), self.claims),
            (HistogramMetricFamily("fusillade_claim_size", "Requests that one claim got."), self.claim_sizes),
            (
                HistogramMetricFamily("fusillade_heartbeat_duration_seconds", "Time of one heartbeat."),
                self.heartbeats,
            ),
            (
                HistogramMetricFamily(
                    "fusillade_cancellation_poll_duration_seconds", "Time of one look for cancelled work."
                ),
                self.polls,
            ),
            (
                HistogramMetricFamily(
                    "fusillade_unclaim_stale_duration_seconds",
                    "Time of one look for what dead processes held.",
                ),
                self.rescues,
            ),
        )
        for family, each in alone:
            buckets, total = each.shown()
            family.add_metric([], buckets, total)
            yield family
        labels = ["model"]
        by_model = (
            (
                HistogramMetricFamily(
                    "fusillade_request_duration_seconds", "Time of attempts.", labels=labels
                ),
                self.durations,
            ),
            (
                HistogramMetricFamily(
                    "fusillade_request_time_to_first_token_seconds",
                    "From the begin of an attempt to the first byte of its answer.",
                    labels=labels,
                ),
                self.first_bytes,
            ),
            (
                HistogramMetricFamily(
                    "fusillade_request_deadline_margin_seconds",
                    "What was left to the deadline when a request was completed.",
                    labels=labels,
                ),
                self.margins,
            ),
            (
                HistogramMetricFamily(
                    "fusillade_retry_attempts_on_success",
                    "Failed tries before a request was completed.",
                    labels=labels,
                ),
                self.tries,
            ),
        )
        for family, found in by_model:
            for model, each in found.items():
                family.add_metric([model], *each.shown())
            yield family


def _of(found: dict[str, Distribution], model: str, bounds: Sequence[float]) -> Distribution:
    """A model's; made at its first use."""
    known = found.get(model)
    if known is None:
        known = found[model] = Distribution(bounds)
    return known
