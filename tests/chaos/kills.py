"""Ways to kill a product, its database or both, and what is known of each kill."""

import asyncio
import os
import random
import signal
import time
from contextlib import suppress
from pathlib import Path

import asyncpg
import msgspec

from dwctl.db.embedded import EmbeddedPostgres, children_of
from tests.chaos.lines import Lines
from tests.fakes.upstream import UpstreamThread
from tests.server_process import Product

RECOVERS_WITHIN = 60.0
LATEST = 3.0
"""Seconds after its start in which a process is killed that has just been started."""
MOST = 300
"""Lines that it may have run by then: a fast machine leaves some for the kills that follow."""
_AWAY = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)
_COMMITTED = "select coalesce(sum(completed + failed + canceled), 0)::integer from batches"


class Kill(msgspec.Struct, frozen=True):
    """One of them."""

    kind: str
    began: float
    over: float
    """Nothing that ran or was claimed before is sent from then on; both monotonic."""
    open: int
    """Lines that had been sent and were not committed."""

    def explains(self, before: float, again: float) -> bool:
        """Whether what was sent before may have been lost in it, and sent again."""
        return before <= self.over and again >= self.began


class Killer:
    """Kills one product again and again; after each kill it runs again, or recovers by itself."""

    def __init__(
        self, product: Product, upstream: UpstreamThread, lines: Lines, chance: random.Random
    ) -> None:
        self._product = product
        self._upstream = upstream
        self._lines = lines
        self._chance = chance
        self._committed = 0
        self.kills: list[Kill] = []

    async def kill(self, kind: str) -> None:
        """`server`, `database` (all of its processes), `both`, `backend` (one of its processes), or `start`."""
        connection = await connected(self._product.data_dir)
        try:
            self._committed = await connection.fetchval(_COMMITTED)
            began = time.monotonic()
            if kind == "backend":
                os.kill(self._chance.choice(children_of(self._postmaster())), signal.SIGKILL)
                await self._recovered(connection)
                self._note(kind, began)
                return
        finally:
            connection.terminate()
        if kind in ("database", "both"):
            self._kill_database()
        if kind == "database":
            assert self._product.wait_for_end() == 1
        else:
            self._product.kill()
        self._drained()
        self._note(kind, began)
        if kind == "start":
            self._product.begin()
            self._lines.let_run(self._chance.uniform(0.1, LATEST), MOST)
            began = time.monotonic()
            self._product.kill()
            self._drained()
            self._note(kind, began)
        self._product.start_again()

    def _note(self, kind: str, began: float) -> None:
        self.kills.append(Kill(kind, began, time.monotonic(), self._lines.seen - self._committed))

    def _drained(self) -> None:
        """What the dead process had sent has been read."""
        self._upstream.wait_until(
            lambda: not self._upstream.upstream.open_connections, "its connections are gone"
        )

    def _postmaster(self) -> int:
        return int((self._product.data_dir / "postgres" / "postmaster.pid").read_text().split()[0])

    def _kill_database(self) -> None:
        postmaster = self._postmaster()
        for pid in (postmaster, *children_of(postmaster)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    async def _recovered(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        """Wait until every connection was ended, and a new one is possible."""
        async with asyncio.timeout(RECOVERS_WITHIN):
            with suppress(*_AWAY):
                while True:
                    await connection.fetchval("select 1")
            while True:
                with suppress(*_AWAY):
                    again = await connected(self._product.data_dir)
                    await again.close()
                    return


async def connected(home: Path) -> "asyncpg.Connection[asyncpg.Record]":
    """A connection to the product's database, once that has recovered from the kill before."""
    dsn = EmbeddedPostgres(home).running_dsn()
    assert dsn is not None, "the embedded server does not run"
    async with asyncio.timeout(RECOVERS_WITHIN):
        while True:
            with suppress(asyncpg.CannotConnectNowError):
                return await asyncpg.connect(dsn)
