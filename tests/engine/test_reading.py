"""Which reads of files, batches and calls are a standby's: those of what has long been so, and lists."""

from datetime import timedelta
from uuid import UUID

from dwctl.control.requests.store import RequestLog
from dwctl.control.requests.store import Wanted as WantedCalls
from dwctl.core.clock import SystemClock
from dwctl.core.ids import new_uuid
from dwctl.db.replica import SETTLED
from dwctl.engine.batches.store import BatchStore
from dwctl.engine.batches.store import Wanted as WantedBatches
from dwctl.engine.files.store import FileStore, Wanted
from dwctl.requests.record import State
from tests.engine.works import Works
from tests.gateway.house import model
from tests.replicas import Pair


async def uploaded(store: FileStore) -> UUID:
    """A file that is there."""
    file_id, owner = new_uuid(), new_uuid()
    await store.begin(file_id, "a.txt", owner_id=owner, creator_id=owner, key_id=None, daemon_id=new_uuid())
    await store.finish(file_id, purpose="user_data", size=0, lines=0, models={}, expires_in=None)
    return file_id


DONE = """
    insert into requests (
        id, state, status_code, created_at, completed_at, owner_id, creator_id, path, model, purpose, origin,
        service_tier, batch_id, line, position
    )
    select first_id, 4, 200, now(), now(), owner_id, creator_id, endpoint, 'm', 'batch', 'batch', 'default', id, 0, 1
    from batches where id = $1
"""


async def done(works: Works) -> UUID:
    """A batch whose only line is done; its end is told by each test."""
    batch = await works.batch(await works.account(), 1)
    await works.database.execute("select ensure_request_partitions(current_date - 1, 3)")
    await works.database.execute(DONE, batch)
    await works.database.execute(
        "update batches set completed = 1, populated = 1, started_at = now() where id = $1", batch
    )
    return batch


async def test_outcomes_of_what_ended_long_ago_are_the_standbys(pair: Pair) -> None:
    works = Works(pair.primary, model("m"))
    batch = await done(works)
    files, batches = FileStore(pair.primary, pair.reading), BatchStore(pair.primary, pair.reading)
    end = "update batches set completed_at = now() - $2::interval where id = $1"
    await pair.primary.execute(end, batch, SETTLED + timedelta(seconds=30))
    await pair.caught_up()
    await pair.pause()
    # Only the primary sees them go.
    await pair.primary.execute("delete from requests where batch_id = $1", batch)

    async def outcomes() -> int:
        source = await files.outcomes(batch)
        assert source is not None
        return len(await files.outcome_page(source, State.COMPLETED, 0, 1, None))

    async def results() -> list[UUID | None]:
        row = await batches.get(batch, None)
        assert row is not None
        found = await batches.results(row, range(1), search=None, statuses=None, most=10, most_bytes=1000)
        return [each.id for each in found]

    assert await outcomes() == 1
    assert await results() != [None]
    await pair.primary.execute(end, batch, timedelta(0))
    assert await outcomes() == 0
    assert await results() == [None]
    await pair.primary.execute("update batches set completed_at = null where id = $1", batch)
    assert await outcomes() == 0
    await pair.pause("pg_wal_replay_resume")


async def test_lists_of_batches_and_calls_may_lag(pair: Pair) -> None:
    works = Works(pair.primary, model("m"))
    store = BatchStore(pair.primary, pair.reading)
    log = RequestLog(pair.primary, SystemClock(), reading=pair.reading)
    old = await done(works)
    await pair.caught_up()
    await pair.pause()
    new = await done(works)
    assert [row.id for row in await store.page(WantedBatches(), None, 1)] == [old]
    assert await store.get(new, None) is not None
    found = await log.find(WantedCalls(batch=old), 10)
    assert len(found.ids) == 1
    assert len(await log.describe(found.ids)) == 1
    assert (await log.find(WantedCalls(batch=new), 10)).ids == []
    ident = await pair.primary.fetch_value("select id from requests where batch_id = $1", new)
    assert await log.describe([ident]) == []
    assert await log.one(ident) is not None
    await pair.pause("pg_wal_replay_resume")


async def test_a_list_may_lag_and_a_file_by_its_id_may_not(pair: Pair) -> None:
    store = FileStore(pair.primary, pair.reading)
    old = await uploaded(store)
    await pair.caught_up()
    await pair.pause()
    new = await uploaded(store)
    assert [row.id for row in await store.page(Wanted(), 1)] == [old]
    assert await store.get(new, None) is not None
    assert await store.exists(new, None)
    # Behind one that the standby does not have.
    assert [row.id for row in await store.page(Wanted(after=new), 1)] == [old]
    await pair.pause("pg_wal_replay_resume")
