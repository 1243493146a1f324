"""Attempts that failed: all are counted, and of those that are alike one a second is logged."""

import logging

from dwctl.core.clock import Clock
from dwctl.gateway.counts import Counts
from dwctl.gateway.upstream.connection import Failure
from dwctl.routing.snapshot import Target

logger = logging.getLogger(__name__)

COMPLAIN_EVERY = 1.0
"""Seconds between two warnings about the same endpoint and failure; the metrics count every one."""


class Complaints:
    """One for each process."""

    def __init__(self, counts: Counts, clock: Clock) -> None:
        self._counts = counts
        self._monotonic = clock.monotonic
        self._complained: dict[tuple[str, Failure], float] = {}

    def failed(self, model: str, target: Target, failure: Failure, detail: str) -> None:
        """An attempt at a target failed."""
        self._counts.failed(target.endpoint_name, failure)
        place = (target.endpoint_name, failure)
        now = self._monotonic()
        if now - self._complained.get(place, -COMPLAIN_EVERY) >= COMPLAIN_EVERY:
            self._complained[place] = now
            told = f": {detail}" if detail else ""
            logger.warning("%s: the endpoint %s %s%s", model, target.endpoint_name, failure.value, told)
