"""The listener: every notice arrives, and after a lost connection everything counts as changed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from dwctl.db.listen import Listener
from dwctl.db.postgres import Database

DEADLINE = 20.0


class Heard:
    """A subscriber that remembers."""

    def __init__(self) -> None:
        self.connects = 0
        self.notices: list[str] = []
        self._changed = asyncio.Event()

    def on_connected(self) -> None:
        """Listening (again)."""
        self.connects += 1
        self._changed.set()

    def on_notice(self, payload: str) -> None:
        """One notice."""
        self.notices.append(payload)
        self._changed.set()

    async def until(self, connects: int, notices: list[str]) -> None:
        """Wait until so much was heard."""
        async with asyncio.timeout(DEADLINE):
            while self.connects < connects or self.notices != notices:
                self._changed.clear()
                await self._changed.wait()


@asynccontextmanager
async def listening(database: Database, heard: Heard) -> AsyncIterator[Listener]:
    """A running listener."""
    listener = Listener(database.dsn)
    listener.subscribe("news", heard)
    await listener.start()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(listener.run())
        yield listener
        running.cancel()
    await listener.stop()


async def end_listeners(database: Database) -> None:
    await database.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity "
        "where application_name = 'dwctl listen' and datname = current_database()"
    )


async def test_notices_arrive_in_order(database: Database) -> None:
    heard = Heard()
    async with listening(database, heard):
        for number in range(50):
            await database.execute("select pg_notify('news', $1)", str(number))
        await heard.until(1, [str(number) for number in range(50)])


async def test_a_lost_connection_is_made_again_and_everything_is_read_anew(database: Database) -> None:
    heard = Heard()
    async with listening(database, heard):
        for times in (2, 3):
            await end_listeners(database)
            await heard.until(times, heard.notices)
            await database.execute("select pg_notify('news', $1)", str(times))
            await heard.until(times, [str(number) for number in range(2, times + 1)])


async def test_a_server_that_is_away_at_the_start_is_an_error() -> None:
    listener = Listener("postgresql://127.0.0.1:9/none")
    with pytest.raises(OSError, match="Connect call failed"):
        await listener.start()
