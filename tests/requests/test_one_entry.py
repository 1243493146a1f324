"""A call that ends before its start is being written is one record in memory; whatever the order, its row is whole."""

import asyncio
import random
from pathlib import Path
from uuid import UUID

from dwctl.core.ids import new_id
from dwctl.db.postgres import Database
from dwctl.requests.entries import Block
from dwctl.requests.merging import merged
from dwctl.requests.record import State
from dwctl.requests.settings import RecordingSettings
from dwctl.requests.store import RequestStore
from tests.requests.test_writer import Pipeline, finished, started

HOUR = RecordingSettings(flush_interval_ms=3_600_000)
MUCH = 1_000_000


async def commit(pipeline: Pipeline, blocks: list[Block]) -> None:
    await pipeline.committer.commit([entry for block in blocks for entry in block.entries])


def begun(pipeline: Pipeline, ident: str) -> list[Block]:
    """A call that has started, on its way to the database."""
    pipeline.recorder.start(started(ident), b"ask")
    pipeline.recorder.flush()
    return pipeline.recorder.backlog.take(MUCH, MUCH)


async def whole(database: Database, ident: str) -> tuple[int, bytes | None, bytes | None]:
    row = await RequestStore(database).get(UUID(ident))
    assert row is not None
    return row.state, row.request, row.response


async def test_an_end_joins_its_start(database: Database, data_dir: Path) -> None:
    pipeline = Pipeline(database, data_dir, HOUR)
    recorder, ident = pipeline.recorder, new_id()
    recorder.start(started(ident), b"ask")
    recorder.flush()
    recorder.finish(finished(ident, State.COMPLETED), b"told")
    recorder.flush()
    assert recorder.noted == 1
    blocks = recorder.backlog.take(MUCH, MUCH)
    assert [len(block.entries) for block in blocks] == [1, 0]
    await commit(pipeline, blocks)
    assert await whole(database, ident) == (State.COMPLETED, b"ask", b"told")


async def test_an_end_that_comes_while_its_start_is_written_follows_it(
    database: Database, data_dir: Path
) -> None:
    pipeline = Pipeline(database, data_dir, HOUR)
    recorder, ident = pipeline.recorder, new_id()
    blocks = begun(pipeline, ident)
    async with asyncio.TaskGroup() as group:
        group.create_task(commit(pipeline, blocks))
        await asyncio.sleep(0)
        recorder.finish(finished(ident, State.COMPLETED), b"told")
    assert recorder.committed(blocks) == 1
    assert (await whole(database, ident))[0] == State.PROCESSING
    assert recorder.noted == 2
    recorder.flush()
    await commit(pipeline, recorder.backlog.take(MUCH, MUCH))
    assert await whole(database, ident) == (State.COMPLETED, b"ask", b"told")


async def test_an_end_follows_a_start_that_could_not_be_written(database: Database, data_dir: Path) -> None:
    pipeline = Pipeline(database, data_dir, HOUR)
    recorder, ident = pipeline.recorder, new_id()
    blocks = begun(pipeline, ident)
    merged([entry for block in blocks for entry in block.entries])
    recorder.backlog.put_back(blocks)
    recorder.finish(finished(ident, State.COMPLETED), b"told")
    recorder.flush()
    await commit(pipeline, recorder.backlog.take(MUCH, MUCH))
    assert await whole(database, ident) == (State.COMPLETED, b"ask", b"told")


async def test_an_end_that_changes_nothing_is_a_record_of_its_own(database: Database, data_dir: Path) -> None:
    pipeline = Pipeline(database, data_dir, HOUR)
    recorder, ident = pipeline.recorder, new_id()
    recorder.start(started(ident, attempt=2), b"ask")
    recorder.finish(finished(ident, State.FAILED), b"late")
    assert recorder.noted == 2
    recorder.start(started(ident, attempt=2), b"ask")
    recorder.finish(finished(ident, State.COMPLETED, attempt=2), b"told")
    assert recorder.noted == 3
    recorder.flush()
    await commit(pipeline, recorder.backlog.take(MUCH, MUCH))
    assert await whole(database, ident) == (State.COMPLETED, b"ask", b"told")


async def test_ends_beyond_memory_are_on_disk_with_or_without_their_starts(
    database: Database, data_dir: Path
) -> None:
    """What is in memory does not grow while the rest is on disk only."""
    settings = RecordingSettings(flush_interval_ms=3_600_000, memory_bytes=20_000, batch_rows=9)
    pipeline = Pipeline(database, data_dir, settings)
    await pipeline.writer.start()
    recorder, choose = pipeline.recorder, random.Random(3)
    idents: list[str] = []
    for _ in range(60):
        idents.append(new_id())
        recorder.start(started(idents[-1]), b"ask" * 300)
        if choose.random() < 0.5:
            recorder.flush()
    assert recorder.backlog.spilled
    noted = recorder.noted
    for ident in choose.sample(idents, len(idents)):
        recorder.finish(finished(ident, State.COMPLETED), b"told" * 300)
        if choose.random() < 0.5:
            recorder.flush()
    assert recorder.noted == noted + 60
    async with asyncio.TaskGroup() as group:
        loop = group.create_task(pipeline.writer.run())
        assert await pipeline.writer.flush(within=20)
        loop.cancel()
    for ident in idents:
        assert await whole(database, ident) == (State.COMPLETED, b"ask" * 300, b"told" * 300)
    await pipeline.writer.stop()
