"""Chats on models whose servers know only `/v1/responses`."""

import msgspec
import pytest

from dwctl.core.ids import new_uuid
from dwctl.core.settings import Duration
from dwctl.gateway.settings import GatewaySettings
from dwctl.requests.record import State
from dwctl.routing.limits import Limits
from dwctl.wire.reasoning import reasoning_of
from tests.fakes import shapes
from tests.fakes.answers import (
    HANG,
    KEEP_ALIVE,
    Answer,
    Hang,
    bad_gateway_page,
    frames,
    json_reply,
    stream_reply,
    too_many_requests,
)
from tests.fakes.responses import called, events_of, response, text, thought, usage
from tests.fakes.shapes import Json
from tests.fakes.upstream import FakeUpstream
from tests.gateway.house import CHAT, House, bearer, chat, encoded, model, pool, upstream_settings
from tests.gateway.provider import objects
from tests.gateway.responses_only import FAILED, failed, joined, responses_only, streamed
from tests.gateway.test_errands import Runner, errand
from tests.gateway.test_errands import house as hidden_house
from tests.gateway.test_responses import error, read_back
from tests.gateway.till import PRICE, Till, tariffs
from tests.gateway.two import said

MESSAGES_PATH, RESPONSES_PATH = "/ai/v1/messages", "/ai/v1/responses"
TEXT = "Hello from the fake model."
ITEM = {"type": "message", "role": "user", "content": "Say hello."}
SENT: Json = {"model": "fake-model", "input": [ITEM], "store": False}


async def test_a_chat_is_a_response_upstream(upstream: FakeUpstream) -> None:
    async with House(responses_only(upstream)) as house:
        answer = await house.call(chat(max_tokens=64))
        record = await house.recorded()
        body = house.ledger.finished[0][1]
        back = read_back(house)
    seen = upstream.posts[0]
    assert (seen.target, seen.json()) == ("/v1/responses", {**SENT, "max_output_tokens": 64})
    found = answer.json()
    assert found["object"] == "chat.completion"
    assert answer.header("x-onwards-response-id") == found["id"] == f"resp_{record.id}"
    assert found["choices"][0]["message"] == {"role": "assistant", "content": TEXT}
    assert found["choices"][0]["finish_reason"] == "stop"
    assert (found["usage"]["prompt_tokens"], found["usage"]["completion_tokens"]) == (9, 5)
    # The row: what the client asked and got.
    assert record.path == "/v1/chat/completions"
    assert house.ledger.started[0][1] == encoded(chat(max_tokens=64))
    assert body == answer.body
    assert (record.state, record.total_tokens, record.finish_reason) == (State.COMPLETED, 14, "stop")
    assert back["output"][0]["content"][0]["text"] == TEXT


@pytest.mark.parametrize("usage_asked", [False, True])
async def test_a_chat_is_streamed(upstream: FakeUpstream, usage_asked: bool) -> None:
    asked = chat(stream=True, stream_options={"include_usage": usage_asked})
    async with House(responses_only(upstream)) as house:
        answer = await house.call(asked)
        record = await house.recorded()
    assert upstream.posts[0].json() == {**SENT, "stream": True}
    assert (answer.header("content-type") or "").startswith("text/event-stream")
    assert answer.body.endswith(b"data: [DONE]\n\n")
    found = joined(answer.body)
    assert (found["message"], found["finish_reason"]) == ({"role": "assistant", "content": TEXT}, "stop")
    assert (found["usage"] is not None) == usage_asked
    assert {chunk["id"] for chunk in objects(answer.body)} == {f"resp_{record.id}"}
    assert (record.state, record.total_tokens, record.finish_reason) == (State.COMPLETED, 14, "stop")
    assert not record.estimated


@pytest.mark.parametrize("stream", [False, True])
async def test_all_that_a_response_says_is_told(upstream: FakeUpstream, stream: bool) -> None:
    calls = [called("c1", "f", '{"a":1}'), called("c2", "g", "{}")]
    counted = usage(100, 50, cached=64, reasoning=32)
    server = {"output": (thought("Hmm."), text("Wait."), *calls), "more": {"usage": counted}}
    asked = chat(stream=stream, stream_options={"include_usage": True} if stream else None)
    async with House(responses_only(upstream, **server)) as house:
        answer = await house.call(asked)
        record = await house.recorded()
        back = read_back(house)
    if stream:
        found = joined(answer.body)
        made = [(call["id"], call["name"], call["arguments"]) for call in found["message"]["tool_calls"]]
    else:
        choice = answer.json()["choices"][0]
        found = {**choice, "usage": answer.json()["usage"]}
        made = [(call["id"], *call["function"].values()) for call in choice["message"]["tool_calls"]]
    assert (found["message"]["reasoning_content"], found["message"]["content"]) == ("Hmm.", "Wait.")
    assert made == [("c1", "f", '{"a":1}'), ("c2", "g", "{}")]
    assert found["finish_reason"] == "tool_calls"
    assert found["usage"]["prompt_tokens_details"]["cached_tokens"] == 64
    assert found["usage"]["completion_tokens_details"]["reasoning_tokens"] == 32
    assert (record.prompt_tokens, record.completion_tokens) == (100, 50)
    assert (record.cached_tokens, record.reasoning_tokens) == (64, 32)
    assert [item["type"] for item in back["output"]] == ["reasoning", "message", *["function_call"] * 2]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("reason", "finish"), [("max_output_tokens", "length"), ("content_filter", "content_filter")]
)
async def test_an_incomplete_response_says_why(
    upstream: FakeUpstream, stream: bool, reason: str, finish: str
) -> None:
    more = {"status": "incomplete", "incomplete_details": {"reason": reason}}
    async with House(responses_only(upstream, more=more)) as house:
        answer = await house.call(chat(stream=stream))
        record = await house.recorded()
    choice = joined(answer.body) if stream else answer.json()["choices"][0]
    assert (choice["finish_reason"], choice["message"]["content"]) == (finish, TEXT)
    assert (record.state, record.finish_reason) == (State.COMPLETED, finish)


@pytest.mark.parametrize("size", [1, 7, 100_000])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
async def test_a_stream_in_pieces_is_the_same_stream(
    upstream: FakeUpstream, size: int, line_end: bytes
) -> None:
    events = frames(events_of(response(text("Hé llo ✓"))), named=True, line_end=line_end)
    wanted = responses_only(upstream)
    upstream.push(stream_reply(events).in_pieces(size))
    async with House(wanted) as house:
        answer = await house.call(chat(stream=True))
    assert joined(answer.body)["message"]["content"] == "Hé llo ✓"
    assert answer.body.endswith(b"data: [DONE]\n\n")


async def test_calls_of_one_connection_are_each_translated(upstream: FakeUpstream) -> None:
    async with House(responses_only(upstream)) as house, house.wire() as wire:
        for _ in range(3):
            wire.send(CHAT, encoded(chat()), bearer())
            assert said(await wire.answer()) == TEXT
    assert [post.json() for post in upstream.posts] == [SENT] * 3


async def test_other_routes_are_the_servers_own(upstream: FakeUpstream) -> None:
    async with House(responses_only(upstream)) as house:
        native = await house.call(SENT | {"model": "m"}, RESPONSES_PATH)
        unknown = await house.call({"model": "m", "input": "x"}, "/ai/v1/embeddings")
    assert native.json()["object"] == "response"
    assert (unknown.status, [post.target for post in upstream.posts]) == (
        404,
        ["/v1/responses", "/v1/embeddings"],
    )


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 2}, "n"),
        ({"stop": ["x"]}, "stop"),
        ({"seed": 1}, "seed"),
        ({"messages": [{"role": "user", "name": "Ann", "content": "x"}]}, "messages.0.name"),
        ({"background": True}, "background"),
    ],
)
async def test_what_cannot_be_translated_is_refused_by_its_field(
    upstream: FakeUpstream, fields: Json, param: str
) -> None:
    till = Till("10")
    priced = msgspec.structs.replace(responses_only(upstream), tariffs=tariffs())
    async with House(priced, funds=till.funds) as house:
        answer = await house.call(chat() | fields)
        assert house.ledger.started == []
    assert (answer.status, error(answer.json())[2]) == (400, param)
    assert f"'{param}'" in error(answer.json())[0]
    assert not upstream.posts
    assert till.reserved == 0


async def test_errors_of_the_model_server_keep_their_status_and_name_our_fields(
    upstream: FakeUpstream,
) -> None:
    wanted = responses_only(upstream)
    async with House(wanted) as house:
        small = await house.call(chat(max_tokens=2))
        newer = await house.call(chat(max_completion_tokens=2))
        upstream.push(too_many_requests("7"), bad_gateway_page())
        limited = await house.call(chat())
        page = await house.call(chat(stream=True))
        bodies = [body for _, body in house.ledger.finished]
    code = "integer_below_min_value"
    for answer, name in ((small, "max_tokens"), (newer, "max_completion_tokens")):
        text = f"Invalid '{name}': integer below minimum value."
        assert (answer.status, error(answer.json())) == (400, (text, "invalid_request_error", name, code))
    assert (limited.status, limited.header("retry-after")) == (429, "7")
    assert (page.status, error(page.json())[1]) == (502, "server_error")
    assert bodies == [small.body, newer.body, limited.body, page.body]


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (FAILED, 500),
        ({"code": "rate_limit_exceeded", "message": "m"}, 429),
        ({"code": "invalid_prompt"}, 400),
    ],
)
async def test_a_response_that_failed_is_an_error(upstream: FakeUpstream, failure: Json, status: int) -> None:
    wanted = responses_only(upstream)
    upstream.push(json_reply(failed(failure)), streamed(failed(failure)))
    async with House(wanted) as house:
        answer = await house.call(chat())
        stream = await house.call(chat(stream=True))
        records = [record for record, _ in house.ledger.finished]
    assert (answer.status, error(answer.json())[3]) == (status, failure["code"])
    *_, last = objects(stream.body)
    assert last["error"]["code"] == str(status)
    assert [record.state for record in records] == [State.FAILED] * 2
    assert records[0].status_code == status


async def test_a_stream_that_fails_in_its_middle_is_charged_for_what_it_used(upstream: FakeUpstream) -> None:
    till = Till("10")
    wanted = msgspec.structs.replace(responses_only(upstream), tariffs=tariffs())
    ended = failed(output=[text("abcdef")], usage=usage(7, 3))
    upstream.push(streamed(ended))
    async with House(wanted, funds=till.funds) as house:
        answer = await house.call(chat(stream=True))
        record = await house.recorded()
    assert b"out of memory" in answer.body
    assert (record.state, record.total_tokens, record.cost) == (State.FAILED, 10, PRICE * 10)
    assert till.charged == record.cost
    assert till.reserved == 0


@pytest.mark.parametrize("compressed", [False, True])
async def test_an_answer_that_is_no_response_is_an_error(upstream: FakeUpstream, compressed: bool) -> None:
    wanted = responses_only(upstream)
    upstream.push(
        json_reply(response(text("x")) if compressed else shapes.models(["x"]), compressed=compressed)
    )
    async with House(wanted) as house:
        answer = await house.call(chat())
        record = await house.recorded()
    assert (answer.status, error(answer.json())[1]) == (502, "server_error")
    assert (record.status_code, record.state) == (502, State.FAILED)


async def test_an_answer_that_is_too_large_to_be_read_is_an_error(upstream: FakeUpstream) -> None:
    wanted = responses_only(upstream, output=(text("x" * 5000),))
    async with House(wanted, settings=upstream_settings(max_reply_bytes=1024)) as house:
        answer = await house.call(chat())
    assert (answer.status, error(answer.json())[3]) == (502, "upstream_error")


@pytest.mark.parametrize("ends", [False, True])
async def test_a_stream_that_breaks_off_fails(upstream: FakeUpstream, ends: bool) -> None:
    wanted = responses_only(upstream)
    begun = stream_reply(frames(events_of(response(text(TEXT)))[:7], named=True, done=False))
    upstream.push(begun if ends else begun.cut(-5))
    async with House(wanted) as house:
        answer = await house.call(chat(stream=True))
        record = await house.recorded()
    *chunks, last = objects(answer.body)
    assert "".join(chunk["choices"][0]["delta"]["content"] for chunk in chunks) == TEXT[:9]
    assert last["error"]["code"] == "upstream_error"
    assert b"[DONE]" not in answer.body
    assert (record.state, record.status_code, record.estimated) == (State.FAILED, 502, True)


async def test_a_stream_may_be_cut_anywhere(upstream: FakeUpstream) -> None:
    """However far it came: the client has the beginning of the answer, and knows whether that is all."""
    wanted = responses_only(upstream)
    whole = streamed(response(text("abcdef"), called("c", "f", "{}")), size=6)
    cuts = range(0, whole.size(), 41)
    async with House(wanted) as house:
        for count, at in enumerate(cuts, 1):
            upstream.push(whole.cut(at))
            answer = await house.call(chat(stream=True))
            record = await house.recorded(count)
            done = answer.body.endswith(b"data: [DONE]\n\n")
            assert done == (record.state == State.COMPLETED)
            if answer.status != 200:
                assert answer.status == 502
                continue
            *chunks, last = objects(answer.body)
            assert ("error" in last) != done
            content = "".join(
                choice["delta"].get("content", "") for chunk in chunks for choice in chunk["choices"]
            )
            assert "abcdef".startswith(content)


async def test_an_upstream_that_is_late_is_told_before_anything_began(upstream: FakeUpstream) -> None:
    wanted = responses_only(upstream)
    upstream.push(HANG)
    slow = upstream_settings(first_byte_timeout=Duration(0.05))
    async with House(wanted, settings=slow) as house:
        late = await house.call(chat(stream=True))
    assert (late.status, error(late.json())[3]) == (504, "gateway_timeout")


async def test_a_silent_stream_is_kept_alive_by_comments(upstream: FakeUpstream) -> None:
    wanted = responses_only(upstream)
    begun = stream_reply(frames(events_of(response(text("x")))[:2], named=True, done=False))
    upstream.push(Answer((*begun.steps[:-1], Hang())))
    settings = GatewaySettings(stream_keep_alive=Duration(0.05))
    async with House(wanted, settings=settings) as house, house.wire() as wire:
        wire.send(CHAT, encoded(chat(stream=True)), bearer())
        assert (await wire.answer(head_only=True)).status == 200
        assert [await wire.chunk() for _ in range(2)] == [KEEP_ALIVE] * 2


async def test_comments_of_the_server_reach_the_client(upstream: FakeUpstream) -> None:
    wanted = responses_only(upstream)
    begun = [b": a line of its own\n" + frame for frame in frames(events_of(response(text("x"))), named=True)]
    upstream.push(stream_reply([*begun[:2], KEEP_ALIVE, *begun[2:], KEEP_ALIVE]))
    async with House(wanted) as house:
        answer = await house.call(chat(stream=True))
    assert answer.body.startswith(KEEP_ALIVE)
    assert joined(answer.body)["message"]["content"] == "x"


async def test_a_client_that_leaves_ends_the_call_upstream(upstream: FakeUpstream) -> None:
    wanted = responses_only(upstream)
    begun = stream_reply(frames(events_of(response(text("abc")))[:5], named=True, done=False))
    upstream.push(Answer((*begun.steps[:-1], Hang())))
    async with House(wanted) as house:
        async with house.wire() as wire:
            wire.send(CHAT, encoded(chat(stream=True)), bearer())
            await wire.answer(head_only=True)
            await wire.chunk()
        record = await house.recorded()
        await house.until(lambda: upstream.posts[0].left_early, "the gateway hangs up")
    assert (record.status_code, record.estimated) == (499, True)


@pytest.mark.parametrize("stream", [False, True])
async def test_what_was_used_is_paid_once(upstream: FakeUpstream, stream: bool) -> None:
    till = Till("10")
    wanted = msgspec.structs.replace(responses_only(upstream), tariffs=tariffs())
    async with House(wanted, funds=till.funds) as house:
        await house.call(chat(stream=stream))
        record = await house.recorded()
    assert record.cost == PRICE * 14
    assert till.charged == record.cost
    assert till.reserved == 0


async def test_limits_hold(upstream: FakeUpstream) -> None:
    limits = Limits.of("model:m", 1, 1, None, None, None)
    async with House(msgspec.structs.replace(responses_only(upstream), limits=limits)) as house:
        first = await house.call(chat())
        second = await house.call(chat())
    assert (first.status, second.status) == (200, 429)


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("stream", [False, True])
async def test_only_what_is_sanitised_is_told(upstream: FakeUpstream, strict: bool, stream: bool) -> None:
    wanted = msgspec.structs.replace(responses_only(upstream), sanitize=True)
    async with House(wanted, strict=strict) as house:
        answer = await house.call(chat(stream=stream))
        upstream.push(json_reply(shapes.error("acme: node gpu-7"), status=500))
        masked = await house.call(chat())
        upstream.push(streamed(failed({"code": "rate_limit_exceeded", "message": "acme"})))
        within = await house.call(chat(stream=True))
    found = joined(answer.body) if stream else answer.json()["choices"][0]
    assert found["message"]["content"] == TEXT
    assert b"fake-model" not in answer.body
    assert masked.status == 500
    assert b"acme" not in masked.body + within.body
    assert objects(within.body)[-1]["error"]["code"] == "429"


EFFORT = reasoning_of(
    {
        "responses": {
            "writes": [{"target": "/reasoning/max_tokens", "values": {"low": 32}}],
            "unsupported_efforts": ["none", "minimal", "medium", "high", "xhigh", "max"],
        }
    }
)


async def test_effort_is_said_as_the_target_wants_it(upstream: FakeUpstream) -> None:
    place = msgspec.structs.replace(responses_only(upstream).targets[0], reasoning=EFFORT)
    for wanted in (model("m", place), pool("m", place)):
        upstream.forget(lambda _: json_reply(response(text("x"))))
        async with House(wanted) as house:
            assert (await house.call(chat(reasoning_effort="low", max_tokens=64))).status == 200
            refused = await house.call(chat(reasoning_effort="high", max_tokens=64))
            unlimited = await house.call(chat(reasoning_effort="low"))
        sent = {**SENT, "max_output_tokens": 64, "reasoning": {"max_tokens": 32}}
        assert [post.json() for post in upstream.posts] == [sent]
        assert (refused.status, error(refused.json())[2]) == (400, "reasoning_effort")
        assert "'reasoning_effort'" in error(refused.json())[0]
        assert (unlimited.status, error(unlimited.json())[2]) == (422, "max_tokens")


@pytest.mark.parametrize("stream", [False, True])
async def test_messages_are_answered_too(upstream: FakeUpstream, stream: bool) -> None:
    asked = {"model": "m", "max_tokens": 64, "messages": [{"role": "user", "content": "Say hello."}]}
    async with House(responses_only(upstream)) as house:
        answer = await house.call(asked | {"stream": stream}, MESSAGES_PATH)
        refused = await house.call(asked | {"stop_sequences": ["x"]}, MESSAGES_PATH)
        record = house.ledger.finished[0][0]
    assert upstream.posts[0].target == "/v1/responses"
    assert TEXT in (answer.json()["content"][0]["text"] if not stream else _message(answer.body))
    assert (record.state, record.total_tokens) == (State.COMPLETED, 14)
    assert (refused.status, refused.json()["error"]["type"]) == (400, "invalid_request_error")
    assert "'stop_sequences'" in refused.json()["error"]["message"]


def _message(body: bytes) -> str:
    """The text of a streamed message."""
    return "".join(event["delta"].get("text", "") for event in objects(body) if "delta" in event)


@pytest.mark.parametrize("streamable", [(), ("/v1/chat/completions",)])
async def test_queued_work_is_translated_too(upstream: FakeUpstream, streamable: tuple[str, ...]) -> None:
    ident = new_uuid()
    async with hidden_house(responses_only(upstream)) as house:
        runner = Runner(house, streamable)
        came = await runner.run(errand(id=ident, body=encoded(chat())))
        two = await runner.run(errand(id=new_uuid(), body=encoded(chat(n=2))))
    assert upstream.posts[0].target == "/v1/responses"
    assert came.json()["choices"][0]["message"]["content"] == TEXT
    assert (came.record.state, came.record.total_tokens) == (State.COMPLETED, 14)
    assert (two.record.state, two.record.status_code) == (State.FAILED, 400)
    assert two.json()["error"]["param"] == "n"
