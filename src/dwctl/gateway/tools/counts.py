"""What is counted of tools."""

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from dwctl.core.distribution import SECONDS, Distribution


class ToolCounts(Collector):
    """One for each process. Names of tools are the installation's own, so there are few."""

    def __init__(self) -> None:
        self.rounds = 0
        self._outcomes: Counter[tuple[str, str]] = Counter()
        self._seconds: dict[str, Distribution] = {}

    def ran(self, tool: str, outcome: str, seconds: float) -> None:
        """A tool was called."""
        self._outcomes[tool, outcome] += 1
        known = self._seconds.get(tool)
        if known is None:
            known = self._seconds[tool] = Distribution(SECONDS)
        known.add(seconds)

    def skipped(self, tool: str) -> None:
        """A call was not run, for a bound was reached."""
        self._outcomes[tool, "not_run"] += 1

    def collect(self) -> Iterator[Metric]:
        """As Prometheus families."""
        calls = CounterMetricFamily(
            "dwctl_tool_calls", "Calls of tools that the server runs.", labels=["tool", "outcome"]
        )
        for place, count in self._outcomes.items():
            calls.add_metric(place, count)
        yield calls
        seconds = HistogramMetricFamily("dwctl_tool_seconds", "How long they took.", labels=["tool"])
        for tool, known in self._seconds.items():
            buckets, total = known.shown()
            seconds.add_metric([tool], buckets, total)
        yield seconds
        yield CounterMetricFamily(
            "dwctl_tool_rounds", "How often models were asked in calls with such tools.", self.rounds
        )
