"""A stream whose model server is silent: comments for whoever stands between, and nothing else changes."""

from typing import Any

import msgspec
import pytest

from dwctl.core.settings import Duration
from dwctl.gateway.settings import GatewaySettings, UpstreamSettings
from dwctl.routing.snapshot import Model
from dwctl.wire.sse import data_of, events
from tests.fakes import shapes
from tests.fakes.answers import HANG, Answer, Hang, Pause, frames, stream_reply
from tests.fakes.upstream import FakeUpstream
from tests.gateway.house import CHAT, House, bearer, chat, encoded, model, pool, target

COMMENT = b": keep-alive\n\n"
FRAMES = frames(shapes.chat_chunks("fake-model", ["a", "b"]))
WHOLE = stream_reply(FRAMES)
SILENT = Answer((*WHOLE.steps[:2], Hang()))
"""A head and one event, then nothing."""


def settings(every: float, **upstream: Any) -> GatewaySettings:
    """A comment after so many seconds."""
    return GatewaySettings(stream_keep_alive=Duration(every), upstream=UpstreamSettings(**upstream))


def hosts(upstream: FakeUpstream) -> list[Model]:
    """A model, and a pool, of the same server."""
    return [model("m", target(upstream.url)), pool("p", target(upstream.url))]


@pytest.mark.parametrize("alias", ["m", "p"])
async def test_comments_come_while_nothing_else_does_and_are_in_no_row(
    upstream: FakeUpstream, alias: str
) -> None:
    upstream.push(SILENT)
    async with House(*hosts(upstream), settings=settings(0.05)) as house, house.wire() as wire:
        wire.send(CHAT, encoded(chat(alias, stream=True)), bearer())
        assert (await wire.answer(head_only=True)).status == 200
        first = await wire.chunk()
        assert [await wire.chunk() for _ in range(3)] == [COMMENT] * 3
        wire.writer.transport.abort()
        record = await house.recorded()

    assert msgspec.json.decode(data_of(first))["choices"][0]["delta"]["content"] == ""
    assert house.ledger.finished[0][1] == first
    assert record.response_size == len(first)


async def test_a_comment_stands_between_two_events(upstream: FakeUpstream) -> None:
    head, first, second, *rest = WHOLE.steps
    assert isinstance(second, bytes)
    upstream.push(Answer((head, first, second[:20], Pause(2.5), second[20:], *rest)))
    async with House(*hosts(upstream), settings=settings(0.05)) as house:
        answer = await house.call(chat(stream=True))

    seen = [event for event in events(answer.body) if event != COMMENT]
    assert len(seen) < len(list(events(answer.body)))
    assert house.ledger.finished[0][1] == b"".join(seen)
    said = [msgspec.json.decode(data) for data in map(data_of, seen) if data.startswith(b"{")]
    meant = [msgspec.json.decode(data) for data in map(data_of, FRAMES) if data.startswith(b"{")]
    assert [each["choices"] for each in said] == [each["choices"] for each in meant]


async def test_there_is_none_where_it_is_turned_off(upstream: FakeUpstream) -> None:
    upstream.push(SILENT)
    async with House(*hosts(upstream), settings=settings(0, idle_timeout=1.4)) as house:
        answer = await house.call(chat(stream=True))

    assert b"upstream_timeout" in answer.body or b"gateway_timeout" in answer.body
    assert COMMENT not in answer.body


async def test_there_is_none_before_the_servers_head(upstream: FakeUpstream) -> None:
    upstream.push(HANG)
    async with House(*hosts(upstream), settings=settings(0.05, first_byte_timeout=1.4)) as house:
        answer = await house.call(chat(stream=True))

    assert answer.status == 504
    assert answer.header("content-type") == "application/json"
