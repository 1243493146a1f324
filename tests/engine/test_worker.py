"""Batches run by real engines: what is sent, what is written, and what happens when things go wrong."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from dwctl.core.ids import new_uuid
from dwctl.db.postgres import Database
from dwctl.engine.worker_settings import BatchDaemonSettings, Escalation
from dwctl.requests.queue.lines import line_of
from dwctl.requests.record import State
from dwctl.routing.snapshot import Model
from tests.engine.works import QUICK, Works
from tests.fakes import shapes
from tests.fakes.answers import HANG, Answer, json_reply
from tests.fakes.incoming import Request
from tests.fakes.upstream import FakeUpstream
from tests.gateway.house import model, target

GOOD = json_reply(shapes.chat_completion("fake-model", "Hello.", prompt=9, completion=5))


def failing(status: int, **headers: str) -> Answer:
    """An error of the model server."""
    return json_reply({"error": {"message": "no"}}, status=status, headers=tuple(headers.items()))


def plain(upstream: FakeUpstream, alias: str = "m", **more: Any) -> Model:
    """A model on the fake server."""
    return msgspec.structs.replace(model(alias, target(upstream.url, alias)), **more)


def seen(upstream: FakeUpstream) -> list[str]:
    """Which lines came, as often as they came."""
    return sorted(request.json()["user"] for request in upstream.posts)


async def settled(works: Works) -> int:
    """Rows that are left in the queue."""
    count: int = await works.database.fetch_value("select count(*) from queue")
    return count


async def test_a_batch_runs_through(database: Database, upstream: FakeUpstream) -> None:
    upstream.respond = lambda _: GOOD
    works = Works(database, plain(upstream), plain(upstream, "n"))
    account = await works.account()
    async with works.process() as process:
        batch_id = await works.batch(account, 60)
        row = await works.ended(batch_id)
        assert process.engine.stats() == {
            "requests_processed": 60, "requests_failed": 0, "requests_in_flight": 0
        }  # fmt: skip
        # Not through the spool.
        assert process.house.ledger.started == process.house.ledger.finished == []
    assert seen(upstream) == sorted(f"{batch_id}/{n}" for n in range(60))
    assert (row["completed"], row["failed"], row["completed_at"] is None) == (60, 0, False)
    assert (row["prompt_tokens"], row["completion_tokens"], row["total_tokens"]) == (540, 300, 840)
    rows = await works.requests(batch_id)
    assert sorted(each["position"] for each in rows) == list(range(1, 61))
    assert {(each["state"], each["attempt"], each["key_id"]) for each in rows} == {(4, 1, account.key_id)}
    lines = [line_of(each["id"], each["custom_id"], 4, 200, each["response"], None, None) for each in rows]
    assert row["output_bytes"] == sum(map(len, lines)) == sum(each["size"] for each in rows)
    shown = msgspec.json.decode(lines[7])
    assert (shown["custom_id"], shown["response"]["body"]["id"]) == ("line-7", f"resp_{rows[7]['id']}")
    assert await settled(works) == 0


async def test_no_more_than_a_model_takes(database: Database, upstream: FakeUpstream) -> None:
    upstream.push(*[HANG] * 3)
    upstream.respond = lambda _: GOOD
    works = Works(database, plain(upstream, batch_capacity=3))
    account = await works.account()
    async with works.process() as process:
        batch_id = await works.batch(account, 10)
        await works.until(lambda: len(upstream.posts) == 3, "three are under way")
        held = await database.fetch_value("select count(*) from queue where holder = $1", process.id)
        assert held == process.engine.worker.in_flight == 3
        more = {"m": msgspec.structs.replace(works.models[0], batch_capacity=8)}
        process.routing.snapshot = msgspec.structs.replace(process.routing.snapshot, models=more)
        await works.until(lambda: len(upstream.posts) == 10, "with more room the others run beside them")
        await works.cancel(batch_id)
        row = await works.ended(batch_id)
    assert (row["completed"], row["canceled"]) == (7, 3)
    assert row["cancelled_at"] is not None
    states = [each["state"] for each in await works.requests(batch_id)]
    assert (states.count(State.COMPLETED), states.count(State.CANCELED)) == (7, 3)


async def test_failures_that_may_pass_are_tried_again(database: Database, upstream: FakeUpstream) -> None:
    upstream.push(failing(500), failing(503), GOOD)
    works = Works(database, plain(upstream))
    account = await works.account()
    async with works.process():
        batch_id = await works.batch(account, 1)
        row = await works.ended(batch_id)
    (request,) = await works.requests(batch_id)
    assert (request["state"], request["attempt"], request["status_code"]) == (State.COMPLETED, 3, 200)
    assert len(upstream.posts) == 3
    tries = await database.fetch(
        "select attempt, status_code, daemon_id is null from attempts order by attempt"
    )
    assert [tuple(each.values()) for each in tries] == [(1, 500, False), (2, 503, False)]
    assert (row["completed"], row["failed"]) == (1, 0)


async def test_failures_of_the_request_itself_are_final(database: Database, upstream: FakeUpstream) -> None:
    upstream.push(failing(400), failing(422))
    works = Works(database, plain(upstream))
    account = await works.account()
    async with works.process():
        batch_id = await works.batch(account, 2)
        row = await works.ended(batch_id)
    rows = await works.requests(batch_id)
    assert sorted((each["state"], each["attempt"], each["status_code"]) for each in rows) == [
        (State.FAILED, 1, 400), (State.FAILED, 1, 422)
    ]  # fmt: skip
    assert (row["failed"], row["failed_at"] is None) == (2, False)
    assert row["error_bytes"] == sum(each["size"] for each in rows) > 0
    assert sorted(each["position"] for each in rows) == [1, 2]


@pytest.mark.parametrize(
    ("settings", "most"),
    [
        (msgspec.structs.replace(QUICK, max_retries=2), 3),
        (msgspec.structs.replace(QUICK, max_retries=None, stop_before_deadline_ms=500), 200),
    ],
)
async def test_trying_again_ends(
    database: Database, upstream: FakeUpstream, settings: BatchDaemonSettings, most: int
) -> None:
    upstream.respond = lambda _: failing(429)
    works = Works(database, plain(upstream))
    account = await works.account()
    async with works.process(settings):
        batch_id = await works.batch(account, 1, window=timedelta(seconds=2))
        row = await works.ended(batch_id)
    (request,) = await works.requests(batch_id)
    assert (request["state"], request["status_code"]) == (State.FAILED, 429)
    assert request["attempt"] == len(upstream.posts)
    assert 3 <= len(upstream.posts) <= most
    assert row["failed_at"] < row["expires_at"]


async def test_a_server_that_says_when_is_not_asked_sooner(
    database: Database, upstream: FakeUpstream
) -> None:
    upstream.push(failing(429, **{"Retry-After": "600"}))
    works = Works(database, plain(upstream))
    account = await works.account()
    async with works.process():
        batch_id = await works.batch(account, 1)
        await works.until(lambda: _waits(works), "it waits")
        (request,) = await works.requests(batch_id)
    wait = await database.fetch_value("select extract(epoch from not_before - now())::float from queue")
    assert 590 < wait < 601
    assert (request["state"], request["attempt"], request["daemon_id"]) == (State.PENDING, 2, None)


async def _waits(works: Works) -> bool:
    return bool(await works.database.fetch_value("select count(*) from queue where not_before is not null"))


async def test_what_goes_upstream(database: Database, upstream: FakeUpstream) -> None:
    upstream.respond = lambda _: GOOD
    settings = msgspec.structs.replace(
        QUICK,
        inject_deadline_priority=True,
        batch_metadata_fields=("id", "completion_window", "team", "none"),
    )
    works = Works(database, plain(upstream))
    account = await works.account()
    async with works.process(settings):
        batch_id = await works.batch(account, 1, metadata={"team": "blue"})
        row = await works.ended(batch_id)
    (request,), (kept,) = upstream.posts, await works.requests(batch_id)
    assert request.header("x-fusillade-batch-id") == str(batch_id)
    assert request.header("x-fusillade-batch-completion-window") == "86400s"
    assert request.header("x-fusillade-batch-team") == "blue"
    assert request.header("x-fusillade-batch-none") is None
    assert request.header("x-fusillade-request-id") == str(kept["id"])
    assert request.header("x-fusillade-custom-id") == "line-0"
    assert request.json()["nvext"] == {"agent_hints": {"priority": -int(row["expires_at"].timestamp())}}


async def test_late_requests_go_to_another_model(database: Database, upstream: FakeUpstream) -> None:
    upstream.respond = lambda _: GOOD
    settings = msgspec.structs.replace(
        QUICK, model_escalations={"m": Escalation(escalation_model="fast", escalation_threshold_seconds=600)}
    )
    works = Works(database, plain(upstream))
    account = await works.account()
    both = Works(database, *works.models, plain(upstream, "fast"))
    both.accounts = works.accounts
    async with both.process(settings):
        late = await works.batch(account, 1, window=timedelta(minutes=5))
        await works.ended(late)
        calm = await works.batch(account, 1)
        await works.ended(calm)
    assert [request.json()["model"] for request in upstream.posts] == ["fast", "m"]
    (request,) = await works.requests(late)
    assert (request["model"], request["target_model"]) == ("m", "fast")


async def test_at_the_end_what_runs_ends_and_the_rest_waits(
    database: Database, upstream: FakeUpstream
) -> None:
    answers: list[UUID] = []
    upstream.push(HANG)
    upstream.respond = lambda _: GOOD
    works = Works(database, plain(upstream, batch_capacity=1))
    account = await works.account()
    async with works.process(drain=0.2) as process:
        batch_id = await works.batch(account, 3)
        await works.until(lambda: len(upstream.posts) == 1, "one is under way")
        await process.stop()
        rows = await works.database.fetch(
            "select holder, attempt, retries, not_before from queue order by line"
        )
        assert [tuple(row.values()) for row in rows] == [
            (None, 2, 0, None),
            (None, 1, 0, None),
            (None, 1, 0, None),
        ]
        assert answers == []
    async with works.process():
        row = await works.ended(batch_id)
    assert row["completed"] == 3
    assert [each["attempt"] for each in await works.requests(batch_id)] == [2, 1, 1]


async def test_what_a_dead_process_held_runs_again(database: Database, upstream: FakeUpstream) -> None:
    upstream.respond = lambda _: GOOD
    works = Works(database, plain(upstream))
    account = await works.account()
    batch_id = await works.batch(account, 4)
    while await works.store.populate(batch_id, 10):
        pass
    dead = new_uuid()
    lanes = {lane.id: 3 for lane in await works.store.lanes()}
    assert len(await works.store.claim(dead, lanes)) == 3
    async with works.process() as process:
        row = await works.ended(batch_id)
        assert process.engine.counts.reclaimed == 3
    assert row["completed"] == 4
    assert [each["attempt"] for each in await works.requests(batch_id)] == [2, 2, 2, 1]


async def test_two_processes_share_and_nothing_runs_twice(database: Database, upstream: FakeUpstream) -> None:
    upstream.respond = lambda _: GOOD
    works = Works(database, plain(upstream))
    accounts = [await works.account() for _ in range(3)]
    async with works.process() as one, works.process() as two:
        batches = [await works.batch(account, 100) for account in accounts]
        for batch_id in batches:
            assert (await works.ended(batch_id))["completed"] == 100
        shares = [each.engine.stats()["requests_processed"] for each in (one, two)]
    assert sum(shares) == 300
    assert min(shares) > 0
    assert len(set(seen(upstream))) == len(seen(upstream)) == 300


async def test_a_lost_key_fails_its_lines(database: Database, upstream: FakeUpstream) -> None:
    works = Works(database, plain(upstream))
    account = await works.account()
    async with works.process():
        await database.execute("delete from api_keys where id = $1", account.run_key_id)
        batch_id = await works.batch(account, 2)
        row = await works.ended(batch_id)
    assert row["failed"] == 2
    rows = await works.requests(batch_id)
    assert {(each["status_code"], each["error_code"]) for each in rows} == {(403, "forbidden")}
    assert upstream.posts == []


async def test_a_deleted_file_ends_a_batch_that_had_not_started(
    database: Database, upstream: FakeUpstream
) -> None:
    works = Works(database, plain(upstream))
    account = await works.account()
    batch_id = await works.batch(account, 5)
    await database.execute("delete from file_lines where line > 2")
    async with works.process(msgspec.structs.replace(QUICK, populate_batch_size=3)):
        row = await works.ended(batch_id)
    assert (row["canceled"], row["errors"]["data"][0]["code"]) == (5, "file_not_found")


def respond_slowly(request: Request) -> Answer:
    """Every other line hangs."""
    number = int(request.json()["user"].rpartition("/")[2])
    return HANG if number % 2 else GOOD


async def test_a_cancelled_batch_frees_its_places_at_once(database: Database, upstream: FakeUpstream) -> None:
    upstream.respond = respond_slowly
    works = Works(database, plain(upstream, batch_capacity=4))
    account = await works.account()
    async with works.process() as process:
        batch_id = await works.batch(account, 40)
        await works.until(lambda: process.engine.worker.in_flight == 4, "all places are taken")
        await works.until(lambda: len(upstream.posts) >= 8, "four hang")
        await works.cancel(batch_id)
        row = await works.ended(batch_id)
        assert process.engine.worker.in_flight == 0
    assert row["completed"] + row["canceled"] == 40
    assert row["canceled"] >= 4


async def test_one_process_leads_and_another_follows_it(database: Database, upstream: FakeUpstream) -> None:
    upstream.respond = lambda _: GOOD
    works = Works(database, plain(upstream))
    account = await works.account()
    leader = msgspec.structs.replace(QUICK, enabled="leader")
    async with works.process(leader) as first:
        await works.ended(await works.batch(account, 5))
        async with (
            works.process(leader) as second,
            works.process(msgspec.structs.replace(QUICK, enabled="never")) as idle,
        ):
            await works.ended(await works.batch(account, 20))
            assert first.engine.stats()["requests_processed"] == 25
            await first.stop()
            await works.ended(await works.batch(account, 20))
            assert second.engine.stats()["requests_processed"] == 20
            assert idle.engine.stats()["requests_processed"] == 0


async def test_a_model_that_is_not_there_is_waited_for(database: Database, upstream: FakeUpstream) -> None:
    upstream.respond = lambda _: GOOD
    works = Works(database, plain(upstream))
    account = await works.account()
    async with works.process() as process:
        known = process.routing.snapshot
        process.routing.snapshot = msgspec.structs.replace(known, models={})
        waits = await works.batch(account, 3)
        short = await works.batch(account, 1, window=timedelta(seconds=2))
        row = await works.ended(short)
        assert row["failed"] == 1
        (lost,) = await works.requests(short)
        assert (lost["status_code"], lost["error_code"], lost["attempt"]) == (404, "model_not_found", 1)
        assert (await works.row(waits))["failed"] == 0
        process.routing.snapshot = known
        assert (await works.ended(waits))["completed"] == 3


async def test_owners_share_the_places_of_a_model(database: Database, upstream: FakeUpstream) -> None:
    upstream.respond = lambda _: HANG
    works = Works(database, plain(upstream, batch_capacity=9))
    accounts = [await works.account() for _ in range(3)]
    for account, count in zip(accounts, (50, 20, 2), strict=True):
        batch_id = await works.batch(account, count)
        while await works.store.populate(batch_id, 100):
            pass
    async with works.process(drain=0.1):
        await works.until(lambda: len(upstream.posts) == 9, "all places are taken")
        held = await database.fetch(
            """select a.owner_id, count(*) as n from queue q join lanes a on a.id = q.lane_id
            where q.holder is not null group by a.owner_id"""
        )
    shares = {row["owner_id"]: row["n"] for row in held}
    assert sorted(shares.values()) == [2, 3, 4]
    assert shares[accounts[2].id] == 2


async def test_a_claim_that_was_never_heard_of_is_handed_back(
    database: Database, upstream: FakeUpstream
) -> None:
    upstream.respond = lambda _: GOOD
    works = Works(database, plain(upstream))
    account = await works.account()
    async with works.process() as process:
        batch_id = await works.batch(account, 3)
        await works.ended(batch_id)
        # As when the connection is lost behind the commit of a claim.
        process.routing.snapshot = msgspec.structs.replace(process.routing.snapshot, models={})
        lost = await works.batch(account, 3)
        await works.until(lambda: _started(works, lost), "it waits")
        lanes = {lane.id: 3 for lane in await works.store.lanes()}
        assert len(await works.store.claim(process.id, lanes)) == 3
        await database.execute("alter table lanes rename to lanes_away")
        await works.until(lambda: process.engine.counts.claim_errors > 0, "a round fails")
        await database.execute("alter table lanes_away rename to lanes")
        process.routing.snapshot = msgspec.structs.replace(
            process.routing.snapshot, models={each.alias: each for each in works.models}
        )
        assert (await works.ended(lost))["completed"] == 3
        assert {each["attempt"] for each in await works.requests(lost)} == {1}


async def test_a_claim_that_a_crash_of_the_database_took_back_is_not_run_again(
    database: Database, upstream: FakeUpstream
) -> None:
    upstream.respond = lambda _: GOOD.delayed(3.0)
    works = Works(database, plain(upstream, batch_capacity=4))
    account = await works.account()
    async with works.process() as process:
        batch_id = await works.batch(account, 2)
        await works.until(lambda: len(upstream.posts) == 2, "both are under way")
        held = "select count(*) from queue where holder is not null"
        # As when the server dies before the commit of the claim, which nobody waits for, is on disk.
        await database.execute("update queue set holder = null, claimed_at = null")
        await works.until(lambda: _is(works, held, 2), "both are claimed again")
        assert (await works.ended(batch_id))["completed"] == 2
        assert process.engine.stats()["requests_in_flight"] == 0
        assert process.engine.counts.in_flight()["m"] == 0
    assert len(upstream.posts) == 2
    assert {each["attempt"] for each in await works.requests(batch_id)} == {1}


async def test_an_outcome_whose_claim_the_database_lost_is_not_thrown_away(
    database: Database, upstream: FakeUpstream
) -> None:
    upstream.respond = lambda _: GOOD.delayed(0.5)
    works = Works(database, plain(upstream))
    account = await works.account()
    async with works.process() as process:
        batch_id = await works.batch(account, 1)
        await works.until(lambda: len(upstream.posts) == 1, "it is under way")
        async with database.transaction() as connection:
            # Seen by the others only after the outcome has come.
            await connection.execute("update queue set holder = null, claimed_at = null")
            await works.until(lambda: process.engine.completer.noted == 1, "it has ended")
        assert (await works.ended(batch_id))["completed"] == 1
    assert len(upstream.posts) == 1


async def test_what_is_claimed_again_while_its_outcome_waits_is_not_run_again(
    database: Database, upstream: FakeUpstream
) -> None:
    upstream.respond = lambda _: GOOD.delayed(0.5)
    works = Works(database, plain(upstream))
    account = await works.account()
    held = "select count(*) from queue where holder is not null"
    async with works.process() as process:
        first = await works.batch(account, 1)
        await works.until(lambda: len(upstream.posts) == 1, "the first is under way")
        async with database.transaction() as connection:
            # Outcomes are written one after the other, and the first one is not.
            await connection.execute("select from batches where id = $1 for no key update", first)
            await works.until(lambda: process.engine.completer.noted == 1, "the first has ended")
            second = await works.batch(account, 1)
            await works.until(lambda: process.engine.completer.noted == 2, "both have ended")
            await database.execute(
                """update queue q set holder = null, claimed_at = null
                where q.lane_id in (select a.id from lanes a where a.batch_id = $1)""",
                second,
            )
            await works.until(lambda: _is(works, held, 2), "it is claimed again")
        for batch_id in (first, second):
            assert (await works.ended(batch_id))["completed"] == 1
        assert process.engine.stats()["requests_in_flight"] == 0
    assert len(upstream.posts) == 2


async def test_who_was_taken_for_dead_runs_the_next_attempt_and_has_its_places_back(
    database: Database, upstream: FakeUpstream
) -> None:
    upstream.respond = lambda _: GOOD.delayed(2.0)
    works = Works(database, plain(upstream, batch_capacity=4))
    account = await works.account()
    async with works.process() as process:
        batch_id = await works.batch(account, 2)
        await works.until(lambda: len(upstream.posts) == 2, "both are under way")
        assert await works.store.rescue(process.id, 10) == 2
        await works.until(lambda: len(upstream.posts) == 4, "the next attempts are under way")
        assert (await works.ended(batch_id))["completed"] == 2
        await works.until(lambda: process.engine.stats()["requests_in_flight"] == 0, "nothing is under way")
        await works.until(lambda: process.engine.counts.in_flight()["m"] == 0, "no place is taken")
    assert {each["attempt"] for each in await works.requests(batch_id)} == {2}


async def _is(works: Works, query: str, wanted: int) -> bool:
    count: int = await works.database.fetch_value(query)
    return count == wanted


async def _started(works: Works, batch_id: UUID) -> bool:
    return (await works.row(batch_id))["started_at"] is not None
