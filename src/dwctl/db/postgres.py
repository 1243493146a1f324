"""Connections to PostgreSQL: one pool, plain calls, transactions.

A statement is SQL text with `$1` placeholders. jsonb goes in and out as Python objects through msgspec; uuid as
`uuid.UUID`; numeric as `Decimal`. asyncpg's errors are for the stores: they map constraint names to errors of
`core/errors.py`.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeAlias, TypeVar

import asyncpg
import msgspec
from asyncpg.pool import PoolConnectionProxy

from dwctl.core.errors import SetupError, Unavailable
from dwctl.db.settings import PoolSettings

Connection: TypeAlias = "PoolConnectionProxy[asyncpg.Record]"
Record = asyncpg.Record
T = TypeVar("T")

LEAST_VERSION = 15
CONNECT_WITHIN = 10.0

UNREACHABLE = (OSError, asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError)
"""What an absent or starting server looks like; `asyncpg.InterfaceError` comes from a closed pool."""


class Database:
    """The pool of one database. `open` before use, `close` at the end; then `open` connects to what `dsn` names."""

    def __init__(self, dsn: str, pool: PoolSettings | None = None) -> None:
        self.dsn = dsn
        self._settings = pool or PoolSettings()
        self._pool: asyncpg.Pool[Record] | None = None

    async def open(self) -> None:
        """Connect; raises `SetupError` when the server cannot be reached or is too old."""
        try:
            self._pool = await asyncpg.create_pool(
                self.dsn,
                min_size=max(1, self._settings.min_connections),
                max_size=max(1, self._settings.max_connections),
                max_inactive_connection_lifetime=self._settings.idle_timeout_secs,
                timeout=CONNECT_WITHIN,
                init=set_codecs,
                reset=_nothing_to_reset,
                server_settings={"application_name": "dwctl", "timezone": "UTC"},
            )
            version = await self.fetch_value("show server_version_num")
            encoding = await self.fetch_value("show server_encoding")
        except (*UNREACHABLE, TimeoutError, asyncpg.PostgresError, ValueError) as error:
            await self.close()
            raise SetupError(_why_unreachable(self.dsn, error)) from error
        try:
            require_version(int(version))
            require_encoding(encoding)
        except SetupError:
            await self.close()
            raise

    async def close(self) -> None:
        """Give connections back; running statements get a moment to end."""
        pool, self._pool = self._pool, None
        if pool is not None:
            try:
                async with asyncio.timeout(5):
                    await pool.close()
            except TimeoutError:
                pool.terminate()

    def give_up(self) -> None:
        """It does not answer and we are about to end: cut every connection, so that nothing waits for it any more."""
        if self._pool is not None:
            self._pool.terminate()

    @property
    def pool(self) -> "asyncpg.Pool[Record]":
        """The open pool."""
        if self._pool is None:
            raise Unavailable("the database is not connected")
        return self._pool

    def acquire(self) -> AbstractAsyncContextManager[Connection]:
        """A connection for several statements outside of a transaction."""
        return self.pool.acquire(timeout=self._settings.acquire_timeout_secs)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A connection inside one transaction: commits at the end, rolls back on an exception."""
        async with self.acquire() as connection, connection.transaction():
            yield connection

    async def read(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Several statements in one transaction."""
        async with self.transaction() as connection:
            return await work(connection)

    async def fetch(self, sql: str, *args: object) -> list[Record]:
        """All rows."""
        async with self.acquire() as connection:
            return await connection.fetch(sql, *args)

    async def fetch_row(self, sql: str, *args: object) -> Record | None:
        """The first row."""
        async with self.acquire() as connection:
            return await connection.fetchrow(sql, *args)

    async def fetch_value(self, sql: str, *args: object) -> Any:
        """The first column of the first row."""
        async with self.acquire() as connection:
            return await connection.fetchval(sql, *args)

    async def execute(self, sql: str, *args: object) -> str:
        """Run a statement; gives PostgreSQL's tag such as `UPDATE 1`."""
        async with self.acquire() as connection:
            return await connection.execute(sql, *args)

    async def execute_many(self, sql: str, args: Sequence[Sequence[object]]) -> None:
        """Run a statement for each tuple of arguments, in one round trip and one transaction."""
        async with self.acquire() as connection:
            await connection.executemany(sql, args)


async def _nothing_to_reset(_connection: object) -> None:
    """In place of asyncpg's reset statement, a round trip for each use of a connection.

    Statements change a session within their transaction only; one left open is rolled back by asyncpg all the same.
    """


async def set_codecs(connection: Any) -> None:
    """jsonb and json as Python objects."""
    encoder = msgspec.json.Encoder(decimal_format="number")
    decoder = msgspec.json.Decoder()
    for name in ("json", "jsonb"):
        await connection.set_type_codec(
            name,
            schema="pg_catalog",
            encoder=lambda value: encoder.encode(value).decode(),
            decoder=decoder.decode,
        )


def require_version(number: int) -> None:
    """Refuse a server that is too old; `number` is PostgreSQL's `server_version_num`, such as 150018."""
    major = number // 10_000
    if major < LEAST_VERSION:
        raise SetupError(
            f"the PostgreSQL server has version {major}; dwctl needs {LEAST_VERSION} or newer. "
            "Upgrade it, or leave database.url unset to use the embedded server."
        )


def require_encoding(encoding: str) -> None:
    """Refuse a database that cannot store every text that a call may carry."""
    if encoding != "UTF8":
        raise SetupError(
            f"the database has the encoding {encoding}; dwctl needs UTF8. Make another one with: "
            "create database NAME encoding 'UTF8' template template0"
        )


def _why_unreachable(dsn: str, error: Exception) -> str:
    where = describe(dsn)
    if isinstance(error, asyncpg.InvalidPasswordError | asyncpg.InvalidAuthorizationSpecificationError):
        return f"PostgreSQL at {where} refuses the user or password of database.url."
    if isinstance(error, asyncpg.InvalidCatalogNameError):
        return f"PostgreSQL at {where} has no such database; create it: {error}"
    if isinstance(error, ValueError):
        return "database.url cannot be read; it looks like postgresql://user:password@host:5432/name"
    return (
        f"PostgreSQL at {where} cannot be reached: {reason_of(error)}. Check that it runs, and "
        "host and port in database.url or DATABASE_URL; unset them to use the embedded server."
    )


def reason_of(error: BaseException) -> str:
    """What to tell of a database that is away; a limit of time has no words of its own."""
    if isinstance(error, TimeoutError):
        return str(error) or "it does not answer in time"
    return str(error) or type(error).__name__


def describe(dsn: str) -> str:
    """Host and port of a connection string, never its password, be the string as odd as it may."""
    place = dsn.partition("://")[2].partition("#")[0].partition("?")[0]
    if "@" in dsn and "@" not in place:
        # A password with a question mark that is not quoted: where it ends is anyone's guess.
        return "the configured address"
    return place.rpartition("@")[2] or "the configured address"
