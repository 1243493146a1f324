"""Leases: one holder at a time, until it lets go or falls silent."""

import asyncio

from dwctl.core.ids import new_uuid
from dwctl.db.lease import Lease
from dwctl.db.postgres import Database


async def test_one_holder_until_it_lets_go(database: Database) -> None:
    mine = Lease(database, "work", new_uuid(), 60)
    other = Lease(database, "work", new_uuid(), 60)
    elsewhere = Lease(database, "other work", new_uuid(), 60)
    assert await mine.take()
    assert await mine.take()
    assert not await other.take()
    assert await elsewhere.take()
    await other.release()
    assert not await other.take()
    await mine.release()
    assert await other.take()
    assert not await mine.take()


async def test_who_falls_silent_loses_it(database: Database) -> None:
    silent = Lease(database, "work", new_uuid(), -1)
    other = Lease(database, "work", new_uuid(), 60)
    assert await silent.take()
    assert await other.take()
    assert not await silent.take()


async def test_many_who_ask_at_once_get_one_holder(database: Database) -> None:
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(Lease(database, "work", new_uuid(), 60).take()) for _ in range(20)]
    assert sum(task.result() for task in asked) == 1
