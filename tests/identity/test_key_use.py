"""When keys were used last is written now and then, never backwards, and not lost to a database that is away."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID

from dwctl.core.ids import new_uuid
from dwctl.db.postgres import Database
from dwctl.identity.key_use import KeyUse

DEADLINE = 20.0
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()


async def key(database: Database) -> UUID:
    """A key that was never used, of an account of its own."""
    owner, ident = new_uuid(), new_uuid()
    await database.execute(
        "insert into users (id, username, email) values ($1, $2, $3)",
        owner,
        f"u-{owner}",
        f"{owner}@x.example",
    )
    await database.execute(
        "insert into api_keys (id, secret_hash, secret_prefix, name, purpose, user_id, created_by) "
        "values ($1, $2, 'sk-x', 'k', 'realtime', $3, $3)",
        ident,
        ident.bytes * 2,
        owner,
    )
    return ident


async def last_used(database: Database, ident: UUID) -> float | None:
    """Unix seconds."""
    found: datetime | None = await database.fetch_value("select last_used from api_keys where id = $1", ident)
    return None if found is None else found.timestamp()


async def test_uses_are_written_while_it_runs_and_when_it_stops(database: Database) -> None:
    first, second = await key(database), await key(database)
    used = {str(first): NOON, str(new_uuid()): NOON}
    service = KeyUse(database, used, every=0.01, last_within=DEADLINE)
    async with asyncio.TaskGroup() as group, asyncio.timeout(DEADLINE):
        running = group.create_task(service.run())
        while await last_used(database, first) is None:
            await asyncio.sleep(0.01)
        running.cancel()
    assert (await last_used(database, first), await last_used(database, second)) == (NOON, None)
    used |= {str(first): NOON - 60, str(second): NOON}
    await service.stop()
    assert (await last_used(database, first), await last_used(database, second)) == (NOON, NOON)
    assert used == {}


async def test_what_cannot_be_written_is_kept_and_newer_uses_count(database: Database) -> None:
    ident = await key(database)
    used = {str(ident): NOON}
    service = KeyUse(database, used, last_within=DEADLINE)
    await database.execute("alter table api_keys rename to away")
    await service.stop()
    assert used == {str(ident): NOON}
    used[str(ident)] = NOON + 5
    await database.execute("alter table away rename to api_keys")
    await service.stop()
    assert await last_used(database, ident) == NOON + 5
