"""Numbered SQL files, each applied once, in order, in a transaction of its own.

A session advisory lock keeps two processes from migrating at once; PostgreSQL frees it when the session ends,
however that happens. A process killed in the middle leaves the files before the current one applied and the
current one rolled back: the next start goes on from there. A file that was applied with other content, and a
schema with numbers that this program does not know, are refused.
"""

import hashlib
import re
from importlib import resources

import asyncpg
import msgspec

from dwctl.core.errors import SetupError
from dwctl.db.postgres import Connection, Database

LOCK = 0x64776374_6C000001
"""Advisory lock of migrations ("dwctl" in ASCII and a number)."""
_FILE = re.compile(r"^(\d{4})_[a-z0-9_]+\.sql$")

_TABLE = """
create table if not exists schema_migrations (
    number integer primary key,
    name text not null,
    checksum text not null,
    applied_at timestamptz not null default now()
)
"""
_GRANT = (
    "Make that user its owner (alter database NAME owner to USER), or grant it create on the schema public."
)


class Migration(msgspec.Struct, frozen=True):
    """One numbered file."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the text, in hexadecimal."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def load() -> list[Migration]:
    """The program's migrations in order."""
    folder = resources.files("dwctl.db").joinpath("migrations")
    found = [
        Migration(int(match[1]), file.name, file.read_text(encoding="utf-8"))
        for file in folder.iterdir()
        if (match := _FILE.match(file.name))
    ]
    return sorted(found, key=lambda migration: migration.number)


def pending(known: list[Migration], applied: dict[int, tuple[str, str]]) -> list[Migration]:
    """What is still to be applied; `applied` is (name, checksum) by number. Pure."""
    numbers = {migration.number for migration in known}
    newer = sorted(set(applied) - numbers)
    if newer:
        raise SetupError(
            f"the database was migrated by a newer dwctl (it has {applied[newer[-1]][0]}). "
            "Start that version or a newer one; this one would damage it."
        )
    for migration in known:
        before = applied.get(migration.number)
        if before is not None and before[1] != migration.checksum:
            raise SetupError(
                f"migration {migration.name} was applied with other content than this program has. "
                "Install the version that made the database, then upgrade by releases."
            )
    return [migration for migration in known if migration.number not in applied]


async def migrate(database: Database, migrations: list[Migration] | None = None) -> list[str]:
    """Bring the schema up to date; gives the names of what was applied now."""
    known = load() if migrations is None else migrations
    async with database.acquire() as connection:
        await connection.execute("select pg_advisory_lock($1)", LOCK)
        try:
            await _make_table(connection)
            todo = pending(known, await _applied(connection))
            for migration in todo:
                await _apply(connection, migration)
            return [migration.name for migration in todo]
        finally:
            if not connection.is_closed():
                await connection.execute("select pg_advisory_unlock($1)", LOCK)


async def unapplied(database: Database) -> list[str]:
    """Names of migrations that the database lacks; changes nothing."""
    async with database.acquire() as connection:
        there = await connection.fetchval("select to_regclass('schema_migrations') is not null")
        applied = await _applied(connection) if there else {}
        return [migration.name for migration in pending(load(), applied)]


async def _make_table(connection: Connection) -> None:
    try:
        await connection.execute(_TABLE)
    except asyncpg.InsufficientPrivilegeError as error:
        raise SetupError(f"the database cannot be set up: {error}. {_GRANT}") from error


async def require_create(database: Database) -> None:
    """Refuse a database in which our user may not make tables; changes nothing."""
    if not await database.fetch_value("select has_schema_privilege(current_schema(), 'create')"):
        raise SetupError(f"the user of database.url may not make tables in this database. {_GRANT}")


async def _applied(connection: Connection) -> dict[int, tuple[str, str]]:
    rows = await connection.fetch("select number, name, checksum from schema_migrations")
    return {row["number"]: (row["name"], row["checksum"]) for row in rows}


async def _apply(connection: Connection, migration: Migration) -> None:
    try:
        async with connection.transaction():
            await connection.execute(migration.sql)
            await connection.execute(
                "insert into schema_migrations (number, name, checksum) values ($1, $2, $3)",
                migration.number,
                migration.name,
                migration.checksum,
            )
    except asyncpg.PostgresError as error:
        raise SetupError(f"migration {migration.name} failed: {error}") from error
