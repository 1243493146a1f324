"""Migrations apply once, refuse what they must, and leave nothing hanging."""

import asyncio

import asyncpg
import pytest

from dwctl.core.errors import SetupError
from dwctl.db.migrations import Migration, load, migrate, pending, unapplied
from dwctl.db.postgres import Database


def one(number: int, sql: str) -> Migration:
    return Migration(number, f"{number:04d}_x.sql", sql)


async def test_a_migrated_database_has_nothing_to_apply(database: Database) -> None:
    assert await migrate(database) == []
    assert await unapplied(database) == []


def test_numbers_are_gapless_from_one() -> None:
    assert [migration.number for migration in load()] == list(range(1, len(load()) + 1))


async def test_a_failing_migration_leaves_nothing_and_frees_the_lock(database: Database) -> None:
    known = [*load(), one(900, "create table half (a int); select broken")]
    with pytest.raises(SetupError, match=r"0900_x\.sql failed"):
        await migrate(database, known)
    assert await database.fetch_value("select to_regclass('half')") is None
    mended = [*load(), one(900, "create table half (a int)")]
    assert await asyncio.wait_for(migrate(database, mended), 5) == ["0900_x.sql"]


async def test_two_processes_apply_each_migration_once(database: Database) -> None:
    known = [*load(), one(901, "create table once_only (a int)")]
    other = Database(database.dsn)
    await other.open()
    try:
        async with asyncio.TaskGroup() as group:
            results = [group.create_task(migrate(db, known)) for db in (database, other)]
    finally:
        await other.close()
    assert sorted(len(result.result()) for result in results) == [0, 1]


def test_a_newer_schema_is_refused() -> None:
    with pytest.raises(SetupError, match="newer dwctl"):
        pending([one(1, "a")], {1: ("0001_x.sql", one(1, "a").checksum), 2: ("0002_y.sql", "c")})


def test_changed_content_is_refused() -> None:
    with pytest.raises(SetupError, match="other content"):
        pending([one(1, "a")], {1: ("0001_x.sql", "0" * 64)})


async def test_notices_name_what_changed_and_no_op_updates_are_silent(database: Database) -> None:
    heard: list[str] = []
    connection = await asyncpg.connect(database.dsn)
    try:
        await connection.add_listener("routing", lambda *args: heard.append(str(args[3])))
        nil = "00000000-0000-0000-0000-000000000000"
        await database.execute("update users set last_login = now() where id = $1", nil)
        await database.execute("update users set deleted_at = now() where id = $1", nil)
        await database.execute(
            "insert into endpoints (id, name, url, created_by) "
            "select gen_random_uuid(), 'e' || i, 'http://x/', $1 from generate_series(1, 101) i",
            nil,
        )
        async with asyncio.timeout(5):
            while len(heard) < 2:
                await asyncio.sleep(0.01)
    finally:
        await connection.close()
    assert heard == [f"users:{nil}", "endpoints:*"]
