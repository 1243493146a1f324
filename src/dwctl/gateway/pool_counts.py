"""What is counted of pools: Prometheus families over plain numbers, as in `counts`. Labels are aliases, endpoints and
reasons of few values.
"""

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector


class PoolCounts(Collector):
    """Registered once for each process."""

    def __init__(self) -> None:
        self.retries: Counter[tuple[str, str]] = Counter()
        """By model and reason."""
        self.exhausted: Counter[str] = Counter()
        """By model."""
        self.ejections: Counter[str] = Counter()
        """By endpoint."""

    def collect(self) -> Iterator[Metric]:
        """Everything, as Prometheus families."""
        retries = CounterMetricFamily(
            "dwctl_gateway_retries", "Calls that were sent to another target.", labels=["model", "reason"]
        )
        for place, count in self.retries.items():
            retries.add_metric(place, count)
        yield retries
        exhausted = CounterMetricFamily(
            "dwctl_gateway_retry_budget_exhausted",
            "Retries that were not sent because the pool had sent too many.",
            labels=["model"],
        )
        for model, count in self.exhausted.items():
            exhausted.add_metric([model], count)
        yield exhausted
        ejections = CounterMetricFamily(
            "dwctl_gateway_ejections", "Times that a target was left alone for a while.", labels=["endpoint"]
        )
        for endpoint, count in self.ejections.items():
            ejections.add_metric([endpoint], count)
        yield ejections
