"""Keeps the snapshot fresh: LISTEN on `routing`, re-read what notices name, replace the snapshot whole.

Wakes on: a notice, a change made by this process or by another worker of its start, a (re)connect of the listener,
and the fallback interval. Writes: the snapshot of this
process. If the database cannot be read, the old snapshot stays and the work is tried again with a growing
delay: keys and models keep working through an outage. May be lost when the process dies: nothing, the next
start reads everything.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager

import asyncpg

from dwctl.core.clock import Clock
from dwctl.core.ids import new_id
from dwctl.db.postgres import reason_of
from dwctl.routing.change import Change
from dwctl.routing.confirm import Confirmations, Fellows
from dwctl.routing.dirty import Dirty
from dwctl.routing.key_index import KeyIndex
from dwctl.routing.snapshot import Key, Model, Routing, Snapshot
from dwctl.routing.store import BadRow, RoutingStore

logger = logging.getLogger(__name__)

CHANNEL = "routing"
RETRY_FIRST = 0.2
RETRY_MOST = 10.0
CONFIRM_WITHIN = 2.0
"""Seconds that the answer to a change waits for the workers of this start to apply it. It takes milliseconds; only a
worker that hangs makes somebody wait so long, and then a key that is shown and refused would be worse."""


class RoutingSync:
    """The service behind `Routing`. Subscribe it to the listener under `CHANNEL`."""

    name = "routing-sync"

    def __init__(
        self,
        *,
        routing: Routing,
        store: RoutingStore,
        clock: Clock,
        fallback_seconds: float,
        fellows: Fellows | None = None,
    ) -> None:
        self._routing = routing
        self._store = store
        self._clock = clock
        self._fallback = fallback_seconds
        self._dirty = Dirty()
        self._wake = asyncio.Event()
        self._urgent = asyncio.Event()
        self._running = False
        self._index = KeyIndex()
        self.confirmations = Confirmations(fellows)
        self.excluded: dict[str, BadRow] = {}
        """Models that are left out because their row cannot be used, by id."""

    def on_connected(self) -> None:
        """The listener (re)connected: notices may have been missed, so read everything."""
        self._dirty.everything = True
        self._wake.set()

    def on_notice(self, payload: str) -> None:
        """A row changed."""
        self._dirty.add(payload)
        self._wake.set()

    def on_changed(self, notice: str, change: str) -> None:
        """A worker of this start has committed a change: the database answers, whether notices are heard or not.

        Unlike a notice it is not kept waiting until the next try after a failure.
        """
        self._dirty.add(notice)
        self._dirty.changes.add(change)
        self._wake.set()
        self._urgent.set()

    async def start(self) -> None:
        """Read everything once: the gateway answers from the first moment."""
        await self._reload()

    async def run(self) -> None:
        """Apply changes until cancelled."""
        self._running = True
        delay = 0.0
        while True:
            await self._wait(delay or self._fallback, until_woken=not delay)
            taken, self._dirty = self._dirty, Dirty()
            try:
                await self._apply(taken)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
                self._dirty.merge(taken)
                delay = min(max(delay * 2, RETRY_FIRST), RETRY_MOST)
                logger.warning(
                    "routing state not refreshed, the old one stays: %s; next try in %.1f s",
                    reason_of(error),
                    delay,
                )
            else:
                delay = 0.0

    async def stop(self) -> None:
        """Nothing to flush."""
        self._running = False

    @asynccontextmanager
    async def confirm(self, noun: str, ident: str) -> AsyncIterator[Change]:
        """Around a transaction that changes a row: leaves once every worker has applied it, or after 2 s.

        This process does not wait to hear of its own change, and tells the other workers: right after an outage the
        connections that listen may not be there yet, and the answer would be given without anybody knowing the change.
        Before the service runs there is nothing to wait for: its start reads everything.
        """
        change = Change()
        if not self._running:
            yield change
            return
        notice, known_as = f"{noun}:{ident}", new_id()
        with self.confirmations.expect(known_as) as awaited:
            yield change
            if not change.made:
                return
            self.confirmations.made(notice, known_as)
            self.on_changed(notice, known_as)
            try:
                async with asyncio.timeout(CONFIRM_WITHIN):
                    await awaited.wait()
            except TimeoutError:
                logger.warning("change of %s not confirmed within %g s", notice, CONFIRM_WITHIN)

    async def _wait(self, seconds: float, *, until_woken: bool) -> None:
        """Until woken, at most `seconds`; after a failure only by a change made here, so that notices do not hammer."""
        try:
            async with asyncio.timeout(seconds):
                await (self._wake if until_woken else self._urgent).wait()
        except TimeoutError:
            self._dirty.everything |= until_woken
        self._wake.clear()
        self._urgent.clear()

    async def _apply(self, dirty: Dirty) -> None:
        if dirty.everything:
            await self._reload()
        elif dirty:
            await self._refresh(dirty)
        self.confirmations.applied(tuple(dirty.changes))

    async def _reload(self) -> None:
        """Read everything, in slices, into a new snapshot; what it replaces is used until the end."""
        keys: dict[bytes, Key] = {}
        index = KeyIndex()
        async for chunk in self._store.keys():
            keys.update(chunk)
            for digest, key in chunk:
                index.add(digest, key)
            await asyncio.sleep(0)
        models, bad = await self._store.models()
        self._index = index
        self.excluded = {row.model_id: row for row in bad}
        self._report(bad)
        self._replace(keys, {model.alias: model for model in models})

    async def _refresh(self, dirty: Dirty) -> None:
        """Read again what the notices name; whatever is not found any more is gone."""
        snapshot = self._routing.snapshot
        keys = snapshot.keys
        models = snapshot.models
        if dirty.keys or dirty.accounts:
            keys = await self._refresh_keys(dirty, dict(keys))
        if dirty.models or dirty.endpoints:
            models = await self._refresh_models(dirty, models.values())
        self._replace(keys, models)

    async def _refresh_keys(self, dirty: Dirty, keys: dict[bytes, Key]) -> dict[bytes, Key]:
        stale = dirty.keys | self._index.of_accounts(dirty.accounts)
        fresh: list[tuple[bytes, Key]] = []
        if dirty.keys:
            fresh += [pair async for chunk in self._store.keys(ids=dirty.keys) for pair in chunk]
        if dirty.accounts:
            fresh += [pair async for chunk in self._store.keys(accounts=dirty.accounts) for pair in chunk]
        for ident in stale:
            digest = self._index.digest(ident)
            if digest is not None:
                self._index.remove(keys.pop(digest))
        for digest, key in fresh:
            keys[digest] = key
            self._index.add(digest, key)
        return keys

    async def _refresh_models(self, dirty: Dirty, old: Iterable[Model]) -> dict[str, Model]:
        fresh, bad = await self._store.models(dirty.models, dirty.endpoints)
        stale = dirty.models | {row.model_id for row in bad} | {model.id for model in fresh}
        kept = {
            model.alias: model
            for model in old
            if model.id not in stale
            and not any(target.endpoint_id in dirty.endpoints for target in model.targets)
        }
        still = (
            row
            for row in self.excluded.values()
            if row.model_id not in stale and row.endpoint_id not in dirty.endpoints
        )
        self.excluded = {row.model_id: row for row in (*still, *bad)}
        self._report(bad)
        return kept | {model.alias: model for model in fresh}

    def _replace(self, keys: Mapping[bytes, Key], models: Mapping[str, Model]) -> None:
        version = self._routing.snapshot.version + 1
        self._routing.snapshot = Snapshot(version=version, keys=keys, models=models)

    @staticmethod
    def _report(bad: Iterable[BadRow]) -> None:
        for row in bad:
            logger.error("model %s (%s) is left out: %s", row.alias, row.model_id, row.reason)
