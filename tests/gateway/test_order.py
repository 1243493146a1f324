"""Nothing goes upstream before the call's start is on disk, and no answer is complete before its end is."""

import asyncio

from tests.fakes import shapes
from tests.fakes.answers import DONE, HANG, frames, stream_reply
from tests.fakes.upstream import FakeUpstream
from tests.gateway.house import CHAT, House, bearer, chat, encoded, model, target


async def test_nothing_goes_upstream_before_the_start_is_written(upstream: FakeUpstream) -> None:
    async with House(model("m", target(upstream.url))) as house, house.wire() as wire:
        house.ledger.hold()
        wire.send(CHAT, encoded(chat()), bearer())
        await house.until(lambda: house.ledger.waiting == 1, "the call waits for the disk")
        assert len(house.ledger.started) == 1
        assert upstream.connections == 0

        house.ledger.release()
        assert (await wire.answer()).status == 200


async def test_no_byte_of_an_answer_goes_out_before_its_end_is_written(upstream: FakeUpstream) -> None:
    async with House(model("m", target(upstream.url))) as house, house.wire() as wire:
        await house.call(chat())
        wire.send(CHAT, encoded(chat()), bearer())
        await upstream.wait_for(2)
        house.ledger.hold()
        await house.until(lambda: len(house.ledger.finished) == 2, "the end is noted")
        reading = asyncio.timeout(0.05)
        try:
            async with reading:
                await wire.reader.readexactly(1)
        except TimeoutError:
            pass
        assert reading.expired()

        house.ledger.release()
        assert (await wire.answer()).status == 200


async def test_the_last_event_waits_for_the_end_to_be_written(upstream: FakeUpstream) -> None:
    *before, last = frames(shapes.chat_chunks("fake-model", ["a", "b"]))
    assert last == DONE
    upstream.push(stream_reply([b"".join(before), last], gap=0.05))
    async with House(model("m", target(upstream.url))) as house, house.wire() as wire:
        wire.send(CHAT, encoded(chat(stream=True)), bearer())
        await wire.answer(head_only=True)
        first = await wire.chunk()
        house.ledger.hold()
        assert DONE not in first
        await house.until(lambda: len(house.ledger.finished) == 1, "the end is noted")
        assert house.ledger.finished[0][1].endswith(DONE)
        await house.until(lambda: house.ledger.waiting >= 2, "the last event and the end wait for the disk")

        house.ledger.release()
        assert await wire.chunk() == DONE
        assert await wire.chunk() == b""


async def test_a_client_that_leaves_while_the_disk_is_slow_costs_no_call_upstream(
    upstream: FakeUpstream,
) -> None:
    async with House(model("m", target(upstream.url))) as house:
        house.ledger.hold()
        async with house.wire() as wire:
            wire.send(CHAT, encoded(chat()), bearer())
            await house.until(lambda: house.ledger.waiting == 1, "the call waits for the disk")
        record = await house.recorded()
        house.ledger.release()
        assert record.status_code == 499
        await house.call(chat())
        assert len(upstream.posts) == 1


async def test_every_admitted_call_ends_in_exactly_one_record(upstream: FakeUpstream) -> None:
    """Answered, streamed, refused by the upstream, given up by the client: one start and one end for each."""
    async with House(model("m", target(upstream.url))) as house:
        upstream.push(HANG)
        async with house.wire() as wire:
            wire.send(CHAT, encoded(chat()), bearer())
            await upstream.wait_for(1)
        await house.recorded(1)
        await house.call(chat())
        await house.call(chat(stream=True))
        await house.call(chat(messages=[]))
        await house.recorded(4)
        started = [record.id for record, _ in house.ledger.started]
        finished = [record.id for record, _ in house.ledger.finished]

    assert started == finished
    assert len(set(started)) == 4
    assert house.gateway.in_flight == 0
