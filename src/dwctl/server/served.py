"""Requests by method, path and status under the contract's names (spec/platform §6.7), of both planes.

The application's are counted here, by the pattern of their route; the gateway counts its own, and is asked when
somebody reads. Nothing that a client can make up is a label: an unknown method is `other`, an unrouted path is empty.
"""

from collections.abc import Iterator
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from dwctl.core.distribution import SECONDS, Distribution

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
LABELS = ("method", "status", "endpoint")


class Plane(Protocol):
    """Who else answers requests."""

    def served(self) -> Iterator[tuple[str, str, int, Distribution]]:
        """Method, path, status, and how long they took."""
        ...

    def pending(self) -> Iterator[tuple[str, str, int]]:
        """Method, path and how many are being answered."""
        ...


class Served(Collector):
    """Registered once for each process."""

    def __init__(self, gateway: Plane) -> None:
        self._gateway = gateway
        self._pending: dict[str, int] = {}
        self._ended: dict[tuple[str, str, int], Distribution] = {}

    def began(self, method: str) -> str:
        """A request of the application's; gives the method as it is counted."""
        method = method if method in METHODS else "other"
        self._pending[method] = self._pending.get(method, 0) + 1
        return method

    def ended(self, method: str, pattern: str, status: int, seconds: float) -> None:
        """It has been answered, or its client has left."""
        self._pending[method] -= 1
        place = (method, pattern, status)
        known = self._ended.get(place)
        if known is None:
            known = self._ended[place] = Distribution(SECONDS)
        known.add(seconds)

    def collect(self) -> Iterator[Metric]:
        """Everything, as Prometheus families."""
        total = CounterMetricFamily("dwctl_http_requests", "Requests that have been answered.", labels=LABELS)
        took = HistogramMetricFamily(
            "dwctl_http_requests_duration_seconds", "From a request's head to its end.", labels=LABELS
        )
        ended = ((*place, seconds) for place, seconds in self._ended.items())
        for method, pattern, status, seconds in (*self._gateway.served(), *ended):
            labels = [method, str(status), pattern]
            total.add_metric(labels, seconds.count)
            took.add_metric(labels, *seconds.shown())
        yield total
        yield took
        pending = GaugeMetricFamily(
            "dwctl_http_requests_pending", "Requests that are being answered.", labels=["method", "endpoint"]
        )
        here = ((method, "", count) for method, count in self._pending.items())
        for method, path, count in (*self._gateway.pending(), *here):
            pending.add_metric([method, path], count)
        yield pending
