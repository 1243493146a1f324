"""The engine's part of the composition root: what runs durable work in this process."""

from collections import deque
from collections.abc import Callable, Sequence
from uuid import UUID

import msgspec

from dwctl.core.clock import Clock
from dwctl.core.metrics import Metrics
from dwctl.core.services import Service
from dwctl.db.lease import Lease
from dwctl.db.listen import Listener
from dwctl.db.postgres import Database
from dwctl.engine.cancelling import Cancelling
from dwctl.engine.completer import Completer
from dwctl.engine.counts import WorkerCounts
from dwctl.engine.gate import Gate
from dwctl.engine.headroom import Headroom
from dwctl.engine.housekeeping import Chore, Housekeeping
from dwctl.engine.populating import Populating
from dwctl.engine.rescuer import Rescuer
from dwctl.engine.responses.event_log import EventLog
from dwctl.engine.worker import Worker
from dwctl.engine.worker_settings import BatchDaemonSettings
from dwctl.gateway.errands import Errands
from dwctl.gateway.pipeline import Gateway
from dwctl.requests.queue.store import CAPACITY, CHANNEL, QueueStore
from dwctl.requests.singles.store import SingleStore
from dwctl.routing.snapshot import Routing

LEASES = 3
"""A leader that has not come back for so many of its intervals is none any more."""
LEAST_LEASE = 10.0


class Engine(msgspec.Struct, frozen=True, kw_only=True):
    """What runs queued work in one process."""

    services: tuple[Service, ...]
    """Started before the port, stopped after it; the completer first, so that it ends last, the event log after it."""
    gate: Gate
    """Started after all, stopped before all."""
    completer: Completer
    rescuer: Rescuer
    counts: WorkerCounts
    worker: Worker
    interactive: Callable[[], int]
    """How many calls are under way that are not queued ones."""

    def stats(self) -> dict[str, int]:
        """What this process tells of itself with its heartbeat."""
        return {
            "requests_processed": self.counts.processed,
            "requests_failed": self.counts.failed,
            "requests_in_flight": self.worker.in_flight,
        }


def build_engine(
    settings: BatchDaemonSettings,
    *,
    database: Database,
    gateway: Gateway,
    routing: Routing,
    notices: Listener,
    clock: Clock,
    metrics: Metrics,
    daemon_id: UUID,
    drain: float,
    events: EventLog,
    chores: Sequence[Chore] = (),
) -> Engine:
    """Build it, and have it told of the queue's notices."""
    store = QueueStore(database)
    counts = WorkerCounts()
    metrics.registry.register(counts)
    every = settings.claim_interval_ms / 1000
    completer = Completer(store, daemon_id)
    leads = None
    if settings.enabled == "leader":
        leads = Lease(database, "batch_daemon", daemon_id, max(LEAST_LEASE, LEASES * every))
    errands = Errands(gateway, streamable=settings.streamable_endpoints, timeouts=settings.timeouts)
    headroom = Headroom(
        store=store,
        settings=settings.adaptive,
        daemon_id=daemon_id,
        clock=clock,
        gateway=gateway,
        interactive=errands.interactive,
    )
    worker = Worker(
        store=store,
        dispatch=errands,
        completer=completer,
        routing=routing,
        settings=settings,
        holder=daemon_id,
        clock=clock,
        counts=counts,
        drain=drain,
        headroom=headroom,
        events=events,
        leads=leads,
    )
    populating = Populating(store, every=every, step=settings.populate_batch_size)
    cancelling = Cancelling(
        store,
        SingleStore(database),
        worker,
        daemon_id,
        counts,
        every=settings.cancellation_poll_interval_ms / 1000,
    )
    rescuer = Rescuer(
        store,
        daemon_id,
        clock,
        counts,
        silent=settings.stale_daemon_threshold_ms / 1000,
        step=settings.unclaim_batch_size,
    )
    interval = settings.purge_interval_ms / 1000
    housekeeping = Housekeeping(
        store,
        Lease(database, "housekeeping", daemon_id, LEASES * interval),
        counts,
        chores,
        every=interval,
        step=settings.purge_batch_size,
        pause=settings.purge_throttle_ms / 1000,
    )
    for subscriber in (worker, populating.waking, cancelling.waking):
        notices.subscribe(CHANNEL, subscriber)
    notices.subscribe(CAPACITY, headroom)
    counts.allowance = headroom.caps
    counts.lost = lambda: completer.lost
    services = (completer, events, populating, cancelling, rescuer, housekeeping, headroom, worker)
    return Engine(
        services=services,
        gate=Gate(worker),
        completer=completer,
        rescuer=rescuer,
        counts=counts,
        worker=worker,
        interactive=errands.interactive_calls,
    )


class Charges:
    """How far charges have come on their two ways to the database: calls' by the spool, queued requests' by the queue.

    Whoever keeps accounts' credit wants one number: so many were noted by now, and so many of those are committed. What
    has come in by one moment is a mark; it is committed when both ways have passed it.
    """

    def __init__(self, noted: Sequence[Callable[[], int]], done: Sequence[Callable[[], int]]) -> None:
        self._noted = noted
        self._done = done
        self._last = tuple(0 for _ in noted)
        self._count = 0
        self._committed = 0
        self._marks: deque[tuple[int, tuple[int, ...]]] = deque()

    def noted(self) -> int:
        """The mark of this moment."""
        now = tuple(count() for count in self._noted)
        if now != self._last:
            self._last = now
            self._count += 1
            self._marks.append((self._count, now))
        return self._count

    def done(self) -> int:
        """The last mark that is committed, and so everything before it."""
        done = tuple(count() for count in self._done)
        while self._marks and all(
            ready >= wanted for ready, wanted in zip(done, self._marks[0][1], strict=True)
        ):
            self._committed = self._marks.popleft()[0]
        return self._committed
