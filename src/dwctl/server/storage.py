"""The database of an installation: embedded or external, opened, migrated, closed again."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec

from dwctl.core.errors import SetupError
from dwctl.core.metrics import Metrics
from dwctl.core.services import Service
from dwctl.db.embedded import EmbeddedPostgres
from dwctl.db.migrations import migrate, unapplied
from dwctl.db.postgres import Database, describe
from dwctl.db.replica import Replica
from dwctl.server.data_directory import read_holder
from dwctl.server.settings import Settings

JOIN_WITHIN = 60.0
LEAST_CONNECTIONS = 40
SPARE_CONNECTIONS = 18


class Storage(msgspec.Struct, frozen=True):
    """An open database and, when it is ours, the server under it."""

    database: Database
    server: Service | None
    """What watches over the embedded server; nothing does over an external one."""
    migrated: tuple[str, ...]

    @property
    def place(self) -> str:
        """For people: where an external database is; nothing for the embedded one."""
        return "" if self.server is not None else f"at {describe(self.database.dsn)}"


class JoinedPostgres:
    """Service: notices that the embedded server which another process runs has ended.

    Wakes twice a second. Writes nothing, so nothing is lost when it dies. The server does not come back under
    this process: whoever starts it next may have newer programs, so the end of the one is that of the other.
    """

    name = "postgres"

    def __init__(self, embedded: EmbeddedPostgres, data_dir: Path) -> None:
        self._embedded = embedded
        self._data_dir = data_dir

    async def start(self) -> None:
        """It runs already: it has been connected to."""

    async def run(self) -> None:
        """Watch; raises when the server is gone."""
        while self._embedded.running_dsn() is not None:
            await asyncio.sleep(0.5)
        raise SetupError(
            f"the process that ran the database of {self._data_dir} has ended, and this one had joined it; "
            "start again without --join"
        )

    async def stop(self) -> None:
        """The server is not ours."""


class Connections:
    """Service: closes the pool once nothing needs it and before the embedded server goes, which a pool would report.

    It does nothing while it runs, so nothing is lost when it dies.
    """

    name = "connections"

    def __init__(self, database: Database) -> None:
        self._database = database

    async def start(self) -> None:
        """The pool is open already: migrations have used it."""

    async def run(self) -> None:
        """Wait for the end."""
        await asyncio.Event().wait()

    async def stop(self) -> None:
        """Give the connections back."""
        await self._database.close()


def external_url(settings: Settings) -> str | None:
    """The address of an external server, if one is configured."""
    if settings.database.type == "embedded":
        return None
    return settings.database.url or settings.database_url


def replica_of(settings: Settings, primary: Database, metrics: Metrics) -> Replica | None:
    """The standby that may be read, if one is configured. The embedded server has none."""
    url = settings.database.replica_url or settings.database_replica_url
    if url is None or external_url(settings) is None:
        return None
    pool = settings.database.replica_pool or settings.database.pool
    return Replica(primary, url, pool, metrics, max_lag=settings.database.replica_max_lag_secs)


def embedded_of(settings: Settings, data_dir: Path) -> EmbeddedPostgres:
    """The embedded server of a data directory."""
    cluster = settings.database.data_dir
    # Each worker has its pool and a connection that listens; some are for people, and for processes that join.
    needed = settings.workers * (settings.database.pool.max_connections + 1) + SPARE_CONNECTIONS
    return EmbeddedPostgres(
        data_dir,
        cluster=Path(cluster) if cluster else None,
        options={"max_connections": str(needed)} if needed > LEAST_CONNECTIONS else None,
    )


@asynccontextmanager
async def open_storage(
    settings: Settings, data_dir: Path, *, join: bool, apply: bool = True
) -> AsyncIterator[Storage]:
    """Start or reach the server, connect, migrate; everything is undone at the end.

    With `join` a server that runs already is used and left running.
    """
    async with AsyncExitStack() as stack:
        server: Service | None = None
        url = external_url(settings)
        if url is None:
            embedded = embedded_of(settings, data_dir)
            if join:
                await _until_joinable(embedded, data_dir)
                server = JoinedPostgres(embedded, data_dir)
            else:
                stack.push_async_callback(embedded.stop)
                await embedded.start()
                server = embedded
            url = embedded.dsn
        database = Database(url, settings.database.pool)
        stack.push_async_callback(database.close)
        await database.open()
        done = await migrate(database) if apply else []
        if not apply:
            await unapplied(database)
        yield Storage(database, server, tuple(done))


async def _until_joinable(embedded: EmbeddedPostgres, data_dir: Path) -> None:
    """Wait for a server that is starting; it makes the database and brings it up to date."""
    deadline = time.monotonic() + JOIN_WITHIN
    while (holder := read_holder(data_dir)) is not None and time.monotonic() < deadline:
        if (holder.serves or not holder.pid) and embedded.running_dsn() is not None:
            return
        await asyncio.sleep(0.05)
    if holder is None:
        raise SetupError(f"nothing runs on {data_dir} that could be joined; start without --join")
    raise SetupError(
        f"process {holder.pid} on {data_dir} ({holder.address}) was not ready to be joined within "
        f"{JOIN_WITHIN:g} s; wait for it or end it"
    )
