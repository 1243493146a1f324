"""Whatever comes in whatever order, counters are rows, ends are ends, and an attempt is charged once."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dwctl.core.ids import new_uuid
from dwctl.db.postgres import Database
from dwctl.engine.batches.store import BatchStore
from dwctl.requests.audit import audit
from dwctl.requests.batches.rows import NewBatch
from dwctl.requests.queue import structs
from dwctl.requests.queue.store import QueueStore
from dwctl.requests.queue.structs import AGAIN, Claimed, Settled
from dwctl.requests.record import State
from dwctl.requests.store import RequestStateConflict, RequestStore
from tests.engine.batches.ground import later
from tests.examples import examples
from tests.requests.queue.invariants import Final, check
from tests.requests.queue.work import add_file, outcome


class Add(NamedTuple):
    lines: int
    models: int


class Populate(NamedTuple):
    batch: int
    lines: int


class Claim(NamedTuple):
    holder: int
    most: int


class Settle(NamedTuple):
    """Outcomes of claims of any time: of this holder, of another one, of an attempt that is over."""

    claims: tuple[tuple[int, int], ...]


class Release(NamedTuple):
    claim: int


class Single(NamedTuple):
    """A queued call that belongs to no batch, under one of three ids of the client's choosing."""

    ident: int


class Outside(NamedTuple):
    """Somebody else says that a request has ended, who has nothing to say of what the queue runs."""

    claim: int
    fails: bool


class Ripen(NamedTuple):
    most: int


class Crash(NamedTuple):
    """The database's server dies before claims are on disk: the last ones of a worker, who does not hear of it."""

    holder: int
    most: int


class ForgetLanes(NamedTuple):
    """Housekeeping."""


class Rescue(NamedTuple):
    holder: int
    most: int


class Cancel(NamedTuple):
    batch: int


class CancelStep(NamedTuple):
    batch: int
    most: int


class Retry(NamedTuple):
    batch: int
    lines: tuple[int, ...] | None
    most: int


class RetryStep(NamedTuple):
    batch: int
    most: int


class Delete(NamedTuple):
    """Of a batch, or of its file."""

    batch: int
    file: bool


Command = Populate | Cancel | CancelStep | Retry | RetryStep | Delete
"""Of a batch."""
Disturbance = Single | Outside | Ripen | Crash | ForgetLanes
Step = Command | Disturbance | Add | Claim | Settle | Release | Rescue

BATCH, HOLDER, MOST = st.integers(0, 2), st.integers(0, 2), st.integers(1, 4)
VERDICTS = st.sampled_from(
    (AGAIN, State.FAILED, State.FAILED, State.COMPLETED, State.COMPLETED, State.CANCELED)
)
STEP: st.SearchStrategy[Step] = st.one_of(
    st.builds(Add, st.integers(1, 6), st.integers(1, 2)),
    st.builds(Populate, BATCH, st.integers(1, 6)),
    st.builds(Claim, HOLDER, MOST),
    st.builds(Claim, HOLDER, MOST),
    st.builds(Settle, st.lists(st.tuples(st.integers(0, 30), VERDICTS), min_size=1, max_size=5).map(tuple)),
    st.builds(Settle, st.lists(st.tuples(st.integers(0, 30), VERDICTS), min_size=1, max_size=5).map(tuple)),
    st.builds(Release, st.integers(0, 30)),
    st.builds(Rescue, HOLDER, MOST),
    st.builds(Cancel, BATCH),
    st.builds(CancelStep, BATCH, MOST),
    st.builds(Retry, BATCH, st.none() | st.lists(st.integers(0, 5), max_size=3).map(tuple), MOST),
    st.builds(RetryStep, BATCH, MOST),
    st.builds(Delete, BATCH, st.booleans()),
    st.builds(Single, st.integers(0, 2)),
    st.builds(Outside, st.integers(0, 30), st.booleans()),
    st.builds(Ripen, MOST),
    st.builds(Crash, HOLDER, MOST),
    st.builds(ForgetLanes),
)
START: tuple[Step, ...] = (Add(4, 2), Populate(0, 6), Claim(0, 4), Claim(1, 4))


class World:
    """Three workers, a few batches, and every claim that was ever made."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.queue = QueueStore(database)
        self.store = BatchStore(database)
        self.owner = new_uuid()
        self.batches: list[UUID] = []
        self.holders = [new_uuid() for _ in range(3)]
        self.claims: list[tuple[UUID, Claimed]] = []
        self.singles = [new_uuid() for _ in range(3)]

    async def do(self, step: Step) -> None:
        """One step, if there is what it is about."""
        match step:
            case Add(lines, models):
                if len(self.batches) < 3:
                    self.batches.append(await self.add(lines, models))
            case Claim(holder, most):
                name = self.holders[holder]
                taken = await self.queue.claim(name, {lane.id: most for lane in await self.queue.lanes()})
                self.claims += [(name, claimed) for claimed in taken]
            case Settle(claims):
                await self.settle(claims)
            case Release(claim):
                if self.claims:
                    holder_id, claimed = self.claims[claim % len(self.claims)]
                    await self.queue.release(holder_id, [claimed.id])
            case Rescue(holder, most):
                await self.queue.rescue(self.holders[holder], most)
            case Single() | Outside() | Ripen() | Crash() | ForgetLanes():
                await self.disturb(step)
            case _:
                if step.batch < len(self.batches):
                    await self.command(self.batches[step.batch], step)

    async def disturb(self, step: Disturbance) -> None:
        """What goes on beside batches."""
        match step:
            case Single(ident):
                await self.queue.enqueue([self.single(self.singles[ident])])
            case Outside(claim, fails):
                if self.claims:
                    await self.end(self.claims[claim % len(self.claims)][1].id, fails=fails)
            case Ripen(most):
                await self.queue.ripen(most)
            case Crash(holder, most):
                await self.database.execute(
                    """update queue set holder = null, claimed_at = null where id = any (array(
                        select id from queue where holder = $1 order by claimed_at desc limit $2 for update
                    ))""",
                    self.holders[holder],
                    most,
                )
            case ForgetLanes():
                await self.queue.forget_lanes()

    async def add(self, lines: int, models: int) -> UUID:
        """A batch over a file of its own."""
        file_id = await add_file(self.database, lines, models=models, owner=self.owner)
        file = await self.store.file(file_id)
        assert file is not None
        new = NewBatch(
            id=new_uuid(), owner_id=self.owner, creator_id=self.owner, key_id=None, run_key_id=new_uuid(),
            file_id=file.id, file_name=file.name, total=file.lines, models=file.models,
            endpoint="/v1/chat/completions", window="24h", seconds=86_400,
        )  # fmt: skip
        seen: list[object] = []
        assert await self.store.create(new, seen.append)
        assert len(seen) == 1
        return new.id

    def single(self, ident: UUID) -> structs.Single:
        """A background call."""
        return structs.Single(
            id=ident, group_id=new_uuid(), tier="background", path="/v1/responses", model="model-0",
            owner_id=self.owner, creator_id=self.owner, key_id=None, run_key_id=self.owner,
            completion_window="1h", deadline=later(), body=b"{}",
        )  # fmt: skip

    async def end(self, ident: UUID, *, fails: bool) -> None:
        """From outside of the queue: it changes nothing."""
        store = RequestStore(self.database)
        with pytest.raises(RequestStateConflict):
            await (store.fail_request(ident, "no") if fails else store.complete_request(ident, b"{}", 200))

    async def command(self, batch_id: UUID, step: Command) -> None:
        """Of a batch."""
        match step:
            case Populate(_, lines):
                await self.queue.populate(batch_id, lines)
            case Cancel():
                await self.queue.cancel(batch_id)
            case Delete(_, file=of_file):
                await self.queue.cancel(batch_id)
                if of_file:
                    await self.database.execute("update batches set file_id = null where id = $1", batch_id)
                else:
                    await self.store.delete(batch_id)
            case CancelStep(_, most):
                await self.queue.cancel_step(batch_id, most)
            case Retry(_, None, most):
                await self.queue.retry_failed(batch_id, most, later())
            case Retry(_, lines, _):
                rows = await self.database.fetch(
                    "select id from requests where batch_id = $1 and line = any($2)",
                    batch_id,
                    list(lines or ()),
                )
                await self.queue.retry(batch_id, [row["id"] for row in rows], later())
            case RetryStep(_, most):
                await self.queue.retry_step(batch_id, most, later())

    async def settle(self, chosen: tuple[tuple[int, int], ...]) -> None:
        by_holder: dict[UUID, list[Settled]] = {}
        for index, verdict in chosen:
            if self.claims:
                holder, claimed = self.claims[index % len(self.claims)]
                done = outcome(claimed, verdict, owner=self.owner)
                done.record.cost = Decimal(claimed.attempt) / 4
                if verdict == AGAIN and index % 2:
                    # Its time has come, but somebody has to say so.
                    done.not_before = datetime.now(UTC)
                by_holder.setdefault(holder, []).append(done)
        for holder, outcomes in by_holder.items():
            await self.queue.settle(holder, outcomes)


async def empty(database: Database) -> None:
    """Nothing of the last example is left."""
    await database.execute(
        "truncate batches, files, file_lines, lanes, queue, requests, request_bodies, contents, attempts"
    )


QUIETLY = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
A_MINUTE = timedelta(seconds=60)


async def one_after_another(database: Database, steps: list[Step]) -> None:
    """Everything holds after each step."""
    await empty(database)
    world, final = World(database), Final()
    for step in (*START, *steps):
        await world.do(step)
        await check(database, final)
    assert (await audit(database)).batches == []


async def together(database: Database, groups: list[list[Step]]) -> None:
    """Everything holds after each group of steps at the same time."""
    await empty(database)
    world, final = World(database), Final()
    for step in START:
        await world.do(step)
    for group in groups:
        async with asyncio.TaskGroup() as tasks:
            for step in group:
                tasks.create_task(world.do(step))
        await check(database, final)
    assert (await audit(database)).batches == []


STEPS = st.lists(STEP, max_size=25)
GROUPS = st.lists(st.lists(STEP, min_size=2, max_size=4), max_size=8)


@settings(max_examples=examples(40), deadline=A_MINUTE, suppress_health_check=QUIETLY)
@given(STEPS)
async def test_any_interleaving(database: Database, steps: list[Step]) -> None:
    await one_after_another(database, steps)


@settings(max_examples=examples(25), deadline=A_MINUTE, suppress_health_check=QUIETLY)
@given(GROUPS)
async def test_several_at_the_same_time(database: Database, groups: list[list[Step]]) -> None:
    await together(database, groups)


@pytest.mark.long
@settings(max_examples=examples(500), deadline=A_MINUTE, suppress_health_check=QUIETLY)
@given(STEPS)
async def test_many_interleavings(database: Database, steps: list[Step]) -> None:
    await one_after_another(database, steps)


@pytest.mark.long
@settings(max_examples=examples(500), deadline=A_MINUTE, suppress_health_check=QUIETLY)
@given(GROUPS)
async def test_many_at_the_same_time(database: Database, groups: list[list[Step]]) -> None:
    await together(database, groups)
