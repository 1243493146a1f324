"""Calls that come twice with one key make one call, in one process and in several, whoever dies."""

import asyncio
from uuid import UUID

from dwctl.core.ids import new_uuid
from dwctl.db.postgres import Database
from dwctl.engine.responses.accepting import Acceptance, Made, Order
from dwctl.requests.singles.store import SingleStore, Used
from tests.requests.singles.calls import row, single

DAY = 86_400.0
OWNER = new_uuid()


def order(key: str | None, digest: bytes = b"a", owner: UUID = OWNER) -> Order:
    return Order(single(owner_id=owner), key, digest)


def made_now(found: list[Made]) -> list[UUID | None]:
    """What was made just now."""
    assert all(each.at is not None for each in found)
    return [each.request_id for each in found]


async def count(database: Database) -> int:
    found: int = await database.fetch_value("select count(*) from queue")
    return found


async def test_the_second_gets_the_first(database: Database) -> None:
    acceptance = Acceptance(database, DAY)
    first, second, other = order("k"), order("k"), order("k", b"b")
    assert made_now(await acceptance.accept([first])) == [first.single.id]
    assert await acceptance.accept([second, other]) == [
        Made(first.single.id),
        Made(None),
    ]
    assert await count(database) == 1


async def test_twice_in_one_round(database: Database) -> None:
    orders = [order("k"), order(None), order("k"), order("k", b"b"), order("k", owner=new_uuid())]
    made = await Acceptance(database, DAY).accept(orders)
    ids = [each.single.id for each in orders]
    assert [each.request_id for each in made] == [ids[0], ids[1], ids[0], None, ids[4]]
    assert await count(database) == 3


async def test_many_rounds_at_once_make_one_call_a_key(database: Database) -> None:
    """As processes do: keys in any order, two of them the same, and nobody waits in a circle."""
    acceptances = [Acceptance(database, DAY) for _ in range(4)]
    keys = [str(n) for n in range(10)]
    async with asyncio.TaskGroup() as tasks:
        rounds = [
            tasks.create_task(acceptance.accept([order(key) for key in keys[:: 1 - 2 * (n % 2)]]))
            for n, acceptance in enumerate(acceptances)
        ]
    found = [made.request_id for done in rounds for made in done.result()]
    assert len(found) == 40
    assert len(set(found)) == 10
    assert await count(database) == 10


async def test_a_process_that_dies_before_the_commit_leaves_the_key_free(database: Database) -> None:
    store, used = SingleStore(database), order("k")
    async with database.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        assert await store.use_keys(connection, [used.use], DAY) == {used.single.id}
        await transaction.rollback()
    again = order("k")
    assert made_now(await Acceptance(database, DAY).accept([again])) == [again.single.id]


async def test_an_old_key_is_free_and_is_swept(database: Database) -> None:
    acceptance, store = Acceptance(database, DAY), SingleStore(database)
    first, second = order("k"), order("k", b"b")
    await acceptance.accept([first])
    assert await store.forget_keys(DAY, 10) == 0
    await database.execute("update response_keys set created_at = now() - interval '25 hours'")
    assert made_now(await acceptance.accept([second])) == [second.single.id]
    await database.execute("update response_keys set created_at = now() - interval '25 hours'")
    assert await store.forget_keys(DAY, 10) == 1
    assert (await row(database, first.single.id))["stored"]


async def test_a_key_goes_with_its_response(database: Database) -> None:
    acceptance, store = Acceptance(database, DAY), SingleStore(database)
    first, second = order("k"), order("k", b"b")
    await acceptance.accept([first])
    await store.delete(first.single.id)
    assert made_now(await acceptance.accept([second])) == [second.single.id]
    used = await store.used_keys([second.use])
    assert used == {(OWNER, "k"): Used(OWNER, "k", b"b", second.single.id)}
