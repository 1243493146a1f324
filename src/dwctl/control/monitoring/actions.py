"""What waits or is being run, by model and by how soon it is due."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from dwctl.core.clock import Clock
from dwctl.identity.permissions import Operation, Resource, require
from dwctl.identity.principal import Principal
from dwctl.requests.queue.store import QueueStore
from dwctl.requests.queue.windows import seconds_of


class MonitoringActions:
    """Rules before rows."""

    def __init__(self, queue: QueueStore, clock: Clock, windows: Sequence[str]) -> None:
        self._queue = queue
        self._clock = clock
        self._windows = {window: timedelta(seconds=seconds_of(window) or 0) for window in windows}

    async def pending(self, who: Principal) -> dict[str, dict[str, int]]:
        """Requests that are due within each window from now on, what is overdue too; not what is being cancelled."""
        require(who, Resource.SYSTEM, Operation.READ)
        now = datetime.fromtimestamp(self._clock.now(), UTC)
        counts: dict[str, dict[str, int]] = {}
        for depth in await self._queue.depths():
            of_model = counts.setdefault(depth.model, dict.fromkeys(self._windows, 0))
            for window, span in self._windows.items():
                if depth.deadline <= now + span:
                    of_model[window] += depth.requests
        return counts
