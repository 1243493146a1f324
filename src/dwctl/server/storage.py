"""The database of an installation: embedded or external, opened, migrated, closed again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec

from dwctl.core.errors import SetupError
from dwctl.db.embedded import EmbeddedPostgres
from dwctl.db.migrations import migrate, unapplied
from dwctl.db.postgres import Database, describe
from dwctl.server.settings import Settings


class Storage(msgspec.Struct, frozen=True):
    """An open database and, when it is ours, the server under it."""

    database: Database
    embedded: EmbeddedPostgres | None
    migrated: tuple[str, ...]

    @property
    def described(self) -> str:
        """For people: where an external database is; nothing for the embedded one."""
        return "" if self.embedded is not None else f"PostgreSQL at {describe(self.database.dsn)}"


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


def embedded_of(settings: Settings, data_dir: Path) -> EmbeddedPostgres:
    """The embedded server of a data directory."""
    cluster = settings.database.data_dir
    return EmbeddedPostgres(data_dir, cluster=Path(cluster) if cluster else None)


@asynccontextmanager
async def open_storage(
    settings: Settings, data_dir: Path, *, join: bool, apply: bool = True
) -> AsyncIterator[Storage]:
    """Start or reach the server, connect, migrate; everything is undone at the end.

    With `join` a server that runs already is used and left running.
    """
    async with AsyncExitStack() as stack:
        embedded: EmbeddedPostgres | None = None
        url = external_url(settings)
        if url is None:
            embedded = embedded_of(settings, data_dir)
            url = embedded.running_dsn() if join else None
            if url is None:
                if join and apply:
                    raise SetupError(f"nothing runs on {data_dir} that could be joined; start without --join")
                await embedded.start()
                stack.push_async_callback(embedded.stop)
                url = embedded.dsn
            else:
                embedded = None
        database = Database(url, settings.database.pool)
        await database.open()
        stack.push_async_callback(database.close)
        done = await migrate(database) if apply else []
        if not apply:
            await unapplied(database)
        yield Storage(database, embedded, tuple(done))
