"""Background streams in real engines: what is kept and shown, when a call is tried again, and how it ends."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any
from uuid import UUID

import msgspec
import pytest

from dwctl.db.postgres import Database
from dwctl.engine.responses.followers import PIECES
from dwctl.engine.responses.logged_call import BEHIND, PIECE
from dwctl.engine.responses.streams import BEFORE
from dwctl.requests.events.numbering import FIRST
from dwctl.requests.events.unfolding import DONE
from dwctl.requests.record import State
from dwctl.requests.store import RequestStore
from dwctl.wire.sse import data_of, events
from tests.engine.works import QUICK, Account, Process, Works
from tests.fakes.answers import HANG, Answer, Hang, frames, json_reply, server_error, stream_reply
from tests.fakes.shapes import chat_completion, response, response_events
from tests.fakes.upstream import FakeUpstream
from tests.gateway.house import model, target

WORDS = ["Hello", " from", " the", " fake", " model."]
SAID = frames(response_events("up", WORDS), named=True)
"""Of a model server, to the end."""
GOOD = stream_reply(SAID)
SOME = 5
"""So many of them are created, in progress, an item, a part and a delta."""


def broken_off(count: int) -> Answer:
    """So many events, and then nothing."""
    steps = stream_reply(SAID).steps
    head, chunks = steps[0], steps[1 : 1 + count]
    return Answer((head, *chunks, Hang()))


async def start(database: Database, upstream: FakeUpstream) -> tuple[Works, Account]:
    """One model and one account."""
    works = Works(database, model("m", target(upstream.url, "up")))
    return works, await works.account()


async def read(process: Process, request_id: UUID, after: int = BEFORE) -> bytes:
    """The stream to its end."""
    return b"".join([data async for data in stream(process, request_id, after)])


async def stream(process: Process, request_id: UUID, after: int = BEFORE) -> AsyncIterator[bytes]:
    """What a client of this process gets."""
    row = await RequestStore(process.database).get(request_id)
    assert row is not None
    async with asyncio.timeout(20), aclosing(process.streams.streams.events(row, after)) as shown:
        async for data in shown:
            yield data


def shown(data: bytes) -> list[dict[str, Any]]:
    """The events, which end with `[DONE]`; their numbers have no gap."""
    assert data.endswith(DONE)
    found: list[dict[str, Any]] = [json.loads(data_of(each)) for each in events(data.removesuffix(DONE))]
    first = found[0]["sequence_number"]
    assert [one["sequence_number"] for one in found] == list(range(first, first + len(found)))
    return found


async def kept(works: Works, request_id: UUID) -> int:
    """The number of the last event that is committed."""
    last: int | None = await works.database.fetch_value(
        "select max(last) from response_events where id = $1", request_id
    )
    return last or 0


async def state(works: Works, request_id: UUID) -> tuple[int, int]:
    """Of the row, and its attempt."""
    row = await works.database.fetch_row("select state, attempt from requests where id = $1", request_id)
    assert row is not None
    return row["state"], row["attempt"]


async def until_kept(works: Works, request_id: UUID, last: int) -> None:
    """Wait until so much of it is committed."""

    async def there() -> bool:
        return await kept(works, request_id) >= last

    await works.until(there, f"event {last} is committed")


async def test_two_processes_show_the_same_while_it_runs(database: Database, upstream: FakeUpstream) -> None:
    upstream.push(stream_reply(SAID, gap=0.03))
    works, account = await start(database, upstream)
    async with works.process() as one, works.process() as other, asyncio.TaskGroup() as tasks:
        request_id = await works.background(account)
        readers = [tasks.create_task(read(each, request_id)) for each in (one, other, one)]
        texts = [await reader for reader in readers]
        assert len(set(texts)) == 1
        whole = shown(texts[0])
        for after in (0, 3, len(whole) - 2):
            assert shown(await read(other, request_id, after)) == whole[after + 1 :]
    assert whole[-1]["type"] == "response.completed"
    assert "".join(one["delta"] for one in whole if one["type"].endswith("text.delta")) == "".join(WORDS)
    assert await works.database.fetch_value("select count(*) from queue") == 0


async def test_a_failure_before_anything_was_shown_is_tried_again(
    database: Database, upstream: FakeUpstream
) -> None:
    upstream.push(server_error(), stream_reply(SAID[:1]).closing(), GOOD)
    works, account = await start(database, upstream)
    async with works.process() as process:
        request_id = await works.background(account)
        whole = shown(await read(process, request_id))
    assert whole[-1]["type"] == "response.completed"
    assert await state(works, request_id) == (State.COMPLETED, 3)
    assert len(upstream.posts) == 3


async def test_a_failure_after_something_was_shown_is_the_end(
    database: Database, upstream: FakeUpstream
) -> None:
    upstream.push(broken_off(SOME))
    works, account = await start(database, upstream)
    async with works.process() as process:
        request_id = await works.background(account)
        await until_kept(works, request_id, SOME)
        await upstream.stop()
        whole = shown(await read(process, request_id))
    assert [one["type"].removeprefix("response.") for one in whole] == [
        "created", "queued", "in_progress", "output_item.added", "content_part.added", "output_text.delta", "failed",
    ]  # fmt: skip
    assert whole[-1]["response"]["error"]["code"] == "server_error"
    assert await state(works, request_id) == (State.FAILED, 1)


async def test_an_error_in_the_stream_ends_it_as_failed(database: Database, upstream: FakeUpstream) -> None:
    error = {"type": "error", "code": "server_error", "message": "out of memory", "sequence_number": 9}
    upstream.push(stream_reply([*SAID[:SOME], *frames([error], named=True, done=False)]))
    works, account = await start(database, upstream)
    async with works.process(msgspec.structs.replace(QUICK, max_retries=0)) as process:
        request_id = await works.background(account)
        whole = shown(await read(process, request_id))
    kinds = [one["type"] for one in whole]
    assert (kinds.count("response.output_text.delta"), kinds[-1]) == (1, "response.failed")
    assert "error" not in kinds
    assert await state(works, request_id) == (State.FAILED, 1)


@pytest.mark.parametrize("before", [0, SOME])
async def test_a_call_that_is_aborted_ends_at_once(
    database: Database, upstream: FakeUpstream, before: int
) -> None:
    upstream.push(broken_off(before) if before else HANG)
    works, account = await start(database, upstream)
    async with works.process() as process, asyncio.TaskGroup() as tasks:
        request_id = await works.background(account)
        await works.until(lambda: upstream.posts, "it is run")
        reader = tasks.create_task(read(process, request_id))
        if before:
            await until_kept(works, request_id, before)
        process.engine.worker.abort([request_id])
        whole = shown(await reader)
        await works.until(lambda: not upstream.open_connections, "the model server is let go")
    assert (whole[-1]["type"], whole[-1]["response"]["status"]) == ("response.incomplete", "cancelled")
    assert len(whole) == (SOME + 2 if before else 3)
    assert (await state(works, request_id))[0] == State.CANCELED


async def test_a_stop_breaks_off_what_was_shown_and_leaves_the_rest(
    database: Database, upstream: FakeUpstream
) -> None:
    upstream.push(broken_off(SOME), broken_off(1))
    works, account = await start(database, upstream)
    async with works.process(drain=0.1):
        shown_of = await works.background(account)
        await until_kept(works, shown_of, SOME)
        other = await works.background(account)
        await works.until(lambda: len(upstream.posts) == 2, "the other one is run too")
    assert await state(works, shown_of) == (State.FAILED, 1)
    assert await state(works, other) == (State.PENDING, 2)
    upstream.push(GOOD)
    async with works.process() as process:
        assert shown(await read(process, shown_of))[-1]["response"]["status"] == "failed"
        assert shown(await read(process, other))[-1]["response"]["status"] == "completed"


async def test_a_call_that_another_process_has_taken_is_let_go(
    database: Database, upstream: FakeUpstream
) -> None:
    upstream.push(stream_reply(SAID[:SOME] + [SAID[SOME - 1]] * 400, gap=0.02))
    works, account = await start(database, upstream)
    async with works.process() as process:
        request_id = await works.background(account)
        await until_kept(works, request_id, SOME)
        await works.store.rescue(process.id, 10)
        last = await kept(works, request_id)
        await works.until(lambda: not upstream.open_connections, "its run is ended")
        await works.until(lambda: not process.engine.worker.in_flight, "and forgotten")
        assert await kept(works, request_id) == last
        assert shown(await read(process, request_id))[-1]["sequence_number"] == last + 1
    assert await state(works, request_id) == (State.FAILED, 1)


async def test_a_whole_answer_is_unfolded(database: Database, upstream: FakeUpstream) -> None:
    upstream.push(json_reply(response("up", "Hello you")))
    works, account = await start(database, upstream)
    async with works.process() as process:
        request_id = await works.background(account)
        whole = shown(await read(process, request_id))
    assert [one["delta"] for one in whole if one["type"] == "response.output_text.delta"] == ["Hello you"]
    assert whole[-1]["type"] == "response.completed"


def deltas(count: int, size: int) -> list[bytes]:
    """The model server's events with so many deltas of so many letters."""
    delta = {"type": "response.output_text.delta", "item_id": "m", "output_index": 0, "content_index": 0}
    return [*SAID[:4], *frames([delta | {"delta": "x" * size}] * count, named=True, done=False), *SAID[SOME:]]


async def test_a_log_that_is_too_large_keeps_its_beginning_and_its_end(
    database: Database, upstream: FakeUpstream
) -> None:
    upstream.push(stream_reply(deltas(100, 900)))
    works, account = await start(database, upstream)
    async with works.process(most=20_000) as process:
        request_id = await works.background(account)
        whole = shown(await read(process, request_id))
        assert shown(await read(process, request_id, 4)) == whole[5:]
        assert process.streams.log.counts.full == 1
    assert 10 < len(whole) < 25
    assert whole[-1]["type"] == "response.completed"


@asynccontextmanager
async def nobody_writes(database: Database) -> AsyncIterator[None]:
    """The logs can be read and not written."""
    async with database.transaction() as connection:
        await connection.execute("lock table response_events in exclusive mode")
        yield


async def test_what_cannot_be_committed_is_not_read_either(
    database: Database, upstream: FakeUpstream
) -> None:
    size, count = 8000, 2000
    upstream.push(stream_reply(deltas(count, size)))
    upstream.respond = lambda _: json_reply(chat_completion("up", "Hello."))
    works, account = await start(database, upstream)
    async with works.process(most=1 << 25) as process:
        counts = process.streams.log.counts
        async with nobody_writes(database):
            request_id = await works.background(account)
            await works.until(lambda: counts.events > BEHIND // size, "more has come than may wait")
            # Others go on, and long enough that all of it could have come.
            await works.ended(await works.batch(account, 20))
            assert counts.events < count / 4
        whole = shown(await read(process, request_id))
    assert sum(one["type"] == "response.output_text.delta" for one in whole) == count + len(WORDS) - 1


async def test_a_reader_that_stands_still_holds_little_and_misses_nothing(
    database: Database, upstream: FakeUpstream
) -> None:
    upstream.push(stream_reply(deltas(2000, 900), gap=0.0005))
    works, account = await start(database, upstream)
    async with works.process(most=1 << 24) as process:
        request_id = await works.background(account)
        with process.streams.followers.following(request_id, FIRST - 1) as slow:
            parts = await slow.next()
            quick = shown(await read(process, request_id, FIRST - 1))
            assert slow.found == []
            while found := await slow.next():
                assert sum(len(data) for _, _, data in found) <= PIECES * (PIECE + 2000)
                parts += found
    assert parts[-1][1] > 2000
    assert shown(b"".join(data for _, _, data in parts) + DONE) == quick[:-1]
