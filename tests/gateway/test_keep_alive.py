"""While a model server's stream is silent, the client hears that it lives: whole comments, and none in the record."""

from typing import Any

import pytest

from dwctl.core.settings import Duration
from dwctl.gateway.settings import GatewaySettings, UpstreamSettings
from dwctl.requests.record import State
from dwctl.routing.snapshot import Model
from tests.fakes import shapes
from tests.fakes.answers import (
    DONE,
    HANG,
    KEEP_ALIVE,
    Answer,
    Framing,
    Hang,
    Pause,
    frames,
    reply,
    stream_reply,
)
from tests.fakes.upstream import FakeUpstream
from tests.gateway.house import CHAT, House, bearer, chat, encoded, model, pool, target

MESSAGES = "/ai/v1/messages"
TOKENS = frames(shapes.chat_chunks("fake-model", ["a", "b"]))


def house_with(wanted: Model, every: float, **limits: Any) -> House:
    """A gateway that lets a stream be silent for so many seconds."""
    settings = GatewaySettings(stream_keep_alive=Duration(every), upstream=UpstreamSettings(**limits))
    return House(wanted, settings=settings)


def hanging(events: list[bytes]) -> Answer:
    """A stream that says no more after these, and does not end."""
    return Answer((*stream_reply(events).steps[:-1], Hang()))


@pytest.mark.parametrize("pooled", [False, True])
async def test_a_silent_stream_is_kept_alive_and_nothing_of_it_is_recorded(
    upstream: FakeUpstream, pooled: bool
) -> None:
    upstream.push(hanging(TOKENS[:1]))
    place = target(upstream.url)
    wanted = pool("m", place, place) if pooled else model("m", place)
    async with house_with(wanted, 0.05) as house:
        async with house.wire() as wire:
            wire.send(CHAT, encoded(chat(stream=True)), bearer())
            assert (await wire.answer(head_only=True)).status == 200
            first = await wire.chunk()
            assert first.startswith(b'data: {"id":"resp_')
            assert [await wire.chunk() for _ in range(3)] == [KEEP_ALIVE] * 3
        record = await house.recorded()

    assert house.ledger.finished[0][1] == first
    assert record.response_size == len(first)


async def test_half_an_event_stays_here_while_the_client_is_kept_alive(upstream: FakeUpstream) -> None:
    upstream.push(hanging([TOKENS[0], TOKENS[1][:30]]))
    async with house_with(model("m", target(upstream.url)), 0.05) as house, house.wire() as wire:
        wire.send(CHAT, encoded(chat(stream=True)), bearer())
        await wire.answer(head_only=True)
        await wire.chunk()
        assert [await wire.chunk() for _ in range(2)] == [KEEP_ALIVE] * 2


async def test_a_comment_stands_between_two_events(upstream: FakeUpstream) -> None:
    head, first, second, *rest = stream_reply(TOKENS).steps
    assert isinstance(second, bytes)
    upstream.push(Answer((head, first, second[:20], Pause(2.5), second[20:], *rest)))
    async with house_with(model("m", target(upstream.url)), 0.05) as house:
        answer = await house.call(chat(stream=True))
    assert KEEP_ALIVE in answer.body
    assert house.ledger.finished[0][1] == answer.body.replace(KEEP_ALIVE, b"")
    assert all(chunk.endswith(b"\n\n") for chunk in answer.chunks)


async def test_events_that_drip_in_are_whole_between_the_comments(upstream: FakeUpstream) -> None:
    upstream.push(stream_reply(TOKENS).in_pieces(23, gap=0.03), stream_reply(TOKENS))
    async with house_with(model("m", target(upstream.url)), 0.02) as house:
        dripped, plain = [await house.call(chat(stream=True)) for _ in range(2)]
        await house.recorded(2)
    kept = [record.id.encode() for record, _ in house.ledger.finished]
    assert all(chunk.endswith(b"\n\n") for chunk in dripped.chunks)
    assert dripped.body.replace(KEEP_ALIVE, b"") == plain.body.replace(kept[1], kept[0])
    assert house.ledger.finished[0][1] == dripped.body.replace(KEEP_ALIVE, b"")


async def test_a_message_is_kept_alive_by_its_own_event(upstream: FakeUpstream) -> None:
    asked = {"model": "m", "max_tokens": 9, "stream": True, "messages": [{"role": "user", "content": "hi"}]}
    upstream.push(hanging(TOKENS[:1]))
    async with house_with(model("m", target(upstream.url)), 0.05) as house, house.wire() as wire:
        wire.send(MESSAGES, encoded(asked), bearer())
        assert (await wire.answer(head_only=True)).status == 200
        assert (await wire.chunk()).startswith(b"event: message_start\n")
        assert [await wire.chunk() for _ in range(2)] == [b'event: ping\ndata: {"type":"ping"}\n\n'] * 2


async def test_nothing_is_said_when_it_is_off(upstream: FakeUpstream) -> None:
    upstream.push(hanging(TOKENS[:1]))
    async with house_with(model("m", target(upstream.url)), 0, idle_timeout=1.4) as house:
        answer = await house.call(chat(stream=True))
    assert KEEP_ALIVE not in answer.body
    assert b'"error"' in answer.body


async def test_nothing_is_said_before_the_model_server_has_begun(upstream: FakeUpstream) -> None:
    upstream.push(HANG)
    async with house_with(model("m", target(upstream.url)), 0.02, first_byte_timeout=1.4) as house:
        answer = await house.call(chat(stream=True))
    assert answer.status == 504
    assert KEEP_ALIVE not in answer.body


async def test_nothing_is_said_behind_the_last_event(upstream: FakeUpstream) -> None:
    upstream.push(hanging(TOKENS))
    async with house_with(model("m", target(upstream.url)), 0.02, idle_timeout=1.4) as house:
        answer = await house.call(chat(stream=True))
        record = await house.recorded()
    assert answer.body.endswith(DONE)
    assert record.state == State.COMPLETED


@pytest.mark.parametrize("headers", [[], [("content-encoding", "gzip")]])
async def test_what_is_no_readable_stream_of_events_is_left_alone(
    upstream: FakeUpstream, headers: list[tuple[str, str]]
) -> None:
    parts = [b'{"id":"x",', b'"choices":[]', b"}"]
    if headers:
        upstream.push(stream_reply(parts, headers=headers, gap=1.2))
    else:
        kind = [("content-type", "application/json")]
        upstream.push(reply(parts, headers=kind, framing=Framing.CHUNKED, gap=1.2))
    async with house_with(model("m", target(upstream.url)), 0.02) as house:
        answer = await house.call(chat(stream=True))
    assert answer.body.endswith(b'"choices":[]}')
    assert b"keep-alive" not in answer.body


async def test_nothing_more_is_held_for_a_client_that_reads_nothing(upstream: FakeUpstream) -> None:
    """Another silent stream tells that time goes on meanwhile."""
    event = b'data: {"id":"chatcmpl-1","choices":[{"delta":{"content":"%b"}}]}\n\n' % (b"x" * 65536)
    upstream.push(stream_reply([event] * 512), hanging(TOKENS[:1]))

    def held(house: House) -> int:
        sizes = (
            one.transport.get_write_buffer_size() for one in house.listener._connections if one.transport
        )
        return max(sizes, default=0)

    async with house_with(model("m", target(upstream.url)), 0.02) as house:
        async with house.wire() as slow, house.wire() as silent:
            slow.pause()
            slow.send(CHAT, encoded(chat(stream=True)), bearer())
            await house.until(lambda: held(house) > 65536, "the client is waited for")
            silent.send(CHAT, encoded(chat(stream=True)), bearer())
            await silent.answer(head_only=True)
            await silent.chunk()
            # By then all buffers on the way are full.
            assert [await silent.chunk() for _ in range(3)] == [KEEP_ALIVE] * 3
            before = held(house)
            assert [await silent.chunk() for _ in range(5)] == [KEEP_ALIVE] * 5
            assert held(house) == before < 16 * len(event)
        await house.recorded(2)
