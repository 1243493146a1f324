"""How much queued work this process may run beside interactive calls: decision 0036 in the product.

Wakes on: twice a second while there is queued work for some model here or elsewhere, else every few seconds; at once
when this process, or by a notice another one, has work for a model that had none. Writes: `capacity`, what this process
tells of each such model. In the same statement it reads what the others told; what is older than five seconds, and so a
dead process, does not count. While no process has queued work, the gateway is told to tell nothing.

For each model this process keeps a `Capacity`, fed by its own calls (onlooking.py). The cap on queued requests of all
processes is what the least limit leaves beside all interactive calls; processes with work share it evenly, the rest by
the order of their ids. This process's own interactive calls count at the moment of asking. Lowering ends nothing that
runs: nothing more is claimed until enough has ended.

If the process dies, its rows get stale and are swept; a new process knows no limit until calls come. May be lost: what
was learned. With the database away each process goes by its own numbers, and nothing can be claimed anyway.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Protocol
from uuid import UUID

import asyncpg
import msgspec

from dwctl.core.clock import Clock
from dwctl.core.services import run_within
from dwctl.db.postgres import reason_of
from dwctl.engine.capacity import AdaptiveSettings, CapacitySettings, allowance
from dwctl.engine.onlooking import REFUSALS, Onlooking, Sight
from dwctl.requests.onlooker import Onlooker
from dwctl.requests.queue.store import QueueStore
from dwctl.requests.queue.structs import Told
from dwctl.requests.writer import AWAY

logger = logging.getLogger(__name__)

EVERY = 0.5
IDLE = 5.0
VALID = 5.0
"""Seconds for which counts what another process told."""
LINGER = 10.0
"""Seconds after its last request for which a model is looked at."""
KEPT = 3600.0
"""Seconds without work after which what was learned of a model is forgotten."""
WITHIN = 5.0


class Seen(Protocol):
    """The gateway, which tells of calls."""

    onlooker: Onlooker | None


class _Model:
    """A model that there is or was queued work for."""

    __slots__ = ("others", "settings", "sight", "told", "wanted_at", "wants")

    def __init__(self, settings: CapacitySettings, now: float) -> None:
        self.settings = settings
        self.sight = Sight(settings, now)
        self.wanted_at = now
        """When there was work last, here or elsewhere."""
        self.wants = False
        """Whether there is work here."""
        self.told = False
        """Whether the others' numbers were asked for since it is looked at."""
        self.others: dict[UUID, Told] = {}

    @property
    def interactive(self) -> int:
        """Of the others."""
        return sum(each.interactive for each in self.others.values())

    @property
    def batch(self) -> int:
        """Of the others."""
        return sum(each.batch for each in self.others.values())


class Headroom:
    """The service, a subscriber of the channel of its own, and whom the worker asks."""

    name = "headroom"

    def __init__(
        self,
        *,
        store: QueueStore,
        settings: AdaptiveSettings,
        daemon_id: UUID,
        clock: Clock,
        gateway: Seen,
        interactive: Callable[[str], int],
    ) -> None:
        self._store = store
        self._settings = settings
        self._plain = msgspec.structs.asdict(settings)
        self._daemon_id = daemon_id
        self._clock = clock
        self._gateway = gateway
        self._interactive = interactive
        """Calls of this process for a model that are not queued ones."""
        self.work: Callable[[], Mapping[str, int]] = dict
        """Models that this process has queued work for, with how much is under way; set by the worker, as the next."""
        self.most: Callable[[str], int] = lambda _: 0
        """What a model takes of this process at most."""
        self.on_room: Callable[[], None] = lambda: None
        """The cap may be another one."""
        self._onlooking = Onlooking(clock)
        self._models: dict[str, _Model] = {}
        """Everything that is known, looked at or not."""
        self._others: dict[UUID, list[Told]] = {}
        self._others_at = clock.monotonic()
        self._wake = asyncio.Event()

    def cap(self, name: str, most: int) -> int:
        """Queued requests for a model that may be under way in this process; `most` is what is configured."""
        if not self._settings.enabled:
            return most
        model = self._models.get(name)
        if model is None or not model.told:
            self._wake.set()
            return min(most, self._settings.floor)
        limits = (model.sight.capacity.published, *(each.most for each in model.others.values()))
        total = allowance(limits, self._interactive(name) + model.interactive, model.settings)
        rivals = [ident for ident, each in model.others.items() if each.wants]
        share, rest = divmod(total, len(rivals) + 1)
        before = sum(ident < self._daemon_id for ident in rivals)
        return min(most, share + (before < rest))

    def caps(self) -> Mapping[str, int]:
        """The models that there is work for here, and how much may be under way."""
        return {name: self.cap(name, self.most(name)) for name in self.work()}

    def answered(self, name: str, upstream_status: int | None) -> None:
        """A queued request's try is over."""
        sight = self._onlooking.sights.get(name)
        if sight is not None and upstream_status in REFUSALS:
            sight.capacity.refused(self._clock.monotonic())

    def on_connected(self) -> None:
        """Notices may have been missed."""
        self._wake.set()

    def on_notice(self, payload: str) -> None:
        """Another process has work for a model that had none."""
        del payload
        self._wake.set()

    async def start(self) -> None:
        """Nothing to prepare."""

    async def run(self) -> None:
        """Look until cancelled."""
        while self._settings.enabled:
            self._wake.clear()
            try:
                await self.turn()
            except (*AWAY, asyncpg.PostgresError) as error:
                logger.warning("processes do not hear of each other's calls: %s", reason_of(error))
                await asyncio.sleep(EVERY)
            with suppress(TimeoutError):
                async with asyncio.timeout(EVERY if self._onlooking.sights else IDLE):
                    await self._wake.wait()
        await asyncio.Event().wait()

    async def stop(self) -> None:
        """Take back what was told."""
        self._gateway.onlooker = None
        # Without models nothing was told, or it does not count any more.
        if self._settings.enabled and self._models:
            with suppress(*AWAY, asyncpg.PostgresError):
                await run_within(self._take_back(), WITHIN, name="taking back")

    async def _take_back(self) -> None:
        await self._store.exchange(self._daemon_id, (), VALID)

    async def turn(self) -> None:
        """Look at what there is work for, move the limits, tell and hear."""
        now = self._clock.monotonic()
        if now - self._others_at > VALID:
            self._hear({}, now)
        work = self.work()
        fresh = self._look_at(work, now)
        told = [self._tick(name, work.get(name, 0), now) for name in self._onlooking.sights]
        if fresh:
            await self._store.call()
        async with asyncio.timeout(WITHIN):
            others = await self._store.exchange(self._daemon_id, told, VALID)
        self._hear(others, self._clock.monotonic())
        for name in self._onlooking.sights:
            self._models[name].told = True
        self.on_room()

    def _look_at(self, work: Mapping[str, int], now: float) -> bool:
        """Look at the models that there is work for, and at no other; whether this process has a new one."""
        elsewhere = {each.model for theirs in self._others.values() for each in theirs if each.wants}
        fresh = False
        sights = self._onlooking.sights
        for name in work.keys() | elsewhere:
            model = self._models.get(name)
            if model is None:
                model = self._models[name] = _Model(self._settings_of(name, 1), now)
            model.wanted_at = now
            if name not in sights:
                sights[name] = model.sight
                fresh = fresh or name in work
        for name, model in list(self._models.items()):
            model.wants = name in work
            if now - model.wanted_at >= LINGER and name in sights:
                del sights[name]
                model.sight.forget()
                model.told = False
            if now - model.wanted_at >= KEPT:
                del self._models[name]
        self._place()
        self._gateway.onlooker = self._onlooking if sights else None
        return fresh

    def _tick(self, name: str, batch: int, now: float) -> Told:
        model = self._models[name]
        rivals = sum(each.wants for each in model.others.values()) + model.wants
        model.settings = self._settings_of(name, max(1, rivals))
        capacity = model.sight.capacity
        capacity.bound(model.settings)
        own = self._interactive(name)
        capacity.tick(
            now,
            batch=batch + model.batch,
            interactive=own + model.interactive,
            waiting=model.sight.waiting(now),
        )
        return Told(model=name, wants=model.wants, batch=batch, interactive=own, most=capacity.published)

    def _hear(self, others: dict[UUID, list[Told]], now: float) -> None:
        known = {each.model for theirs in self._others.values() for each in theirs}
        self._others, self._others_at = others, now
        self._place()
        if any(each.wants and each.model not in known for theirs in others.values() for each in theirs):
            self._wake.set()

    def _place(self) -> None:
        """What the others told, by model."""
        for model in self._models.values():
            model.others = {}
        for ident, theirs in self._others.items():
            for each in theirs:
                model_of = self._models.get(each.model)
                if model_of is not None:
                    model_of.others[ident] = each

    def _settings_of(self, name: str, processes: int) -> CapacitySettings:
        """Every process that has work may run what the model is configured to take of one."""
        return CapacitySettings(**self._plain, ceiling=max(self._settings.floor, self.most(name) * processes))
