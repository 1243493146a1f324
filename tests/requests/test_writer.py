"""From the recorder to PostgreSQL: any order, repetition and batching of a call's records gives one row."""

import asyncio
import itertools
import random
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import msgspec
import pytest

from dwctl.core.ids import new_id
from dwctl.core.metrics import Metrics
from dwctl.db.postgres import Database
from dwctl.requests.entry import Entry
from dwctl.requests.frames import Kind, entry_of
from dwctl.requests.record import Record, State
from dwctl.requests.recorder import Recorder
from dwctl.requests.settings import RecordingSettings, SpoolSettings
from dwctl.requests.spool import Spool
from dwctl.requests.states import supersedes
from dwctl.requests.store import RequestStore
from dwctl.requests.writer import Committer, Writer

OWNER = "0199e1c2-5f6a-7b3c-8d4e-5f60718293a4"


def started(ident: str, attempt: int = 1) -> Record:
    return Record(
        id=ident,
        created_at=1_800_000_000.5,
        path="/v1/chat/completions",
        model="m",
        owner_id=OWNER,
        creator_id=OWNER,
        key_id=OWNER,
        daemon_id=OWNER,
        attempt=attempt,
    )


def finished(ident: str, state: State, attempt: int = 1, tokens: int = 7) -> Record:
    return msgspec.structs.replace(
        started(ident, attempt),
        state=state,
        completed_at=1_800_000_001.0,
        status_code=200,
        total_tokens=tokens,
        response_size=4,
    )


class Standing(NamedTuple):
    """Where a request stands."""

    attempt: int
    state: int


def entry(record: Record, body: bytes) -> Entry:
    kind = Kind.FINISHED if record.completed_at else Kind.STARTED
    return entry_of(kind, msgspec.json.encode(record), body)


@pytest.fixture
def committer(database: Database, data_dir: Path) -> Committer:
    return Committer(database, data_dir / "rejected.jsonl", Metrics())


async def test_create_and_complete_converge_in_any_order(database: Database, committer: Committer) -> None:
    store = RequestStore(database)
    for order in itertools.permutations(range(3)):
        ident = new_id()
        records = [
            entry(started(ident), b"ask"),
            entry(finished(ident, State.COMPLETED), b"told"),
            entry(finished(ident, State.COMPLETED), b"told"),
        ]
        for index in order:
            await committer.commit([records[index]])
        row = await store.get(UUID(ident))
        assert row is not None
        assert (row.state, row.status_code, row.total_tokens) == (State.COMPLETED, 200, 7)
        assert (row.request, row.response) == (b"ask", b"told")


async def test_bodies_above_a_limit_are_stored_as_they_came(database: Database, data_dir: Path) -> None:
    committer = Committer(database, data_dir / "rejected.jsonl", Metrics(), compress_up_to=4000)
    below, above = new_id(), new_id()
    for ident, length in ((below, 4000), (above, 4001)):
        body = b"x" * length
        await committer.commit([entry(started(ident), body)])
        await committer.commit([entry(finished(ident, State.COMPLETED), body)])
        row = await RequestStore(database).get(UUID(ident))
        assert row is not None
        assert (row.request, row.response) == (body, body)
    sizes = {
        str(row["id"]): row["size"]
        for row in await database.fetch(
            """select id, coalesce(pg_column_size(request) + pg_column_size(response), 0)
                + coalesce(pg_column_size(large_request) + pg_column_size(large_response), 0) as size
            from request_bodies"""
        )
    }
    assert sizes[below] < 400
    assert sizes[above] == 2 * 4001


@pytest.mark.parametrize(("length", "kept"), [(999, False), (1000, True), (5000, True), (5001, False)])
async def test_long_answers_are_kept_compressed(
    database: Database, data_dir: Path, length: int, kept: bool
) -> None:
    settings = RecordingSettings(compress_answers_from_bytes=1000, compress_answers_up_to_bytes=5000)
    pipeline = Pipeline(database, data_dir, settings)
    await pipeline.writer.start()
    body = random.Random(3).choice([b"data: 1\n\n", b"data: 2\n\n"]) * (length // 9 + 1)
    pipeline.call(body[:length], size=length)
    pipeline.recorder.flush()
    await pipeline.writer.stop()
    ident = await database.fetch_value("select id from requests")
    store = RequestStore(database)
    row = await store.get(ident)
    assert row is not None
    assert (row.request, row.response) == (body[:length], body[:length])
    assert (await store.get_many([ident]))[ident] == row
    # What is told of sizes is told of bodies as they came.
    assert await store.bytes_of([ident]) == 2 * length
    assert await store.chain(ident, UUID(OWNER), 5, 1 << 20) == [(ident, 2 * length)]
    length_kept = await database.fetch_value("select length(response) from request_bodies")
    assert length_kept == length if not kept else length_kept < 100


@pytest.mark.parametrize("sizes", [(10, 5000), (5000, 10)])
async def test_a_body_is_the_first_request_and_the_last_response_whatever_their_sizes(
    database: Database, data_dir: Path, sizes: tuple[int, int]
) -> None:
    committer = Committer(database, data_dir / "rejected.jsonl", Metrics(), compress_up_to=4000)
    ident = new_id()
    first, second = (b"x" * size for size in sizes)
    await committer.commit([entry(started(ident), first)])
    await committer.commit([entry(started(ident), second)])
    await committer.commit([entry(finished(ident, State.FAILED, 1), first)])
    await committer.commit([entry(finished(ident, State.COMPLETED, 2), second)])
    row = await RequestStore(database).get(UUID(ident))
    assert row is not None
    assert (row.request, row.response) == (first, second)


async def test_the_database_decides_as_the_model_does(database: Database, committer: Committer) -> None:
    choose = random.Random(7)
    standings = [Standing(attempt, state) for attempt in (1, 2) for state in State]
    for _ in range(120):
        ident = new_id()
        sequence = [choose.choice(standings) for _ in range(4)]
        expected = sequence[0]
        for standing in sequence:
            await committer.commit([entry(finished(ident, State(standing.state), standing.attempt), b"x")])
            if supersedes(standing, expected):
                expected = standing
        row = await database.fetch_row("select attempt, state from requests where id = $1", UUID(ident))
        assert row is not None
        assert Standing(row["attempt"], row["state"]) == expected, sequence


async def test_one_batch_equals_single_commits(database: Database, committer: Committer) -> None:
    choose = random.Random(11)
    for _ in range(40):
        first, second = new_id(), new_id()
        standings = [
            Standing(choose.choice((1, 2)), choose.choice(list(State))) for _ in range(choose.randint(2, 5))
        ]
        await committer.commit([entry(finished(first, State(s.state), s.attempt), b"x") for s in standings])
        for s in standings:
            await committer.commit([entry(finished(second, State(s.state), s.attempt), b"x")])
        rows = await database.fetch(
            "select attempt, state from requests where id = any ($1)", [UUID(first), UUID(second)]
        )
        assert rows[0] == rows[1], standings


async def test_a_refused_record_does_not_hold_up_the_others(
    database: Database, committer: Committer, data_dir: Path
) -> None:
    good = [finished(new_id(), State.COMPLETED) for _ in range(9)]
    bad = entry_of(Kind.FINISHED, b'{"id":"not-a-uuid","created_at":0}', b"")
    poison = entry_of(
        Kind.FINISHED,
        msgspec.json.encode(finished(new_id(), State.COMPLETED)).replace(b'"m"', b'"\\u0000"'),
        b"",
    )
    entries = [entry(record, b"") for record in good]
    await committer.commit([*entries[:4], bad, *entries[4:7], poison, *entries[7:]])
    assert await database.fetch_value("select count(*) from requests") == 9
    assert len((data_dir / "rejected.jsonl").read_bytes().splitlines()) == 2


async def test_bytes_that_are_no_text_survive(database: Database, committer: Committer) -> None:
    ident = new_id()
    await committer.commit(
        [entry(started(ident), b"\x00\xff\xfe"), entry(finished(ident, State.FAILED), b"\x00")]
    )
    row = await RequestStore(database).get(UUID(ident))
    assert row is not None
    assert (row.request, row.response) == (b"\x00\xff\xfe", b"\x00")


class Pipeline:
    """Recorder, spool and writer on a real database, as the product puts them together."""

    def __init__(self, database: Database, folder: Path, settings: RecordingSettings) -> None:
        self.database = database
        spool = settings.spool
        self.spool = Spool(folder / "spool" / OWNER, spool.segment_bytes, spool.spare_segments)
        self.spool.open()
        self.metrics = Metrics()
        self.recorder = Recorder(self.spool, settings, self.metrics)
        self.committer = Committer(database, folder / "rejected.jsonl", self.metrics)
        self.writer = Writer(
            recorder=self.recorder,
            spool=self.spool,
            committer=self.committer,
            daemon_id=UUID(OWNER),
            settings=settings,
        )

    async def count(self) -> int:
        found: int = await self.database.fetch_value("select count(*) from requests where state = 4")
        return found

    def call(self, body: bytes = b"x" * 900, size: int = 4) -> None:
        ident = new_id()
        self.recorder.start(started(ident), body)
        end = msgspec.structs.replace(finished(ident, State.COMPLETED), response_size=size)
        self.recorder.finish(end, body)


async def test_flush_commits_what_was_noted_before(database: Database, data_dir: Path) -> None:
    pipeline = Pipeline(database, data_dir, RecordingSettings(flush_interval_ms=60_000))
    await pipeline.writer.start()
    async with asyncio.TaskGroup() as group:
        loop = group.create_task(pipeline.writer.run())
        for _ in range(25):
            pipeline.call()
        await pipeline.writer.flush(within=10)
        assert await pipeline.count() == 25
        loop.cancel()
    await pipeline.writer.stop()
    assert not pipeline.spool.folder.exists()


async def test_memory_overflow_goes_through_the_disk_and_segments_are_trimmed(
    database: Database, data_dir: Path
) -> None:
    settings = RecordingSettings(
        memory_bytes=20_000, batch_rows=50, spool=SpoolSettings(segment_bytes=100_000)
    )
    pipeline = Pipeline(database, data_dir, settings)
    await pipeline.writer.start()
    for _ in range(20):
        for _ in range(25):
            pipeline.call()
        pipeline.recorder.flush()
    assert pipeline.recorder.backlog.spilled
    assert len(list(pipeline.spool.folder.glob("*.seg"))) > 5
    async with asyncio.TaskGroup() as group:
        loop = group.create_task(pipeline.writer.run())
        await pipeline.writer.flush(within=20)
        loop.cancel()
    assert await pipeline.count() == 500
    assert len(list(pipeline.spool.folder.glob("*.seg"))) <= 2
    assert len(list(pipeline.spool.folder.glob("*.spare"))) == 4
    pipeline.writer.tidy()
    pipeline.writer.tidy()
    async with asyncio.timeout(10):
        while list(pipeline.spool.folder.glob("*.spare")):
            await asyncio.sleep(0.005)
    await pipeline.writer.stop()


async def test_statements_at_the_same_time_write_what_one_after_the_other_does(
    database: Database, data_dir: Path
) -> None:
    """Starts and ends lie in different batches and in different orders, so that statements meet on their rows."""
    pipeline = Pipeline(
        database, data_dir, RecordingSettings(batch_rows=7, statements=4, flush_interval_ms=0)
    )
    await pipeline.writer.start()
    choose = random.Random(5)
    open_calls: list[str] = []
    async with asyncio.TaskGroup() as group:
        loop = group.create_task(pipeline.writer.run())
        for _ in range(400):
            ident = new_id()
            open_calls.append(ident)
            pipeline.recorder.start(started(ident), b"ask")
            if len(open_calls) > 20:
                ended = open_calls.pop(choose.randrange(len(open_calls)))
                pipeline.recorder.finish(finished(ended, State.COMPLETED), b"told")
            if choose.random() < 0.3:
                await asyncio.sleep(0)
        for ended in open_calls:
            pipeline.recorder.finish(finished(ended, State.COMPLETED), b"told")
        assert await pipeline.writer.flush(within=20)
        loop.cancel()
    assert await pipeline.count() == 400
    assert not (data_dir / "rejected.jsonl").exists()
    bodies = "select count(*) from request_bodies where request = 'ask'::bytea and response = 'told'::bytea"
    assert await database.fetch_value(bodies) == 400
    # A deadlock would be mended by committing in halves: no row lost, but a second of waiting for each.
    deadlocks = "select deadlocks from pg_stat_database where datname = current_database()"
    assert await database.fetch_value(deadlocks) == 0
    await pipeline.writer.stop()


async def test_callbacks_run_only_after_the_records_are_in_the_spool(
    database: Database, data_dir: Path
) -> None:
    pipeline = Pipeline(database, data_dir, RecordingSettings())
    seen: list[int] = []
    pipeline.call()
    size = pipeline.spool.size
    written = asyncio.Event()
    pipeline.recorder.after(lambda: seen.append(pipeline.spool.size))
    pipeline.recorder.after(written.set)
    assert seen == []
    await asyncio.wait_for(written.wait(), 5)
    assert seen[0] > size == 0
