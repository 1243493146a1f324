"""Every interleaving of the beginning of a response (C) and its end (K), by name (spec/responses §1.6).

Where one has to stop in the middle of the other, a lock on what it needs next holds it there. However they meet, there
is one row, with the first end that came; what has ended stays as it is.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import pytest

from dwctl.core.ids import new_uuid
from dwctl.db.postgres import Connection, Database
from dwctl.requests.queue.store import QueueStore
from dwctl.requests.record import State
from dwctl.requests.responses import StorageError, complete_response_idempotent, fail_response, request_exists
from dwctl.requests.singles.store import SingleStore
from dwctl.requests.store import RequestStore, StoredRequest
from tests.replicas import Pair
from tests.requests.test_responses import ANSWER, add_key, context, single

OTHER = '{"choices":[{"message":{"content":"late"}}]}'


class Race:
    """One id, and the two who want its row."""

    def __init__(self, database: Database) -> None:
        self.id = new_uuid()
        self.database = database
        self.requests = RequestStore(database)

    async def create(self, state: State = State.PROCESSING) -> bool:
        """C; whether it made the row."""
        return await self.requests.create_single_request_batch(single(self.id, state))

    async def complete(self, answer: str = ANSWER, api_key: str | None = None) -> None:
        """K."""
        await complete_response_idempotent(
            self.requests, f"resp_{self.id}", answer, 200, context(self.id, api_key)
        )

    async def row(self) -> StoredRequest:
        """The only one."""
        assert await self.database.fetch_value("select count(*) from requests where id = $1", self.id) == 1
        return await self.requests.get_request_detail(self.id)

    async def ended(self, answer: str = ANSWER) -> StoredRequest:
        """The row, completed with this answer."""
        row = await self.row()
        assert (row.state, row.status_code, row.response) == (State.COMPLETED, 200, answer.encode())
        return row

    async def waiting(self, count: int = 1) -> None:
        """Until so many wait for a lock here."""
        async with asyncio.timeout(20):
            while (
                await self.database.fetch_value(
                    """select count(*) from pg_stat_activity
                    where datname = current_database() and wait_event_type = 'Lock'"""
                )
                < count
            ):
                pass

    @asynccontextmanager
    async def nobody_reads_keys(self) -> AsyncIterator[None]:
        """K stops behind its first look, before it makes the row."""
        async with self.database.transaction() as connection:
            await connection.execute("lock table api_keys in access exclusive mode")
            yield

    @asynccontextmanager
    async def nobody_writes_bodies(self) -> AsyncIterator[None]:
        """Whoever makes or ends the row stops when it has written it, before the commit."""
        async with self.database.acquire() as connection:
            held = connection.transaction()
            await held.start()
            await self._hold_body(connection)
            try:
                yield
            finally:
                await held.rollback()

    async def _hold_body(self, connection: Connection) -> None:
        sql = "insert into contents (id, request) values ($1, '') on conflict (id) do update set id = excluded.id"
        await connection.execute(sql, self.id)


@pytest.fixture
def race(database: Database) -> Race:
    return Race(database)


async def test_c_inserts_then_k_updates(race: Race) -> None:
    assert await race.create()
    before = await race.row()
    await race.complete()
    after = await race.ended()
    # It is C's row, not another one.
    assert (after.owner_id, after.batch_id, after.background) == (before.owner_id, before.batch_id, True)


async def test_k_first_and_c_later(race: Race) -> None:
    secret, user = await add_key(race.database)
    await race.complete(api_key=secret)
    made = await race.ended()
    assert (made.owner_id, made.background) == (user, False)
    assert await request_exists(race.requests, race.id)
    assert not await race.create()
    assert await race.row() == made


async def test_ks_update_misses_c_inserts_k_inserts(race: Race) -> None:
    secret, user = await add_key(race.database)
    async with asyncio.TaskGroup() as tasks, race.nobody_reads_keys():
        tasks.create_task(race.complete(api_key=secret))
        await race.waiting()
        assert await race.create()
    row = await race.ended()
    assert row.owner_id != user
    assert row.background


async def test_ks_update_misses_c_inserts_and_it_fails_k_inserts(race: Race) -> None:
    secret, _ = await add_key(race.database)
    async with asyncio.TaskGroup() as tasks, race.nobody_reads_keys():
        tasks.create_task(race.complete(api_key=secret))
        await race.waiting()
        assert await race.create()
        await fail_response(race.requests, str(race.id), "no", 503)
    row = await race.row()
    assert (row.state, row.status_code) == (State.FAILED, 503)


async def test_ks_update_misses_it_is_queued_k_inserts(race: Race) -> None:
    secret, _ = await add_key(race.database)
    async with asyncio.TaskGroup() as tasks, race.nobody_reads_keys():
        completing = tasks.create_task(_refused(race, secret))
        await race.waiting()
        assert await race.create(State.PENDING)
    assert completing.done()
    assert (await race.row()).state == State.PENDING


async def _refused(race: Race, secret: str) -> None:
    with pytest.raises(StorageError, match=r"Failed to complete after create: .* is pending"):
        await race.complete(api_key=secret)


async def test_c_looks_before_k_inserts_and_inserts_behind_it(race: Race) -> None:
    assert not await request_exists(race.requests, race.id)
    await race.complete()
    made = await race.ended()
    assert not await race.create()
    assert await request_exists(race.requests, race.id)
    assert await race.row() == made


async def test_c_inserts_while_ks_row_is_not_committed(race: Race) -> None:
    async with asyncio.TaskGroup() as tasks, race.nobody_writes_bodies():
        tasks.create_task(race.complete())
        await race.waiting()
        creating = tasks.create_task(race.create())
        await race.waiting(2)
    assert not creating.result()
    await race.ended()


async def test_k_inserts_while_cs_row_is_not_committed(race: Race) -> None:
    async with asyncio.TaskGroup() as tasks, race.nobody_writes_bodies():
        creating = tasks.create_task(race.create())
        await race.waiting()
        tasks.create_task(race.complete())
        await race.waiting(2)
    assert creating.result()
    assert (await race.ended()).background


async def test_c_looks_at_a_stale_replica(pair: Pair) -> None:
    race = Race(pair.primary)
    await pair.caught_up()
    await pair.pause()
    await race.complete()
    async with pair.beside() as standby:
        stale = RequestStore(standby)
        assert not await request_exists(stale, race.id)
        # What decides is the primary key: C makes nothing, and needs no second look.
        assert not await race.create()
        assert not await request_exists(stale, race.id)
    await race.ended()


async def test_k_twice(race: Race) -> None:
    await race.create()
    await race.complete()
    await race.complete(OTHER)
    await race.ended()


async def test_k_twice_at_once(race: Race) -> None:
    await race.create()
    async with asyncio.TaskGroup() as tasks, race.nobody_writes_bodies():
        tasks.create_task(race.complete())
        await race.waiting()
        tasks.create_task(race.complete(OTHER))
        await race.waiting(2)
    await race.ended()


async def test_k_twice_at_once_without_c(race: Race) -> None:
    """The second one finds nothing as well; the first one's row is not committed when it inserts."""
    async with asyncio.TaskGroup() as tasks, race.nobody_writes_bodies():
        tasks.create_task(race.complete())
        await race.waiting()
        tasks.create_task(race.complete(OTHER))
        await race.waiting(2)
    assert (await race.row()).response in (ANSWER.encode(), OTHER.encode())
    assert (await race.row()).state == State.COMPLETED


async def test_k_comes_to_a_row_that_failed(race: Race) -> None:
    await race.create()
    await fail_response(race.requests, str(race.id), "Upstream returned 503: no", 503)
    before = await race.row()
    await race.complete()
    assert await race.row() == before


async def test_k_comes_while_it_fails(race: Race) -> None:
    await race.create()
    async with asyncio.TaskGroup() as tasks, race.database.transaction() as connection:
        # Whoever ends the row first has it.
        await connection.execute("select from requests where id = $1 for update", race.id)
        tasks.create_task(fail_response(race.requests, str(race.id), "no", 503))
        await race.waiting()
        tasks.create_task(race.complete())
        await race.waiting(2)
    row = await race.row()
    assert (row.state, row.status_code) == (State.FAILED, 503)


async def test_k_comes_to_a_row_that_was_cancelled(race: Race) -> None:
    await race.create(State.PENDING)
    assert await SingleStore(race.database).cancel(race.id) == "ended"
    await race.complete()
    row = await race.row()
    assert (row.state, row.response) == (State.CANCELED, None)


@pytest.mark.parametrize("standing", ["pending", "claimed", "rescued"])
async def test_k_comes_to_a_row_that_the_queue_has(race: Race, standing: str) -> None:
    await race.create(State.PENDING)
    queue, holder = QueueStore(race.database), new_uuid()
    if standing != "pending":
        assert await claim(queue, holder) == [race.id]
    if standing == "rescued":
        assert await queue.rescue(holder, 10) == 1
    before = await race.row()
    with pytest.raises(StorageError, match=r"Failed to complete request: .* is pending"):
        await race.complete()
    assert await race.row() == before
    # Whoever runs it next is not kept from it.
    if standing != "claimed":
        assert await claim(queue, holder) == [race.id]


async def claim(queue: QueueStore, holder: UUID) -> list[UUID]:
    """What a worker claims."""
    lanes = await queue.lanes()
    return [each.id for each in await queue.claim(holder, {lane.id: 5 for lane in lanes})]
