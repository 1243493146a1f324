"""Anthropic's Messages API on a model server that speaks chat completions."""

import asyncio
from typing import Any

import msgspec
import pytest

from dwctl.core.settings import Duration
from dwctl.gateway.messages import MessagesReshape
from dwctl.gateway.reshape import Chain
from dwctl.routing.snapshot import Purpose
from dwctl.server.limits import ListenerSettings
from dwctl.wire.errors import Problem
from dwctl.wire.sse import data_of, events
from tests.fakes import shapes
from tests.fakes.answers import (
    HANG,
    bad_gateway_page,
    frames,
    json_reply,
    server_error,
    stream_reply,
    too_many_requests,
)
from tests.fakes.upstream import FakeUpstream
from tests.gateway.house import MESSAGES as CHAT_MESSAGES
from tests.gateway.house import SECRET, House, encoded, key, model, target, upstream_settings
from tests.gateway.wire import Answer

PATH = "/ai/v1/messages"
KEY = {"x-api-key": SECRET, "anthropic-version": "2023-06-01", "content-type": "application/json"}


def asked(alias: str = "m", **more: Any) -> dict[str, Any]:
    """A request."""
    return {"model": alias, "max_tokens": 64, "messages": CHAT_MESSAGES, **more}


async def ask(house: House, body: dict[str, Any] | bytes, headers: dict[str, str] | None = None) -> Answer:
    """Send it as Anthropic's clients do."""
    async with house.wire() as wire:
        wire.send(PATH, encoded(body), KEY if headers is None else headers)
        return await wire.answer()


def told(answer: Answer) -> list[dict[str, Any]]:
    """The events of a stream."""
    return [msgspec.json.decode(data_of(event)) for event in events(answer.body)]


async def test_a_message_is_a_chat_completion_upstream(upstream: FakeUpstream) -> None:
    async with House(model("m", target(upstream.url))) as house:
        async with house.wire() as wire:
            wire.send(f"{PATH}?beta=true", encoded(asked(system="Be brief.")), KEY)
            answer = await wire.answer()
        record = await house.recorded()
        stored_request, stored_reply = house.ledger.started[0][1], house.ledger.finished[0][1]

    assert answer.status == 200
    assert answer.header("x-onwards-response-id") == f"resp_{record.id}"
    assert answer.json() == {
        "id": f"msg_{record.id}",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [{"type": "text", "text": "Hello from the fake model."}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": record.prompt_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": record.completion_tokens,
        },
    }
    seen = upstream.posts[0]
    assert seen.target == "/v1/chat/completions"
    sent = [{"role": "system", "content": "Be brief."}, *CHAT_MESSAGES]
    assert seen.json() == {"model": "fake-model", "messages": sent, "max_tokens": 64}
    assert seen.header("x-api-key") is None
    # The row keeps the chat form of both sides, so that whoever reads rows knows one protocol.
    assert record.path == "/v1/chat/completions"
    assert record.request_size == len(encoded(asked(system="Be brief.")))
    assert msgspec.json.decode(stored_request) == {"model": "m", "messages": sent, "max_tokens": 64}
    assert msgspec.json.decode(stored_reply)["id"] == f"resp_{record.id}"
    assert (record.status_code, record.state, record.finish_reason) == (200, 4, "stop")


async def test_a_message_is_streamed(upstream: FakeUpstream) -> None:
    async with House(model("m", target(upstream.url))) as house:
        answer = await ask(house, asked(stream=True))
        record = await house.recorded()

    assert answer.status == 200
    assert (answer.header("content-type") or "").startswith("text/event-stream")
    found = told(answer)
    assert [event["type"] for event in found[:2]] == ["message_start", "content_block_start"]
    assert [event["type"] for event in found[-3:]] == ["content_block_stop", "message_delta", "message_stop"]
    assert found[0]["message"]["id"] == f"msg_{record.id}"
    text = "".join(event["delta"]["text"] for event in found if event["type"] == "content_block_delta")
    assert text == "Hello from the fake model."
    assert found[-2]["usage"]["output_tokens"] == record.completion_tokens
    assert upstream.posts[0].json()["stream_options"] == {"include_usage": True}
    assert record.stream
    assert house.ledger.finished[0][1].endswith(b"data: [DONE]\n\n")


async def test_the_last_event_waits_for_the_record_although_the_upstream_never_says_done(
    upstream: FakeUpstream,
) -> None:
    chunks = shapes.chat_chunks("fake-model", ["a"], usage_on_finish=True)
    upstream.push(stream_reply(frames(chunks, done=False), gap=0.01))
    async with House(model("m", target(upstream.url))) as house, house.wire() as wire:
        wire.send(PATH, encoded(asked(stream=True)), KEY)
        await wire.answer(head_only=True)
        await wire.chunk()
        house.ledger.hold()
        await house.until(lambda: len(house.ledger.finished) == 1, "the end is noted")
        await house.until(lambda: house.ledger.waiting >= 2, "the last events and the end wait for the disk")
        house.ledger.release()
        rest = b""
        while piece := await wire.chunk():
            rest += piece
    assert b"message_stop" in rest
    assert house.ledger.finished[0][0].completion_tokens == 1


@pytest.mark.parametrize(
    ("headers", "body", "status", "kind", "text"),
    [
        ({"x-api-key": "sk-wrong"}, asked(), 401, "authentication_error", "The API key is not valid."),
        ({"x-api-key": "sk-wrong"}, b"{", 401, "authentication_error", "The API key is not valid."),
        ({}, asked(), 401, "authentication_error", "No API key was sent"),
        (KEY, asked("nothing"), 404, "not_found_error", "The model 'nothing' does not exist."),
        (KEY, {"model": "m", "messages": CHAT_MESSAGES}, 400, "invalid_request_error", "max_tokens: "),
        (KEY, b"{", 400, "invalid_request_error", "body: "),
        (
            KEY,
            {**asked(), "model": None},
            400,
            "invalid_request_error",
            "Missing required parameter: 'model'",
        ),
    ],
)
async def test_a_refusal_is_in_the_clients_protocol(
    upstream: FakeUpstream, headers: dict[str, str], body: Any, status: int, kind: str, text: str
) -> None:
    async with House(model("m", target(upstream.url))) as house:
        answer = await ask(house, body, headers)
        assert house.ledger.started == []
    assert answer.status == status
    found = answer.json()
    assert (found["type"], found["error"]["type"]) == ("error", kind)
    assert found["error"]["message"].startswith(text)
    assert (answer.header("x-onwards-response-id") or "").startswith("resp_")
    assert upstream.posts == []


@pytest.mark.parametrize("purpose", ["realtime", "platform"])
async def test_the_key_may_come_as_bearer_and_must_be_for_inference(
    upstream: FakeUpstream, purpose: Purpose
) -> None:
    async with House(model("m", target(upstream.url)), keys={SECRET: key(purpose)}) as house:
        answer = await ask(house, asked(), {"authorization": f"Bearer {SECRET}"})
    assert answer.status == (200 if purpose == "realtime" else 403)
    assert answer.json()["type"] == ("message" if purpose == "realtime" else "error")


async def test_errors_of_the_model_server_are_translated_and_kept_as_told(upstream: FakeUpstream) -> None:
    upstream.push(too_many_requests("7"), server_error(503), bad_gateway_page())
    async with House(model("m", target(upstream.url))) as house:
        limited = await ask(house, asked())
        busy = await ask(house, asked())
        page = await ask(house, asked(stream=True))
        records = [record for record, _ in house.ledger.finished]
        bodies = [body for _, body in house.ledger.finished]

    assert (limited.status, limited.header("retry-after")) == (429, "7")
    assert limited.json()["error"] == {"type": "rate_limit_error", "message": "Rate limit reached."}
    assert (busy.status, busy.json()["error"]["type"]) == (529, "overloaded_error")
    assert (page.status, page.json()["error"]["type"]) == (502, "api_error")
    assert page.header("content-type") == "application/json"
    assert [(record.status_code, record.upstream_status) for record in records] == [
        (429, 429),
        (529, 503),
        (502, 502),
    ]
    assert bodies == [limited.body, busy.body, page.body]


@pytest.mark.parametrize("compressed", [False, True])
async def test_an_answer_that_is_no_chat_completion_is_an_error(
    upstream: FakeUpstream, compressed: bool
) -> None:
    body = shapes.chat_completion("fake-model", "hi") if compressed else shapes.models(["x"])
    upstream.push(json_reply(body, compressed=compressed))
    async with House(model("m", target(upstream.url))) as house:
        answer = await ask(house, asked())
        record = await house.recorded()
    assert (answer.status, answer.json()["error"]["type"]) == (502, "api_error")
    assert answer.header("content-encoding") is None
    assert (record.status_code, record.upstream_status, record.state) == (502, 200, 3)


@pytest.mark.parametrize("limit", [100, 1 << 20])
async def test_an_answer_above_the_limit_cannot_be_translated(upstream: FakeUpstream, limit: int) -> None:
    whole = json_reply(shapes.chat_completion("fake-model", "x" * 5000)).in_pieces(400, gap=0.001)
    upstream.push(whole)
    async with House(
        model("m", target(upstream.url)), settings=upstream_settings(max_reply_bytes=limit)
    ) as house:
        answer = await ask(house, asked())
    assert answer.status == (502 if limit == 100 else 200)
    assert answer.json()["type"] == ("error" if limit == 100 else "message")


async def test_a_stream_that_breaks_off_ends_with_an_error_event(upstream: FakeUpstream) -> None:
    chunks = frames(shapes.chat_chunks("fake-model", ["a", "b"]))
    upstream.push(stream_reply(chunks, gap=0.005).cut(-60))
    async with House(model("m", target(upstream.url))) as house:
        answer = await ask(house, asked(stream=True))
        record = await house.recorded()
    found = told(answer)
    assert found[0]["type"] == "message_start"
    assert found[-1]["type"] == "error"
    assert found[-1]["error"]["type"] == "api_error"
    assert record.state == 3


async def test_a_stream_without_a_reason_of_its_end_has_failed(upstream: FakeUpstream) -> None:
    upstream.push(stream_reply(frames(shapes.chat_chunks("fake-model", ["a"])[:2], done=False)))
    async with House(model("m", target(upstream.url))) as house:
        answer = await ask(house, asked(stream=True))
        record = await house.recorded()
    assert told(answer)[-1]["type"] == "error"
    assert (record.state, record.status_code) == (3, 502)


async def test_an_upstream_that_is_late_or_away_is_told_in_the_protocol(upstream: FakeUpstream) -> None:
    upstream.push(HANG)
    slow = upstream_settings(first_byte_timeout=Duration(0.05))
    async with House(model("m", target(upstream.url)), settings=slow) as house:
        late = await ask(house, asked())
    async with House(model("m", target("http://127.0.0.1:9/v1"))) as house:
        away = await ask(house, asked())
    assert (late.status, late.json()["error"]["type"]) == (504, "timeout_error")
    assert (away.status, away.json()["error"]["type"]) == (502, "api_error")


async def test_what_the_port_refuses_is_in_the_protocol_too(upstream: FakeUpstream) -> None:
    small = ListenerSettings(drain=Duration(0.2), max_body_bytes=100)
    async with House(model("m", target(upstream.url)), listener=small) as house:
        answer = await ask(house, asked(system="x" * 200))
    assert answer.status == 413
    assert answer.json()["error"]["type"] == "request_too_large"


async def test_a_client_that_leaves_ends_the_call_upstream(upstream: FakeUpstream) -> None:
    chunks = frames(shapes.chat_chunks("fake-model", ["a", "b"]))
    upstream.push(stream_reply(chunks, gap=5))
    async with House(model("m", target(upstream.url))) as house:
        async with house.wire() as wire:
            wire.send(PATH, encoded(asked(stream=True)), KEY)
            await upstream.wait_for(1)
            await asyncio.sleep(0)
        record = await house.recorded()
    assert record.status_code == 499


class Shouting:
    """A form of an answer in which every letter is large."""

    def whole(self, status: int, body: bytes) -> tuple[int, bytes]:
        """The content only, for names of fields must stay."""
        return status, body.replace(b"hello", b"HELLO")

    def feed(self, data: bytes) -> bytes:
        """Of events."""
        return data.replace(b"hello", b"HELLO")

    def end(self) -> bytes:
        """One chunk more."""
        return frames([{"choices": [{"delta": {"content": "!"}, "finish_reason": "stop"}]}], done=False)[0]

    def missing(self) -> Problem | None:
        """Nothing."""
        return None

    def refusal(self, problem: Problem) -> Problem:
        """A mask."""
        return msgspec.structs.replace(problem, message="no")

    def last_event(self, problem: Problem) -> bytes:
        """Never asked."""
        raise AssertionError(problem)

    def keep_alive(self) -> bytes:
        """Never asked: the client speaks the other's language."""
        raise AssertionError


def test_two_forms_in_a_row() -> None:
    def chain() -> Chain:
        return Chain(Shouting(), MessagesReshape("1", "m", ()))

    completion = msgspec.json.encode(shapes.chat_completion("m", "hello"))
    status, body = chain().whole(200, completion)
    assert (status, msgspec.json.decode(body)["content"][0]["text"]) == (200, "HELLO")
    both = chain()
    out = both.feed(frames([{"choices": [{"delta": {"content": "hello"}}]}], done=False)[0]) + both.end()
    found = [msgspec.json.decode(data_of(event)) for event in events(out)]
    deltas = [event["delta"].get("text") for event in found if event["type"] == "content_block_delta"]
    assert deltas == ["HELLO", "!"]
    assert found[-1]["type"] == "message_stop"
    problem = Problem(status=503, message="the node is on fire")
    assert (chain().refusal(problem).status, chain().refusal(problem).message) == (529, "no")
    assert b"event: error\n" in chain().last_event(problem)
    assert b"fire" not in chain().last_event(problem)
