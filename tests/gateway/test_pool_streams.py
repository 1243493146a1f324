"""Streams from a model with several targets: an error at the beginning is seen before the client sees anything."""

import pytest

from dwctl.requests.record import State
from tests.fakes.answers import KEEP_ALIVE, Answer, Hang, frames, stream_reply
from tests.fakes.model import ModelServer
from tests.fakes.shapes import chat_chunks
from tests.gateway.house import CHAT, House, bearer, chat, encoded, pool, upstream_settings
from tests.gateway.two import Two, metric, said

ERROR = {"error": {"message": "no capacity", "type": "server_error", "code": 503}}
FAILED = frames([ERROR])
TOKENS = frames(chat_chunks("name-one", ["a", "b"]))


def hanging(answer: Answer) -> Answer:
    """The beginning of a stream that never ends."""
    return Answer((*answer.steps[:-1], Hang()))


@pytest.mark.parametrize(
    "bad",
    [
        stream_reply(FAILED),
        stream_reply([KEEP_ALIVE, KEEP_ALIVE, KEEP_ALIVE, *FAILED]),
        stream_reply([KEEP_ALIVE, *FAILED]).in_pieces(3),
        stream_reply([b"event: error\r\n" + FAILED[0].replace(b"\n", b"\r\n")]),
        hanging(stream_reply(FAILED)),
        stream_reply(FAILED).joined(),
        stream_reply([KEEP_ALIVE]).cut(-5),
    ],
)
async def test_a_stream_that_begins_with_an_error_is_asked_elsewhere(two: Two, bad: Answer) -> None:
    two.first.push(bad)
    async with House(pool("m", two.one, two.two)) as house:
        answer = await house.call(chat(stream=True))
        record = await house.recorded()
    assert (answer.status, two.seen()) == (200, (1, 1))
    assert b"no capacity" not in answer.body
    assert b'"content":"two"' in answer.body
    assert answer.body.endswith(b"data: [DONE]\n\n")
    assert (record.state, record.endpoint_id) == (State.COMPLETED, two.two.endpoint_id)


@pytest.mark.parametrize("ends", [True, False])
async def test_a_last_stream_that_begins_with_an_error_is_an_error(two: Two, ends: bool) -> None:
    bad = stream_reply([KEEP_ALIVE, *FAILED])
    for server in (two.first, two.second):
        server.push(bad if ends else hanging(bad))
    async with House(pool("m", two.one, two.two)) as house:
        answer = await house.call(chat(stream=True))
        record = await house.recorded()
    assert (answer.status, answer.json()) == (503, ERROR)
    assert answer.header("content-type") == "application/json"
    assert (record.state, record.status_code) == (State.FAILED, 503)


@pytest.mark.parametrize(
    ("events", "why"),
    [
        ([KEEP_ALIVE, *TOKENS], "a token"),
        ([*[KEEP_ALIVE] * 4, *FAILED], "four comments"),
        ([TOKENS[0], *FAILED], "an error later on"),
        (frames([{"error": {"message": "x", "code": 400}}]), "a code that is not listed"),
        (frames([{"error": {"message": "x", "code": "overloaded"}}]), "a code that is no number"),
    ],
)
async def test_what_has_begun_otherwise_is_the_answer(two: Two, events: list[bytes], why: str) -> None:
    two.first.push(stream_reply(events))
    async with House(pool("m", two.one, two.two)) as house:
        answer = await house.call(chat(stream=True))
    assert (answer.status, two.seen()) == (200, (1, 0)), why
    assert answer.body.startswith(events[0][:8])


async def test_a_stream_that_only_keeps_alive_is_handed_over_after_a_while(two: Two) -> None:
    two.first.push(stream_reply([KEEP_ALIVE, *TOKENS], gap=2.3))
    async with House(pool("m", two.one, two.two)) as house, house.wire() as wire:
        wire.send(CHAT, encoded(chat(stream=True)), bearer())
        assert (await wire.answer(head_only=True)).status == 200
        assert not two.first.posts[0].answered


async def test_nothing_is_sent_again_after_the_first_byte(two: Two) -> None:
    two.first.push(stream_reply(TOKENS[:1]).cut(-5), hanging(stream_reply(TOKENS[:1])))
    settings = upstream_settings(idle_timeout=0.2)
    async with House(pool("m", two.one, two.two), settings=settings) as house:
        for status in (502, 504):
            answer = await house.call(chat(stream=True))
            assert answer.status == 200
            assert b'"role":"assistant"' in answer.body
            assert b'"error"' in answer.body
            record = await house.recorded(1 if status == 502 else 2)
            assert (record.state, record.status_code) == (State.FAILED, status)
        assert two.seen() == (2, 0)
        assert metric(house, "dwctl_gateway_retries_total", model="m", reason="network") == 0


async def test_usage_that_was_asked_for_in_the_clients_place_stays_hidden(two: Two) -> None:
    two.first.push(stream_reply(FAILED))
    two.second.respond = ModelServer(models=("name-two",))
    async with House(pool("m", two.one, two.two)) as house:
        answer = await house.call(chat(stream=True))
        record = await house.recorded()
    assert b'"choices":[]' not in answer.body
    assert record.total_tokens


async def test_a_stream_counts_as_load_until_its_end_or_until_the_client_leaves(two: Two) -> None:
    two.first.push(stream_reply(TOKENS), hanging(stream_reply(TOKENS[:1])))
    balanced = pool("m", two.one, two.two, strategy="weighted_random")
    async with House(pool("first", two.one, two.two), balanced) as house:
        await house.call(chat("first", stream=True))
        async with house.wire() as wire:
            wire.send(CHAT, encoded(chat("first", stream=True)), bearer())
            assert (await wire.answer(head_only=True)).status == 200
            for _ in range(5):
                assert said(await house.call(chat())) == "two"
        await house.recorded(7)
        await until_asked(house, two)


async def until_asked(house: House, two: Two) -> None:
    """Call until the first one answers, as it does for every other call when both are idle."""
    before = len(two.first.posts)
    for _ in range(100):
        await house.call(chat())
        if len(two.first.posts) > before:
            return
    raise AssertionError("the first target gets no calls any more")
