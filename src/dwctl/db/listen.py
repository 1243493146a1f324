"""One connection that listens, many subscribers.

Pools are no place for LISTEN: the connection is our own, probed when silent, and made again with a growing
delay when it is lost. Notices sent while it was away are gone, so after every connect each subscriber is told
to read everything anew; a notice that arrives is never dropped. May be lost if the process dies: nothing.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Protocol

import asyncpg

from dwctl.db.postgres import UNREACHABLE, reason_of

logger = logging.getLogger(__name__)

PROBE_EVERY = 15.0
PROBE_WITHIN = 5.0
RETRY_FIRST = 0.1
RETRY_MOST = 5.0


class Subscriber(Protocol):
    """Who wants to know. Both are called on the event loop and must not wait."""

    def on_connected(self) -> None:
        """Listening (again): anything may have changed."""
        ...

    def on_notice(self, payload: str) -> None:
        """One notice."""
        ...


class Listener:
    """The service that holds the connection."""

    name = "listen"

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._subscribers: dict[str, list[Subscriber]] = {}
        self._connection: asyncpg.Connection[Any] | None = None
        self._lost = asyncio.Event()
        self.connected = False

    def subscribe(self, channel: str, subscriber: Subscriber) -> None:
        """Add a subscriber; before the start."""
        self._subscribers.setdefault(channel, []).append(subscriber)

    async def start(self) -> None:
        """Connect once, so that no change after the start is missed."""
        await self._connect()

    async def run(self) -> None:
        """Keep listening until cancelled."""
        delay = RETRY_FIRST
        while True:
            if self._connection is not None:
                await self._watch()
            try:
                await self._connect()
                logger.info("listening again; everything is read anew")
                delay = RETRY_FIRST
            except (*UNREACHABLE, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
                # Half-way it may be connected and deaf.
                await self._close()
                logger.warning("not listening: %s; next try in %.1f s", reason_of(error), delay)
                await asyncio.sleep(delay)
                delay = min(delay * 2, RETRY_MOST)

    async def stop(self) -> None:
        """Close the connection."""
        await self._close()

    async def _connect(self) -> None:
        self._lost.clear()
        connection = await asyncpg.connect(
            self._dsn, timeout=10, server_settings={"application_name": "dwctl listen"}
        )
        connection.add_termination_listener(self._on_lost)
        self._connection = connection
        for channel, subscribers in self._subscribers.items():
            await connection.add_listener(channel, self._deliver(subscribers))
        self.connected = True
        for subscribers in self._subscribers.values():
            for subscriber in subscribers:
                subscriber.on_connected()

    async def _watch(self) -> None:
        """Until the connection is lost; a probe notices a peer that vanished without a word."""
        while not self._lost.is_set() and self._connection is not None:
            try:
                async with asyncio.timeout(PROBE_EVERY):
                    await self._lost.wait()
            except TimeoutError:
                try:
                    await self._connection.fetchval("select 1", timeout=PROBE_WITHIN)
                except (*UNREACHABLE, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
                    break
        await self._close()

    async def _close(self) -> None:
        self.connected = False
        connection, self._connection = self._connection, None
        if connection is not None and not connection.is_closed():
            connection.terminate()

    def _on_lost(self, _: object) -> None:
        self._lost.set()

    @staticmethod
    def _deliver(subscribers: list[Subscriber]) -> Callable[..., None]:
        def deliver(_connection: object, _pid: int, _channel: str, payload: object) -> None:
            for subscriber in subscribers:
                subscriber.on_notice(str(payload))

        return deliver
