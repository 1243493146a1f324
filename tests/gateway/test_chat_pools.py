"""Chats of models with targets of both kinds: servers that know only responses, and such that know only chats."""

import msgspec
import pytest

from dwctl.requests.record import State
from dwctl.routing.snapshot import Target
from tests.fakes import shapes
from tests.fakes.answers import Answer, frames, json_reply, stream_reply
from tests.fakes.responses import ResponsesServer, events_of, response, text
from tests.gateway.house import House, chat, pool
from tests.gateway.responses_only import failed, joined, streamed, turned
from tests.gateway.test_responses import error, read_back
from tests.gateway.two import Two, said
from tests.wire.open_responses import told

RESPONSES_PATH = "/ai/v1/responses"


def mixed(two: Two) -> tuple[Target, Target]:
    """The first server knows only responses, the second one only chats."""
    two.first.respond = ResponsesServer(models=("name-one",), key="Bearer one", output=(text("one"),))
    return turned(two.one), msgspec.structs.replace(two.two, adapts_responses=True)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("chats_first", [False, True])
async def test_each_target_of_a_pool_is_asked_as_it_wants(two: Two, stream: bool, chats_first: bool) -> None:
    one, other = mixed(two)
    targets = [other, one] if chats_first else [one, other]
    servers = [two.second, two.first] if chats_first else [two.first, two.second]
    async with House(pool("m", *targets)) as house:
        first = await house.call(chat(stream=stream))
        servers[0].push(json_reply(shapes.error("no"), status=503))
        second = await house.call(chat(stream=stream))
        records = [record for record, _ in house.ledger.finished]
    texts = [(joined(each.body)["message"]["content"] if stream else said(each)) for each in (first, second)]
    assert texts == (["two", "one"] if chats_first else ["one", "two"])
    assert second.header("x-dwctl-attempts") == "2"
    assert {post.target for post in two.first.posts} == {"/v1/responses"}
    assert {post.target for post in two.second.posts} == {"/v1/chat/completions"}
    assert [record.endpoint_id for record in records] == [place.endpoint_id for place in targets]
    assert [record.state for record in records] == [State.COMPLETED] * 2


LIMITED = {"code": "rate_limit_exceeded", "message": "slow down"}


@pytest.mark.parametrize(
    "bad",
    [
        json_reply(failed()),
        streamed(failed()),
        streamed(failed(LIMITED)).joined(),
        stream_reply(frames([{"type": "error", "error": {"code": "server_error", "message": "x"}}])),
        stream_reply(frames(events_of(response(text("x")))[:2], done=False)),
        stream_reply(frames(events_of(response(text("x")))[:2], done=False)).cut(-5),
        json_reply(shapes.models(["x"])),
        json_reply(response(text("x")), compressed=True),
    ],
)
async def test_what_fails_before_it_has_told_anything_is_asked_elsewhere(two: Two, bad: Answer) -> None:
    one, other = mixed(two)
    two.first.push(bad)
    async with House(pool("m", one, other, on_status=[429, 5])) as house:
        answer = await house.call(chat(stream=True))
        record = await house.recorded()
        under_way = house.gateway.in_flight
    assert (answer.status, two.seen()) == (200, (1, 1))
    assert joined(answer.body)["message"]["content"] == "two"
    assert (record.state, record.endpoint_id, under_way) == (State.COMPLETED, other.endpoint_id, 0)


async def test_a_last_failure_is_an_error_of_its_status(two: Two) -> None:
    one, _ = mixed(two)
    two.first.push(streamed(failed(LIMITED)))
    async with House(pool("m", one, on_status=[429, 5])) as house:
        answer = await house.call(chat(stream=True))
    assert (answer.status, answer.json()["error"]["message"]) == (429, "slow down")


async def test_a_call_that_one_target_cannot_do_goes_to_another(two: Two) -> None:
    one, other = mixed(two)
    async with House(pool("m", one, other)) as house:
        answer = await house.call(chat(stop=["x"]))
        effortless = await house.call(chat(n=1, stop=[]))
    assert (said(answer), said(effortless)) == ("two", "one")
    assert two.second.posts[0].json()["stop"] == ["x"]
    assert answer.header("x-dwctl-attempts") is None
    async with House(pool("m", one)) as house:
        refused = await house.call(chat(stop=["x"]))
    assert (refused.status, error(refused.json())[2]) == (400, "stop")


async def test_tokens_are_counted_by_a_server_only_where_all_can(two: Two) -> None:
    one, other = mixed(two)
    asked = {"model": "m", "input": "Say hello."}
    for targets in ([one, other], [other, one]):
        async with House(pool("m", *targets)) as house:
            assert (await house.call(asked, f"{RESPONSES_PATH}/input_tokens")).json()["input_tokens"] > 0
    assert two.seen() == (0, 0)
    async with House(pool("m", one)) as house:
        await house.call(asked, f"{RESPONSES_PATH}/input_tokens")
    assert two.first.posts[0].target == "/v1/responses/input_tokens"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("chats_first", [False, True])
async def test_responses_of_a_mixed_pool_are_made_of_chats(two: Two, stream: bool, chats_first: bool) -> None:
    one, other = mixed(two)
    asked = {"model": "m", "input": "Say hello.", "stream": stream}
    async with House(pool("m", *([other, one] if chats_first else [one, other]))) as house:
        (two.second if chats_first else two.first).push(json_reply(shapes.error("no"), status=503))
        answer = await house.call(asked, RESPONSES_PATH)
        back = read_back(house)
    assert [len(each.posts) for each in (two.first, two.second)] == [1, 1]
    assert two.second.posts[0].target == "/v1/chat/completions"
    assert (told(answer.body)[-1]["response"] if stream else answer.json()) == back
    assert back["output"][0]["content"][0]["text"] == ("one" if chats_first else "two")
