"""Claims queued requests and has them run.

Wakes on: a notice of the queue, a place that gets free, the moment at which a request may be tried again, and at the
latest every `claim_interval_ms`. Writes: `queue` (what it claims, ripens and hands back); outcomes are the completer's.
A round is one statement: the free places of all models, given to lanes (demand.py), so that never more is claimed than
can run. What is claimed is begun at once, a few errands in each turn of the loop, by callbacks: there is no task for
a request. If the database is away, rounds fail and come back with a growing delay; what runs goes on.
If the process dies, what it held stays held until it is taken for dead (rescuer.py), and runs again in its next
attempt. May be lost: answers that were not committed.

Its end: the gate (`Gate`, stopped before all other services) keeps it from claiming; while the port drains, what runs
goes on; `stop` hands back what was never sent, waits for the rest as long as the drain lasts, breaks off what is left,
commits the outcomes, and frees whatever it still holds for its next attempt.
"""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Coroutine, Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg

from dwctl.core.clock import Clock
from dwctl.core.services import run_within
from dwctl.db.lease import Lease
from dwctl.db.postgres import reason_of
from dwctl.engine.completer import Completer
from dwctl.engine.counts import WorkerCounts
from dwctl.engine.demand import Demand
from dwctl.engine.errand import Errander, Headers
from dwctl.engine.headroom import Headroom
from dwctl.engine.outcome import CANCELED, CANCELED_CALL, MISSING, UNWRITABLE, as_stored, outcome_of, unrun
from dwctl.engine.policy import Policy, Verdict
from dwctl.engine.responses.event_log import EventLog
from dwctl.engine.run import Run
from dwctl.engine.worker_settings import BatchDaemonSettings
from dwctl.requests.dispatch import Dispatch
from dwctl.requests.queue.store import QueueStore
from dwctl.requests.queue.structs import AGAIN, Claimed, Lane
from dwctl.requests.record import Record, State
from dwctl.requests.writer import AWAY
from dwctl.routing.snapshot import Routing

logger = logging.getLogger(__name__)

BEGIN_AT_ONCE = 16
"""Errands that are begun in one turn of the loop: about a millisecond."""
BETWEEN_CLAIMS = 0.003
"""Seconds; places that get free in the meantime are filled together."""
LOOK_AGAIN = 0.05
"""Seconds after which lanes that came short are looked at again while there is work."""
ROUND_WITHIN = 60.0
"""Seconds after which the database counts as hanging."""
RETRY_FIRST = 0.1
RETRY_MOST = 5.0
FLUSH_WITHIN = 6.0
FREE_WITHIN = 5.0
_COMPLETED = int(State.COMPLETED)


class Worker:
    """The service, and a subscriber of the queue's channel."""

    name = "worker"

    def __init__(
        self,
        *,
        store: QueueStore,
        dispatch: Dispatch,
        completer: Completer,
        routing: Routing,
        settings: BatchDaemonSettings,
        holder: UUID,
        clock: Clock,
        counts: WorkerCounts,
        drain: float,
        headroom: Headroom,
        events: EventLog,
        leads: Lease | None = None,
    ) -> None:
        self._store = store
        self._dispatch = dispatch
        self._completer = completer
        self._routing = routing
        self._settings = settings
        self._holder = holder
        self._clock = clock
        self._counts = counts
        self._drain = drain
        self._leads = leads
        self._headroom = headroom
        self._events = events
        self._policy = Policy(settings)
        self._demand = Demand(settings, self._policy, routing, headroom, clock)
        self._errander = Errander(settings)
        self._interval = settings.claim_interval_ms / 1000
        self._headers: dict[int, Headers] = {}
        self._runs: dict[UUID, Run] = {}
        self._waiting: deque[Run] = deque()
        self._models: Counter[str] = Counter()
        self._owners: Counter[UUID] = Counter()
        self._wake = asyncio.Event()
        self._done = asyncio.Event()
        self._look_at = 0.0
        self._unsure = False
        """A claim failed or was cut short, and may have claimed all the same."""
        self._open = settings.enabled != "never"
        self._closed_at: float | None = None
        self._pumping = False
        completer.on_room = self._wake.set
        events.on_lost = self.abort
        counts.in_flight = lambda: self._models
        counts.capacity = self._capacities
        headroom.work = self._work
        headroom.most = self._demand.capacity
        headroom.on_room = self._wake.set
        self.stop_within = drain + 2 * FLUSH_WITHIN + 2 * FREE_WITHIN

    @property
    def in_flight(self) -> int:
        """Requests that are claimed here and have not ended."""
        return len(self._runs)

    def on_connected(self) -> None:
        """Notices may have been missed."""
        self.look()

    def on_notice(self, payload: str) -> None:
        """Something waits."""
        del payload
        self.look()

    def look(self) -> None:
        """Look at the queue now."""
        self._look_at = 0.0
        self._wake.set()

    def close(self) -> None:
        """Claim nothing any more."""
        self._open = False
        if self._closed_at is None:
            self._closed_at = self._clock.monotonic()

    def abort(self, ids: Iterable[UUID]) -> None:
        """End these requests, where they are run here."""
        for request_id in ids:
            run = self._runs.get(request_id)
            if run is not None and not run.canceled:
                run.canceled = True
                if run.cancel is not None:
                    run.cancel()

    async def start(self) -> None:
        """Nothing to prepare."""

    async def run(self) -> None:
        """Claim until cancelled."""
        delay = 0.0
        while True:
            await self._pause(delay)
            if not self._open:
                continue
            try:
                async with asyncio.timeout(ROUND_WITHIN):
                    await self._round()
                delay = 0.0
            except (*AWAY, asyncpg.PostgresError) as error:
                self._unsure = True
                self._counts.claim_errors += 1
                delay = min(max(delay * 2, RETRY_FIRST), RETRY_MOST)
                logger.warning("nothing is claimed: %s; next try in %.1f s", reason_of(error), delay)

    async def stop(self) -> None:
        """Let what runs end, and leave the rest to others."""
        self.close()
        closed_at = self._closed_at or 0.0
        unsent, self._waiting = list(self._waiting), deque()
        for run in unsent:
            self._forget(run)
        if unsent:
            await self._tell(self._store.release(self._holder, [run.claimed.id for run in unsent]))
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, closed_at + self._drain - self._clock.monotonic())):
                while self._runs:
                    self._done.clear()
                    await self._done.wait()
        broken_off = list(self._runs.values())
        for run in broken_off:
            run.forsaken = True
            if run.cancel is not None:
                run.cancel()
        # In this order: an outcome comes after its call's events.
        flushed = await self._events.flush(FLUSH_WITHIN) and await self._completer.flush(FLUSH_WITHIN)
        if broken_off or self._unsure or not flushed:
            # Otherwise it holds nothing, and nobody waits for a database that may be away.
            await self._tell(self._free())
        if self._leads is not None:
            await self._tell(self._leads.release())

    async def _free(self) -> None:
        """Whatever is still held, be it of a claim that was cut short, waits again in its next attempt."""
        while await self._store.rescue(self._holder, self._settings.unclaim_batch_size):
            pass

    async def _tell(self, writing: Coroutine[Any, Any, None]) -> None:
        try:
            await run_within(writing, FREE_WITHIN, name="handing back")
        except (*AWAY, asyncpg.PostgresError) as error:
            logger.warning(
                "what this process held is free only when it is taken for dead: %s", reason_of(error)
            )

    async def _pause(self, delay: float) -> None:
        if delay:
            await asyncio.sleep(delay)
            return
        wait = self._look_at - self._clock.monotonic() if self._open else None
        if wait is None or wait > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._wake.wait()
        await asyncio.sleep(BETWEEN_CLAIMS)
        self._wake.clear()

    async def _round(self) -> None:
        if not self._completer.has_room:
            return
        moment = self._clock.monotonic()
        if moment >= self._look_at:
            self._look_at = moment + self._interval
            await self._look()
        lanes = self._demand.lanes
        if not lanes:
            return
        wanted = self._demand.wanted(self._clock.now(), self._models, self._owners)
        if not wanted:
            return
        began = self._clock.monotonic()
        # Whoever is cancelled in here may have claimed.
        before, self._unsure = self._unsure, True
        claimed = await self._store.claim(self._holder, wanted, self._demand.floors)
        self._unsure = before
        self._counts.claims.add(self._clock.monotonic() - began)
        self._counts.claim_sizes.add(len(claimed))
        self._take(lanes, wanted, claimed)

    async def _look(self) -> None:
        """Read anew what waits."""
        if self._leads is not None and not await self._leads.take():
            self._demand.lanes.clear()
            return
        if self._unsure:
            await self._reconcile()
        due = await self._store.next_ripe()
        if due is not None:
            wait = due.timestamp() - self._clock.now()
            if wait <= 0:
                await self._store.ripen(self._settings.claim_batch_size)
                wait = LOOK_AGAIN
            self._look_at = min(self._look_at, self._clock.monotonic() + wait)
        self._demand.renew(await self._store.lanes())
        self._headers = {}

    async def _reconcile(self) -> None:
        """What a claim got that we never heard of goes back."""
        held = await self._store.held(self._holder)
        lost = [one for one in held if one not in self._runs and self._ended_in(one) is None]
        if lost:
            await self._store.release(self._holder, lost)
        self._unsure = False

    def _ended_in(self, request_id: UUID) -> int | None:
        """The attempt of a request that has ended here and is not committed."""
        attempt = self._completer.holds(request_id)
        return self._events.holds(request_id) if attempt is None else attempt

    def _work(self) -> Mapping[str, int]:
        waiting = {lane.model: 0 for lane in self._demand.lanes.values()}
        return waiting | {name: count for name, count in self._models.items() if count}

    def _capacities(self) -> Mapping[str, int]:
        models = self._routing.snapshot.models
        return {name: max(0, self._demand.capacity(name) - self._models[name]) for name in models}

    def _take(self, lanes: Mapping[int, Lane], wanted: Mapping[int, int], claimed: list[Claimed]) -> None:
        for each in claimed:
            lane = lanes[each.lane_id]
            before = self._runs.get(each.id)
            if each.attempt in (before and before.claimed.attempt, self._ended_in(each.id)):
                # A crash of the database took our claim back: it is ours again, and what runs or has ended is of it.
                continue
            run = self._runs[each.id] = Run(lane, each)
            self._models[lane.model] += 1
            self._owners[lane.owner_id] += 1
            self._waiting.append(run)
        if self._demand.took(wanted, claimed) and claimed:
            self._look_at = min(self._look_at, self._clock.monotonic() + LOOK_AGAIN)
        if sum(wanted.values()) >= self._settings.claim_batch_size:
            self._wake.set()
        if self._waiting and not self._pumping:
            self._pumping = True
            self._begin_some()

    def _begin_some(self) -> None:
        try:
            for _ in range(min(BEGIN_AT_ONCE, len(self._waiting))):
                run = self._waiting.popleft()
                try:
                    self._begin(run)
                except Exception:
                    logger.exception("request %s cannot be begun", run.claimed.id)
                    self._forget(run)
                    self._give_up(run)
        finally:
            self._pumping = bool(self._waiting)
            if self._pumping:
                asyncio.get_running_loop().call_soon(self._begin_some)

    def _begin(self, run: Run) -> None:
        lane, claimed = run.lane, run.claimed
        if run.canceled:
            why = CANCELED_CALL if lane.batch_id is None else CANCELED
            record = unrun(lane, claimed, self._holder, self._clock.now(), why=why)
            self._ended(run, record, b"", 0.0)
            return
        if claimed.path is None or claimed.body is None:
            record = unrun(lane, claimed, self._holder, self._clock.now(), why=MISSING)
            self._ended(run, record, b"", 0.0)
            return
        headers = self._headers.get(lane.id)
        if headers is None:
            headers = self._headers[lane.id] = self._errander.of_lane(lane)
        if claimed.logged:
            run.log = self._events.open(lane, claimed)
        errand = self._errander.make(
            lane, claimed, claimed.path, claimed.body, headers, self._clock.now(), run.log
        )
        if errand.model is not None:
            self._counts.escalated[lane.model] += 1
        run.cancel = self._dispatch.run(errand, partial(self._ended, run))

    def _ended(self, run: Run, record: Record, body: bytes, pause: float) -> None:
        """An attempt is over. Called by the gateway, so it must not raise."""
        self._forget(run)
        log = run.log
        if run.forsaken or (self._is_over() and record.state != _COMPLETED):
            if log is not None:
                log.drop()
            return
        try:
            lane, claimed = run.lane, run.claimed
            self._headroom.answered(lane.model, record.upstream_status)
            now = self._clock.now()
            what = self._policy.decide(
                state=record.state,
                status=record.status_code,
                retries=claimed.retries,
                deadline=claimed.deadline.timestamp(),
                window=lane.completion_window,
                now=now,
                pause=pause,
            )
            if what.verdict == AGAIN and log is not None:
                if log.shown:
                    # Another try would show something else.
                    what = Verdict(record.state, denied=True)
                else:
                    log.drop()
            self._count(lane.model, record, what.verdict, claimed, now, denied=what.denied)
            if what.verdict == AGAIN:
                self._look_at = min(self._look_at, self._clock.monotonic() + max(what.at - now, LOOK_AGAIN))
            outcome = outcome_of(lane, claimed, record, body, what)
            if log is None:
                self._completer.put(outcome)
            else:
                whole = as_stored(lane, claimed, record, body) if record.state == _COMPLETED else None
                self._events.end(log, whole, partial(self._completer.put, outcome))
        except Exception:
            self._counts.panics += 1
            logger.exception("what came of request %s cannot be written", run.claimed.id)
            self._give_up(run)

    def _give_up(self, run: Run) -> None:
        """It ends as failed, with nothing of its answer: tried again, the same would most likely come of it."""
        if run.log is not None:
            run.log.drop()
        record = unrun(run.lane, run.claimed, self._holder, self._clock.now(), why=UNWRITABLE)
        self._completer.put(outcome_of(run.lane, run.claimed, record, b"", Verdict(record.state)))

    def _is_over(self) -> bool:
        """Whether the time to finish is over: what fails from then on is broken off, and no failure of its own."""
        closed_at = self._closed_at
        return closed_at is not None and self._clock.monotonic() - closed_at >= self._drain

    def _forget(self, run: Run) -> None:
        if not run.over:
            run.over = True
            self._models[run.lane.model] -= 1
            self._owners[run.lane.owner_id] -= 1
            if not self._owners[run.lane.owner_id]:
                del self._owners[run.lane.owner_id]
        if self._runs.get(run.claimed.id) is run:
            # Not so when somebody took this process for dead, and it has claimed the next attempt since.
            del self._runs[run.claimed.id]
        if self._demand.lanes:
            self._wake.set()
        if self._closed_at is not None:
            self._done.set()

    def _count(
        self, model: str, record: Record, verdict: int, claimed: Claimed, now: float, *, denied: bool
    ) -> None:
        counts = self._counts
        counts.took(model, record.duration_ms / 1000, record.first_byte_ms)
        if verdict == AGAIN or denied:
            counts.statuses[record.status_code] += 1
        if verdict == AGAIN:
            counts.retried[model] += 1
            return
        if denied:
            counts.denied[model] += 1
        counts.ended[model, State(verdict).name.lower()] += 1
        if verdict == _COMPLETED:
            counts.completed(model, claimed.retries, claimed.deadline.timestamp() - now)
