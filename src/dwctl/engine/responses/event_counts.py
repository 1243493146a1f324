"""What is counted of event logs and their readers."""

from collections.abc import Callable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from dwctl.core.distribution import Distribution

COMMIT_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)


class EventCounts(Collector):
    """Registered once for each process."""

    def __init__(self) -> None:
        self.events = 0
        self.bytes = 0
        self.full = 0
        self.lost = 0
        self.errors = 0
        self.commits = Distribution(COMMIT_SECONDS)
        self.readers: Callable[[], int] = int
        """How many read; set by who serves them."""

    def collect(self) -> Iterator[Metric]:
        """As Prometheus families."""
        yield CounterMetricFamily(
            "dwctl_stream_events", "Events of background streams that came in.", self.events
        )
        yield CounterMetricFamily(
            "dwctl_stream_event_bytes", "Bytes of events that were committed.", self.bytes
        )
        yield CounterMetricFamily(
            "dwctl_stream_logs_full", "Calls whose events were too many to be kept.", self.full
        )
        yield CounterMetricFamily(
            "dwctl_stream_logs_lost", "Calls that another process had taken meanwhile.", self.lost
        )
        yield CounterMetricFamily(
            "dwctl_stream_errors", "Commits and readings of events that failed.", self.errors
        )
        yield GaugeMetricFamily("dwctl_stream_readers", "Clients that read a log now.", value=self.readers())
        buckets, total = self.commits.shown()
        yield HistogramMetricFamily(
            "dwctl_stream_commit_seconds", "Time of one commit of events.", buckets=buckets, sum_value=total
        )
