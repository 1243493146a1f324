"""Streams: what the client sees, what is written of them, and what happens when either side fails."""

import asyncio
from collections import Counter

import msgspec
import openai
import pytest

from dwctl.requests.record import State
from dwctl.wire.sse import data_of, events
from tests.fakes import shapes
from tests.fakes.answers import (
    CONTINUE,
    DONE,
    EARLY_HINTS,
    KEEP_ALIVE,
    Answer,
    Framing,
    Hang,
    frames,
    reply,
    stream_reply,
)
from tests.fakes.model import ModelServer
from tests.fakes.upstream import FakeUpstream
from tests.gateway.house import (
    CHAT,
    SECRET,
    House,
    bearer,
    chat,
    encoded,
    model,
    target,
    upstream_settings,
)

RESPONSES = "/ai/v1/responses"


def objects(body: bytes) -> list[dict[str, object]]:
    """The JSON of each event."""
    return [msgspec.json.decode(data_of(event)) for event in events(body) if data_of(event).startswith(b"{")]


async def test_a_stream_carries_our_id_in_each_chunk_and_no_usage_unasked(upstream: FakeUpstream) -> None:
    async with House(model("m", target(upstream.url))) as house:
        answer = await house.call(chat(stream=True))
        record = await house.recorded()

    assert answer.status == 200
    assert answer.header("content-type") == "text/event-stream; charset=utf-8"
    assert answer.header("x-onwards-response-id") == f"resp_{record.id}"
    chunks = objects(answer.body)
    assert {chunk["id"] for chunk in chunks} == {f"resp_{record.id}"}
    assert all(chunk["choices"] for chunk in chunks)
    assert not any(chunk.get("usage") for chunk in chunks)
    assert answer.body.endswith(DONE)
    assert upstream.posts[0].json()["stream_options"] == {"include_usage": True}
    assert (record.prompt_tokens, record.completion_tokens, record.total_tokens) == (2, 5, 7)
    assert (record.finish_reason, record.stream, record.state) == ("stop", True, State.COMPLETED)
    assert house.ledger.finished[0][1] == answer.body
    assert record.response_size == len(answer.body)


async def test_usage_that_the_client_asked_for_is_the_last_chunk(upstream: FakeUpstream) -> None:
    async with House(model("m", target(upstream.url))) as house:
        answer = await house.call(chat(stream=True, stream_options={"include_usage": True}))

    last = objects(answer.body)[-1]
    assert last["choices"] == []
    assert isinstance(last["usage"], dict)
    assert last["usage"]["total_tokens"] == 7


@pytest.mark.parametrize("options", [None, {}, {"include_usage": False}, {"include_usage": None, "x": 1}])
async def test_usage_is_metered_whatever_the_client_says_of_it(
    upstream: FakeUpstream, options: object
) -> None:
    async with House(model("m", target(upstream.url))) as house:
        answer = await house.call(chat(stream=True, stream_options=options))
        record = await house.recorded()

    assert record.total_tokens == 7
    assert all(chunk["choices"] for chunk in objects(answer.body))
    sent = upstream.posts[0].json()["stream_options"]
    assert sent == {**(options if isinstance(options, dict) else {}), "include_usage": True}


async def test_usage_on_the_finish_chunk_without_done(upstream: FakeUpstream) -> None:
    """As `transformers serve` does it."""
    upstream.respond = ModelServer(usage_on_finish=True, done=False)
    async with House(model("m", target(upstream.url))) as house:
        answer = await house.call(chat(stream=True))
        record = await house.recorded()

    assert DONE not in answer.body
    assert (record.total_tokens, record.finish_reason, record.state) == (7, "stop", State.COMPLETED)


@pytest.mark.parametrize("size", [1, 3, 7])
async def test_a_stream_in_pieces_is_the_same_stream(upstream: FakeUpstream, size: int) -> None:
    events = frames(shapes.chat_chunks("fake-model", ["Grüße", " \n", "data: {"], include_usage=True))
    async with House(model("m", target(upstream.url))) as house:
        upstream.push(stream_reply(events), stream_reply(events).in_pieces(size))
        whole = await house.call(chat(stream=True))
        pieces = await house.call(chat(stream=True))
        record = await house.recorded(2)

    assert objects(pieces.body) == [{**chunk, "id": f"resp_{record.id}"} for chunk in objects(whole.body)]
    assert len(pieces.body) == len(whole.body)
    assert all(chunk.endswith(b"\n\n") for chunk in pieces.chunks)


async def test_crlf_and_comments_are_kept(upstream: FakeUpstream) -> None:
    events = frames(shapes.chat_chunks("fake-model", ["a", "b"]), line_end=b"\r\n")
    upstream.push(stream_reply([KEEP_ALIVE, *events, b": bye\r\n\r\n"]))
    async with House(model("m", target(upstream.url))) as house:
        answer = await house.call(chat(stream=True))

    assert answer.body.startswith(KEEP_ALIVE)
    assert answer.body.endswith(b"data: [DONE]\r\n\r\n: bye\r\n\r\n")
    assert answer.body.count(b"\r\n\r\n") == len(events) + 1


@pytest.mark.parametrize("size", [0, 1, 7])
async def test_lines_that_end_with_a_lone_cr_are_read_and_end_with_lf_for_the_client(
    upstream: FakeUpstream, size: int
) -> None:
    values = shapes.chat_chunks("fake-model", ["a", "b"], include_usage=True)
    answer = stream_reply(frames(values, line_end=b"\r"))
    upstream.push(answer.in_pieces(size) if size else answer, stream_reply(frames(values)))
    async with House(model("m", target(upstream.url))) as house:
        told, plain = [(await house.call(chat(stream=True))).body for _ in range(2)]
        await house.recorded(2)

    first, second = (record for record, _ in house.ledger.finished)
    assert told == plain.replace(second.id.encode(), first.id.encode())
    assert first.total_tokens == second.total_tokens != 0
    assert first.state == State.COMPLETED


async def test_each_event_goes_out_when_it_comes(upstream: FakeUpstream) -> None:
    first, *rest = frames(shapes.chat_chunks("fake-model", ["a"]))
    upstream.push(Answer((*stream_reply([first]).steps[:-1], Hang())))
    async with House(model("m", target(upstream.url))) as house, house.wire() as wire:
        wire.send(CHAT, encoded(chat(stream=True)), bearer())
        await wire.answer(head_only=True)
        assert len(objects(await wire.chunk())) == 1
        assert house.ledger.finished == []
    assert rest


async def test_responses_events_carry_our_id_where_they_carry_one(upstream: FakeUpstream) -> None:
    async with House(model("m", target(upstream.url))) as house:
        answer = await house.call({"model": "m", "input": "hi", "stream": True}, RESPONSES)
        record = await house.recorded()

    seen = objects(answer.body)
    responses = [event["response"] for event in seen if "response" in event]
    assert len(responses) >= 2
    assert all(isinstance(known, dict) and known["id"] == f"resp_{record.id}" for known in responses)
    assert b"resp_fake" not in answer.body
    assert b"msg_fake" in answer.body
    assert (record.finish_reason, record.prompt_tokens, record.completion_tokens) == ("completed", 1, 5)
    assert "stream_options" not in upstream.posts[0].json()


async def test_a_completions_stream_keeps_its_id_and_hides_usage(upstream: FakeUpstream) -> None:
    async with House(model("m", target(upstream.url))) as house:
        answer = await house.call({"model": "m", "prompt": "a b", "stream": True}, "/ai/v1/completions")
        record = await house.recorded()

    chunks = objects(answer.body)
    assert {chunk["id"] for chunk in chunks} == {"cmpl-fake"}
    assert all(chunk["choices"] for chunk in chunks)
    assert record.total_tokens == 7


@pytest.mark.parametrize("framing", [Framing.CHUNKED, Framing.LENGTH])
async def test_a_cut_stream_ends_with_an_error_event(upstream: FakeUpstream, framing: Framing) -> None:
    events = frames(shapes.chat_chunks("fake-model", ["a", "b", "c"]))
    whole = stream_reply(events, framing=framing)
    upstream.push(whole.cut(-(len(DONE) + 40)))
    async with House(model("m", target(upstream.url))) as house:
        answer = await house.call(chat(stream=True))
        record = await house.recorded()

    last = objects(answer.body)[-1]
    assert last == {
        "error": {
            "message": "The model server of 'm' cut its answer short.",
            "type": "server_error",
            "param": None,
            "code": "upstream_error",
        }
    }
    assert DONE not in answer.body
    assert (record.state, record.status_code, record.upstream_status) == (State.FAILED, 502, 200)
    assert record.error_code == "upstream_error"
    assert house.ledger.finished[0][1] == answer.body


async def test_the_sdk_raises_on_a_cut_stream(upstream: FakeUpstream) -> None:
    upstream.push(stream_reply(frames(shapes.chat_chunks("fake-model", ["a", "b"]))).cut(-60))
    async with House(model("m", target(upstream.url))) as house:
        client = openai.AsyncOpenAI(base_url=f"http://127.0.0.1:{house.port}/ai/v1", api_key=SECRET)
        async with client:
            stream = await client.chat.completions.create(
                model="m", messages=[{"role": "user", "content": "hi"}], stream=True
            )
            seen = Counter[str]()

            async def read() -> None:
                async for chunk in stream:
                    seen[chunk.id] += 1

            with pytest.raises(openai.APIError, match="cut its answer short"):
                await read()
    assert seen


async def test_a_cut_responses_stream_ends_as_a_failed_response(upstream: FakeUpstream) -> None:
    events = frames(shapes.response_events("fake-model", ["a", "b"]), named=True, done=False)
    upstream.push(stream_reply(events[:-1]).cut(-5))
    async with House(model("m", target(upstream.url))) as house:
        answer = await house.call({"model": "m", "input": "hi", "stream": True}, RESPONSES)
        record = await house.recorded()

    *before, last = objects(answer.body)
    assert last["type"] == "response.failed"
    assert last["sequence_number"] == len(before)
    response = last["response"]
    assert isinstance(response, dict)
    assert (response["id"], response["status"]) == (f"resp_{record.id}", "failed")
    assert response["error"] == {
        "code": "server_error",
        "message": "The model server of 'm' cut its answer short.",
    }
    assert record.state == State.FAILED


async def test_a_responses_stream_cut_before_its_response_ends_with_an_error(upstream: FakeUpstream) -> None:
    upstream.push(stream_reply([KEEP_ALIVE]).cut(-5))
    async with House(model("m", target(upstream.url))) as house:
        answer = await house.call({"model": "m", "input": "hi", "stream": True}, RESPONSES)

    (last,) = objects(answer.body)
    assert last["type"] == "error"
    assert last["message"] == "The model server of 'm' cut its answer short."
    assert last["error"]


async def test_an_error_inside_a_stream_makes_the_call_a_failed_one(upstream: FakeUpstream) -> None:
    error = b'data: {"error":{"message":"out of memory","type":"server_error","param":null,"code":null}}\n\n'
    upstream.push(
        stream_reply([*frames(shapes.chat_chunks("fake-model", ["a"]), done=False)[:2], error, DONE])
    )
    async with House(model("m", target(upstream.url))) as house:
        answer = await house.call(chat(stream=True))
        record = await house.recorded()

    assert error in answer.body
    assert (record.state, record.status_code, record.error_message) == (State.FAILED, 200, "out of memory")


async def test_an_error_status_in_a_stream_passes_through(upstream: FakeUpstream) -> None:
    body = b'data: {"error":{"message":"no"}}\n\n'
    upstream.push(
        reply(body, status=429, headers=[("content-type", "text/event-stream"), ("retry-after", "3")])
    )
    async with House(model("m", target(upstream.url))) as house:
        answer = await house.call(chat(stream=True))
        record = await house.recorded()

    assert (answer.status, answer.body, answer.header("retry-after")) == (429, body, "3")
    assert (record.status_code, record.state) == (429, State.FAILED)


async def test_a_compressed_stream_passes_unread(upstream: FakeUpstream) -> None:
    kind = [("content-type", "text/event-stream"), ("content-encoding", "gzip")]
    upstream.push(reply([b"\x1f\x8b one", b"two"], headers=kind, framing=Framing.CHUNKED))
    async with House(model("m", target(upstream.url))) as house:
        answer = await house.call(chat(stream=True))

    assert answer.header("content-encoding") == "gzip"
    assert answer.body == b"\x1f\x8b onetwo"


async def test_a_stream_until_the_connection_closes_is_whole(upstream: FakeUpstream) -> None:
    events = frames(shapes.chat_chunks("fake-model", ["a"]), done=False)
    upstream.push(stream_reply([*events, b"data: [DONE]"], framing=Framing.UNTIL_CLOSE))
    async with House(model("m", target(upstream.url))) as house:
        answer = await house.call(chat(stream=True))
        record = await house.recorded()

    assert answer.body.endswith(b"data: [DONE]")
    assert record.state == State.COMPLETED


async def test_a_client_that_leaves_ends_the_call_everywhere(upstream: FakeUpstream) -> None:
    first = frames(shapes.chat_chunks("fake-model", ["a"]))[0]
    upstream.push(Answer((*stream_reply([first]).steps[:-1], Hang())))
    async with House(model("m", target(upstream.url))) as house:
        async with house.wire() as wire:
            wire.send(CHAT, encoded(chat(stream=True)), bearer())
            await wire.answer(head_only=True)
            await wire.chunk()
        record = await house.recorded()
        await upstream.wait_until(lambda: upstream.posts[0].left_early, "the upstream has been left")

        assert (record.status_code, record.state) == (499, State.FAILED)
        assert record.error_code == "client_closed_request"
        assert house.gateway.in_flight == 0
        assert house.ledger.finished[0][1].startswith(b'data: {"id":"resp_')


@pytest.mark.parametrize("slow", [False, True])
async def test_a_client_that_leaves_pays_for_what_had_been_used_by_then(
    upstream: FakeUpstream, slow: bool
) -> None:
    """Servers that tell the usage on each chunk; the client may be one that was waited for."""
    usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
    chunk = {"id": "x", "choices": [{"index": 0, "delta": {"content": "a" * 60_000}}], "usage": usage}
    events = frames([chunk] * (512 if slow else 1), done=False)
    upstream.push(Answer((*stream_reply(events).steps[:-1], Hang())))
    async with House(model("m", target(upstream.url))) as house:
        async with house.wire() as wire:
            wire.send(CHAT, encoded(chat(stream=True)), bearer())
            await wire.answer(head_only=True)
            await wire.chunk()
            if slow:
                wire.pause()
        record = await house.recorded()
        await upstream.wait_until(lambda: upstream.posts[0].left_early, "the upstream has been left")
    assert record.status_code == 499
    assert (record.prompt_tokens, record.completion_tokens, record.total_tokens) == (5, 2, 7)


async def test_http_1_0_trailers_and_interim_heads_change_nothing_of_a_stream(upstream: FakeUpstream) -> None:
    events = frames(shapes.chat_chunks("fake-model", ["a", "b"]))
    plain = stream_reply(events)
    old = stream_reply(events, framing=Framing.UNTIL_CLOSE)
    first = old.steps[0]
    assert isinstance(first, bytes)
    ways = [
        plain,
        Answer((first.replace(b"HTTP/1.1", b"HTTP/1.0"), *old.steps[1:])),
        stream_reply(events, trailers=[("x-sum", "1"), ("x-more", "2")]),
        plain.after(CONTINUE, EARLY_HINTS).in_pieces(9),
    ]
    upstream.push(*ways, *ways)
    bodies: list[bytes] = []
    async with House(model("m", target(upstream.url))) as house:
        for version in ("1.1", "1.0"):
            for _ in ways:
                async with house.wire() as wire:
                    wire.send(CHAT, encoded(chat(stream=True)), bearer(), version=version)
                    answer = await wire.answer()
                assert answer.status == 200
                assert answer.header("link") is None
                assert answer.header("trailer") is None
                assert answer.header("transfer-encoding") == ("chunked" if version == "1.1" else None)
                record = await house.recorded(len(bodies) + 1)
                assert record.state == State.COMPLETED
                bodies.append(answer.body.replace(record.id.encode(), b""))
    assert set(bodies) == {bodies[0]}
    assert bodies[0].endswith(DONE)


async def test_a_client_that_leaves_before_the_answer_is_recorded_too(upstream: FakeUpstream) -> None:
    upstream.push(Answer((Hang(),)))
    async with House(model("m", target(upstream.url))) as house:
        async with house.wire() as wire:
            wire.send(CHAT, encoded(chat()), bearer())
            await upstream.wait_for(1)
        record = await house.recorded()
        await upstream.wait_until(lambda: upstream.posts[0].left_early, "the upstream has been left")
    assert record.status_code == 499
    assert record.upstream_status is None


async def test_a_slow_client_slows_the_upstream_down(upstream: FakeUpstream) -> None:
    """32 MiB are on offer; while the client reads nothing, only what the buffers between hold has been taken."""
    event = b'data: {"id":"chatcmpl-1","choices":[{"delta":{"content":"%b"}}]}\n\n' % (b"x" * 65536)
    upstream.push(stream_reply([event] * 512))
    settings = upstream_settings(idle_timeout=0.1)
    async with House(model("m", target(upstream.url)), settings=settings) as house, house.wire() as wire:
        wire.pause()
        wire.send(CHAT, encoded(chat(stream=True)), bearer())
        await upstream.wait_for(1)
        # Longer than the idle limit: waiting for a slow client is no silence of the upstream's.
        await asyncio.sleep(0.4)
        assert not upstream.posts[0].answered
        wire.resume()
        answer = await wire.answer()
        record = await house.recorded()
    assert answer.body.count(b"\n\n") == 512
    assert record.state == State.COMPLETED


async def test_a_stream_too_large_to_be_kept_is_still_metered(upstream: FakeUpstream) -> None:
    pieces = ["y" * 5000] * 200
    upstream.push(stream_reply(frames(shapes.chat_chunks("fake-model", pieces, include_usage=True))))
    async with House(model("m", target(upstream.url)), max_record_bytes=100_000) as house:
        answer = await house.call(chat(stream=True))
        record = await house.recorded()

    assert len(answer.body) > 1_000_000
    assert house.ledger.finished[0][1] == b""
    assert record.response_size == len(answer.body)
    assert (record.total_tokens, record.finish_reason) == (209, "stop")


async def test_an_event_without_end_is_given_up(upstream: FakeUpstream) -> None:
    upstream.push(stream_reply([b"data: " + b"x" * (1 << 20)] * 20))
    async with House(model("m", target(upstream.url))) as house:
        answer = await house.call(chat(stream=True))
        record = await house.recorded()

    assert objects(answer.body)[-1]["error"]
    assert record.state == State.FAILED
