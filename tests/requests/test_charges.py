"""Every attempt's cost is charged once: entries, rows and balances have one sum, whatever order records come in."""

import asyncio
import random
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

from dwctl.core.ids import new_id, new_uuid
from dwctl.core.metrics import Metrics
from dwctl.db.postgres import Database
from dwctl.requests.entry import Entry
from dwctl.requests.frames import Kind, entry_of
from dwctl.requests.record import Record, State
from dwctl.requests.writer import Committer

TARIFF = new_id()
ONE = Decimal("0.000000000000001")


def started(owner: str, ident: str, attempt: int = 1, **fields: Any) -> Record:
    """A priced call at its start."""
    return Record(
        id=ident,
        created_at=1_800_000_000.5,
        path="/v1/chat/completions",
        model="m",
        owner_id=owner,
        creator_id=owner,
        key_id=owner,
        daemon_id=owner,
        attempt=attempt,
        tariff_id=TARIFF,
        **fields,
    )


def entry(record: Record) -> Entry:
    """As it lies in the spool."""
    kind = Kind.FINISHED if record.completed_at else Kind.STARTED
    return entry_of(kind, msgspec.json.encode(record), b"x")


def ended(
    owner: str, ident: str, cost: Decimal | None, attempt: int = 1, state: State = State.COMPLETED
) -> Record:
    """Its end."""
    more = {"state": state, "completed_at": 1_800_000_001.0, "status_code": 200, "cost": cost}
    return msgspec.structs.replace(started(owner, ident, attempt), **more)


@pytest.fixture
def metrics() -> Metrics:
    """What is counted."""
    return Metrics()


@pytest.fixture
def committer(database: Database, data_dir: Path, metrics: Metrics) -> Committer:
    """What the writer commits with."""
    return Committer(database, data_dir / "rejected.jsonl", metrics)


async def sums(database: Database, owner: str) -> tuple[Decimal, Decimal, Decimal]:
    """Of the rows, of the entries and the balance, all as what was paid."""
    rows = await database.fetch_value(
        "select coalesce(sum(cost), 0) from requests where owner_id = $1", owner
    )
    entries = await database.fetch_value(
        "select coalesce(-sum(amount), 0) from ledger_entries where account_id = $1", owner
    )
    balance = await database.fetch_value("select -balance from accounts where id = $1", owner)
    return rows, entries, balance or Decimal(0)


async def test_a_call_is_charged_once_with_all_that_is_to_be_kept_of_it(
    database: Database, committer: Committer
) -> None:
    owner, ident, cost = new_id(), new_id(), Decimal("0.000123000000000456")
    cost = cost.quantize(ONE)
    for _ in range(3):
        await committer.commit([entry(started(owner, ident)), entry(ended(owner, ident, cost))])
    assert await sums(database, owner) == (cost, cost, cost)
    row = await database.fetch_row("select * from ledger_entries where account_id = $1", owner)
    assert row is not None
    kept = {name: row[name] for name in ("kind", "amount", "attempt", "model", "origin", "source_id")}
    assert kept == {
        "kind": "usage",
        "amount": -cost,
        "attempt": 1,
        "model": "m",
        "origin": "api",
        "source_id": None,
    }
    assert row["id"] == row["request_id"] == UUID(ident)
    assert row["key_id"] == row["creator_id"] == UUID(owner)
    assert await database.fetch_value("select tariff_id from requests where id = $1", ident) == UUID(TARIFF)


async def test_free_calls_and_those_without_usage_leave_no_entry(
    database: Database, committer: Committer
) -> None:
    owner, free, unused = new_id(), new_id(), new_id()
    await committer.commit(
        [
            entry(msgspec.structs.replace(ended(owner, free, None), tariff_id=None)),
            entry(ended(owner, unused, Decimal(0))),
        ]
    )
    rows = await database.fetch("select id, tariff_id, cost from requests order by id")
    assert [(row["tariff_id"], row["cost"]) for row in rows] == [(None, None), (UUID(TARIFF), 0)]
    assert await database.fetch_value("select count(*) from ledger_entries") == 0
    assert await database.fetch_value("select count(*) from accounts") == 0


async def test_each_attempt_is_charged_in_any_order_and_any_batches(
    database: Database, committer: Committer
) -> None:
    choose = random.Random(3)
    for _ in range(60):
        owner, ident = new_id(), new_id()
        costs = [Decimal(choose.randrange(1, 10**9)) * ONE for _ in range(3)]
        records = [entry(started(owner, ident, attempt)) for attempt in (1, 2, 3)] + [
            entry(ended(owner, ident, cost, attempt, state))
            for attempt, cost in enumerate(costs, 1)
            for state in (State.FAILED, choose.choice((State.FAILED, State.COMPLETED)))
        ]
        choose.shuffle(records)
        while records:
            size = choose.randint(1, 4)
            batch, records = records[:size], records[size:]
            await committer.commit(batch)
            if choose.random() < 0.5:
                await committer.commit(batch)
        assert await sums(database, owner) == (sum(costs), sum(costs), sum(costs))


async def test_a_session_that_dies_with_its_process_has_cost_what_its_responses_did(
    database: Database, committer: Committer
) -> None:
    """Its start and what was noted of each response are there, twice and in any order; an end is not."""
    choose = random.Random(5)
    for _ in range(20):
        owner, ident = new_id(), new_id()
        costs = [Decimal(choose.randrange(1, 10**9)) * ONE for _ in range(4)]
        notes = [
            msgspec.structs.replace(started(owner, ident, attempt), cost=cost, prompt_tokens=10 * attempt)
            for attempt, cost in enumerate(costs, 2)
        ]
        records = [entry_of(Kind.FINISHED, msgspec.json.encode(note), b"") for note in notes] * 2
        records.append(entry(started(owner, ident)))
        choose.shuffle(records)
        while records:
            size = choose.randint(1, 6)
            batch, records = records[:size], records[size:]
            await committer.commit(batch)
        assert await committer.interrupt(UUID(owner)) == 1
        assert await sums(database, owner) == (sum(costs), sum(costs), sum(costs))
        row = await database.fetch_row(
            "select state, error_code, prompt_tokens from requests where id = $1", ident
        )
        assert row is not None
        assert tuple(row) == (State.FAILED, "interrupted", 50)


async def test_two_ends_of_an_attempt_are_one_charge(database: Database, committer: Committer) -> None:
    owner, ident, cost = new_id(), new_id(), Decimal("0.5")
    interrupted = ended(owner, ident, None, state=State.FAILED)
    both = [entry(interrupted), entry(ended(owner, ident, cost)), entry(ended(owner, ident, cost))]
    await committer.commit(both)
    assert await sums(database, owner) == (cost, cost, cost)
    assert await database.fetch_value("select state from requests where id = $1", ident) == State.FAILED


async def test_statements_at_the_same_time_lose_and_double_nothing(
    database: Database, committer: Committer
) -> None:
    choose = random.Random(8)
    owners = [new_id() for _ in range(5)]
    records = [
        entry(ended(choose.choice(owners), new_id(), Decimal(choose.randrange(1, 10**6)) * ONE))
        for _ in range(400)
    ]
    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            shuffled = choose.sample(records, len(records))
            for at in range(0, len(shuffled), 20):
                group.create_task(committer.commit(shuffled[at : at + 20]))
    costs = {owner: Decimal(0) for owner in owners}
    for one in records:
        known = msgspec.json.decode(one.meta, type=Record)
        costs[known.owner_id] += known.cost or 0
    for owner, cost in costs.items():
        assert await sums(database, owner) == (cost, cost, cost)
    deadlocks = "select deadlocks from pg_stat_database where datname = current_database()"
    assert await database.fetch_value(deadlocks) == 0


async def test_metrics_say_what_the_ledger_says(
    database: Database, committer: Committer, metrics: Metrics
) -> None:
    owner = new_id()
    batch = [entry(ended(owner, new_id(), Decimal("0.25"))) for _ in range(4)]
    await committer.commit(batch)
    await committer.commit(batch[:3])
    read = metrics.registry.get_sample_value
    assert read("dwctl_credits_deducted_total", {"model": "m"}) == 1.0
    assert read("dwctl_credits_duplicates_total") == 3


async def test_a_balance_below_its_threshold_is_low_until_it_is_not(
    database: Database, committer: Committer
) -> None:
    owner = new_uuid()
    await database.execute(
        "insert into accounts (id, balance, low_balance_threshold) values ($1, 10, 5)", owner
    )
    since = []
    for cost in (4, 2, 1):
        await committer.commit([entry(ended(str(owner), new_id(), Decimal(cost)))])
        since.append(await database.fetch_value("select low_since from accounts where id = $1", owner))
    assert since[0] is None
    assert since[1] is not None
    assert since[2] == since[1]
