"""Answers of sanitised models and of strict mode, from the upstream's socket to the client's, and to the row."""

import msgspec
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwctl.core.samples import page
from dwctl.gateway.relay import EventRelay
from dwctl.gateway.routes import IdStyle
from dwctl.gateway.sanitise import Sanitiser
from dwctl.requests.record import State
from dwctl.routing.rules import Rule
from dwctl.wire.sse import data_of, events
from tests.fakes import shapes
from tests.fakes.answers import (
    DONE,
    KEEP_ALIVE,
    Answer,
    Framing,
    frames,
    json_reply,
    reply,
    server_error,
    stream_reply,
)
from tests.fakes.shapes import Json
from tests.fakes.upstream import FakeUpstream
from tests.gateway.house import CHAT, SECRET, House, chat, model, pool, upstream_settings
from tests.gateway.provider import (
    BODY,
    COMPLETIONS,
    EMBEDDINGS,
    EVENTS,
    RESPONSES,
    SECRETS,
    STREAMED,
    WHOLE,
    failure,
    hidden,
    noisy,
    objects,
    strict,
)
from tests.gateway.two import Two
from tests.wire.answers.texts import splits, streams


@pytest.mark.parametrize("path", list(WHOLE))
@pytest.mark.parametrize("trusted", [True, False])
async def test_a_strict_answer_has_the_models_alias_and_nothing_of_the_providers(
    upstream: FakeUpstream, path: str, trusted: bool
) -> None:
    upstream.push(json_reply(noisy(WHOLE[path]), headers=[("x-vendor", "kept")]))
    async with strict(upstream, trusted=trusted) as house:
        answer = await house.call({"model": "m", **BODY}, path)
        record = await house.recorded()

    expected = {**WHOLE[path], "model": "m"}
    if path in (CHAT, RESPONSES):
        expected["id"] = f"resp_{record.id}"
    assert answer.json() == expected
    assert answer.header("content-length") == str(len(answer.body))
    assert answer.header("x-vendor") == "kept"
    assert house.ledger.finished[0][1] == answer.body
    assert (record.state, record.response_model) == (State.COMPLETED, "fake-model")


@pytest.mark.parametrize("path", list(STREAMED))
@pytest.mark.parametrize("asked", [True, False])
async def test_a_strict_stream_has_it_neither(upstream: FakeUpstream, path: str, asked: bool) -> None:
    """Whether it is one is told by the answer, not by what was asked for."""
    noise = [KEEP_ALIVE, b": acme gpu-7\r\n\r\n", b"event: x\nid: 1\n\n"]
    upstream.push(stream_reply([*noise, *frames(map(noisy, STREAMED[path]), named=path == RESPONSES)]))
    async with strict(upstream) as house:
        options = {"stream": True, "stream_options": {"include_usage": True}} if asked else {}
        answer = await house.call({"model": "m", **BODY, **options}, path)
        record = await house.recorded()

    assert not any(secret in answer.body for secret in SECRETS)
    assert answer.body.endswith(DONE)
    seen = objects(answer.body)
    assert len(seen) == len(STREAMED[path])
    for shown, sent in zip(seen, STREAMED[path], strict=True):
        assert shown.keys() >= sent.keys()
        if path == RESPONSES:
            assert b"event: %b\ndata: " % shown["type"].encode() in answer.body
        else:
            assert shown["model"] == "m"
    # Responses are recorded at their last event; `[DONE]` may come later.
    recorded = house.ledger.finished[0][1]
    assert recorded in (answer.body, answer.body.removesuffix(DONE))
    assert (record.state, record.status_code) == (State.COMPLETED, 200)
    assert record.total_tokens == (11 if path != COMPLETIONS else 14)


async def test_the_sdk_reads_what_strict_mode_lets_through(upstream: FakeUpstream) -> None:
    bare = {"choices": [{"delta": {"content": "Hel"}}]}, {"choices": [{"delta": {"content": "lo"}}]}
    upstream.push(
        json_reply({"choices": [{"message": {"content": "Hello"}}]}),
        stream_reply(frames(bare)),
        json_reply({"output": [{"type": "message", "content": [{"type": "output_text", "text": "Hello"}]}]}),
    )
    async with strict(upstream) as house:
        client = openai.AsyncOpenAI(base_url=f"http://127.0.0.1:{house.port}/ai/v1", api_key=SECRET)
        async with client:
            whole = await client.chat.completions.create(
                model="m", messages=[{"role": "user", "content": "hi"}]
            )
            stream = await client.chat.completions.create(
                model="m", messages=[{"role": "user", "content": "hi"}], stream=True
            )
            chunks = [chunk async for chunk in stream]
            response = await client.responses.create(model="m", input="hi")
    assert (whole.choices[0].message.content, whole.model, whole.created) == ("Hello", "m", 0)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Hello"
    assert len({chunk.id for chunk in chunks}) == 1
    assert (response.output_text, response.status, response.service_tier) == ("Hello", "completed", "default")


async def test_the_override_header_names_the_model_in_the_answer(upstream: FakeUpstream) -> None:
    upstream.push(json_reply(WHOLE[CHAT]))
    async with strict(upstream) as house:
        answer = await house.call(chat("other"), headers={"model-override": "m"})
    assert answer.json()["model"] == "m"


@pytest.mark.parametrize("path", list(WHOLE))
@pytest.mark.parametrize(
    "given",
    [
        json_reply({"id": "gpu-7"}),
        json_reply(failure(503)),
        reply(b"gpu-7", headers=[("content-type", "text/html")]),
        reply(b'{"gpu-7":', headers=[("content-type", "application/json")]),
        json_reply({"gpu-7": 1}, compressed=True),
        Answer((b"HTTP/1.1 204 No Content\r\n\r\n",)),
        reply(b"", status=307, headers=[("location", "http://gpu-7/")]),
        stream_reply([b"gpu-7"], headers=[("content-encoding", "gzip")]),
    ],
)
async def test_a_malformed_success_is_502_in_strict_mode(
    upstream: FakeUpstream, path: str, given: Answer
) -> None:
    upstream.push(given)
    async with strict(upstream, trusted=True) as house:
        answer = await house.call({"model": "m", **BODY}, path)
        record = await house.recorded()
        failures = page([house.metrics.part()])

    message = "The model server of 'm' gave an answer that cannot be read."
    assert answer.status == 502
    assert answer.json() == {"error": {"message": message, "type": "api_error", "param": None, "code": None}}
    assert answer.header("content-type") == "application/json"
    assert b"gpu-7" not in answer.body
    assert answer.header("location") is None
    assert house.ledger.finished[0][1] == answer.body
    assert (record.state, record.status_code, record.error_message) == (State.FAILED, 502, message)
    assert b'dwctl_gateway_upstream_failures_total{endpoint="fake",failure="malformed"} 1.0' in failures


@pytest.mark.parametrize("end", [b"", b"data: [DONE]\n\n", b"data: {"])
@pytest.mark.parametrize("path", list(STREAMED))
async def test_a_malformed_stream_ends_with_an_error_in_strict_mode(
    upstream: FakeUpstream, path: str, end: bytes
) -> None:
    good = frames(STREAMED[path], named=path == RESPONSES, done=False)[:2]
    bad = [b'data: {"acme":"gpu-7"}\n\n'] if end != b"data: {" else []
    upstream.push(reply(b"".join([*good, *bad, end]), headers=EVENTS))
    async with strict(upstream) as house:
        answer = await house.call({"model": "m", **BODY, "stream": True}, path)
        record = await house.recorded()
        assert (await house.call(chat())).status == 200

    *before, last = objects(answer.body)
    assert len(before) == 2
    assert b"gpu-7" not in answer.body
    assert DONE not in answer.body
    message = "The model server of 'm' gave an answer that cannot be read."
    if path == RESPONSES:
        assert (last["type"], last["response"]["error"]["message"]) == ("response.failed", message)
        assert last["response"]["model"] == "m"
    else:
        assert last["error"]["message"] == message
    assert (record.state, record.status_code, record.upstream_status) == (State.FAILED, 502, 200)
    assert house.ledger.finished[0][1] == answer.body


@pytest.mark.parametrize("chunked", [True, False])
async def test_an_answer_too_large_to_be_cleaned_is_refused(upstream: FakeUpstream, chunked: bool) -> None:
    framing = Framing.CHUNKED if chunked else Framing.LENGTH
    large = json_reply(shapes.chat_completion("fake-model", "z" * 300_000), framing=framing)
    upstream.push(large, large.in_pieces(50_000))
    async with strict(upstream, settings=upstream_settings(max_reply_bytes=100_000)) as house:
        for _ in range(2):
            assert (await house.call(chat())).status == 502
        assert (await house.call(chat())).status == 200
        record = await house.recorded(3)
        failures = page([house.metrics.part()])
    assert record.state == State.COMPLETED
    assert b'failure="malformed"} 2.0' in failures


async def test_a_sanitised_chat_keeps_its_messages_as_they_are(upstream: FakeUpstream) -> None:
    given = shapes.chat_completion("fake-model", "Hello")
    given["choices"][0]["message"]["acme_extra"] = 1
    chunks: list[Json] = [
        {"choices": [{"delta": {"content": "a", "acme_extra": 1}}], "cost": 1},
        {"ping": "gpu-7"},
    ]
    upstream.push(json_reply(noisy(given)), stream_reply([KEEP_ALIVE, *frames(chunks, named=False)]))
    async with House(hidden(upstream)) as house:
        whole = await house.call(chat(top_k=1))
        streamed = await house.call(chat(stream=True))
        record = await house.recorded(2)
    assert whole.json() == {**given, "id": whole.json()["id"], "model": "m"}
    (chunk,) = objects(streamed.body)
    assert chunk["choices"][0]["delta"] == {"content": "a", "acme_extra": 1}
    assert (chunk["model"], chunk["id"]) == ("m", f"resp_{record.id}")
    assert streamed.body.endswith(DONE)
    assert streamed.body.count(b"\n\n") == 2
    assert record.state == State.COMPLETED


@pytest.mark.parametrize("path", [COMPLETIONS, EMBEDDINGS, RESPONSES])
async def test_only_chats_of_a_sanitised_model_are_cleaned(upstream: FakeUpstream, path: str) -> None:
    upstream.push(json_reply(noisy(WHOLE[path])), reply(b"text", headers=[("content-type", "text/plain")]))
    async with House(hidden(upstream)) as house:
        answer = await house.call({"model": "m", **BODY}, path)
        plain = await house.call({"model": "m", **BODY}, path)
    assert answer.json() == {
        **noisy(WHOLE[path]),
        **({"id": answer.json()["id"]} if path == RESPONSES else {}),
    }
    assert plain.body == b"text"


@pytest.mark.parametrize("flagged", ["asked", "answers", "pool"])
async def test_the_flag_of_who_is_asked_or_answers_counts_for_every_target(two: Two, flagged: str) -> None:
    """Of a model that a rule leads away from, of the one it leads to, and of a pool."""
    noise = noisy(WHOLE[CHAT])
    two.first.push(server_error())
    two.second.push(json_reply(noise))
    answering = msgspec.structs.replace(pool("m", two.one, two.two), sanitize=flagged != "asked")
    leading = msgspec.structs.replace(
        model("lead", two.one),
        rules={"realtime": Rule(redirect=True, target="m")},
        sanitize=flagged == "asked",
    )
    named = "m" if flagged == "pool" else "lead"
    async with House(answering, leading) as house:
        answer = await house.call(chat(named))
    assert (answer.status, two.seen()) == (200, (1, 1))
    assert answer.json() == {**WHOLE[CHAT], "id": answer.json()["id"], "model": named}


async def test_a_sanitised_answer_that_cannot_be_read_is_500(upstream: FakeUpstream) -> None:
    upstream.push(json_reply({"gpu-7": 1}))
    async with House(hidden(upstream)) as house:
        answer = await house.call(chat())
    assert (answer.status, answer.json()["error"]["code"]) == (500, "internal_error")
    assert b"gpu-7" not in answer.body


async def test_other_models_are_left_alone(upstream: FakeUpstream) -> None:
    upstream.push(json_reply(noisy(WHOLE[CHAT])), json_reply(failure(), status=401))
    async with House(hidden(upstream, sanitize=False)) as house:
        answer = await house.call(chat())
        refused = await house.call(chat())
    assert answer.json() == {**noisy(WHOLE[CHAT]), "id": answer.json()["id"]}
    assert (refused.status, refused.json()) == (401, failure())


@pytest.mark.parametrize("measure", [True, False])
@pytest.mark.parametrize(
    "path", ["/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses"]
)
@given(st.data(), streams())
def test_a_stream_is_the_same_however_it_was_split(
    measure: bool, path: str, data: st.DataObject, stream: bytes
) -> None:
    def cleaned(pieces: list[bytes]) -> tuple[bytes, bool]:
        relay = EventRelay(IdStyle.TOP, b"resp_1", hide_usage=True)
        sanitiser = Sanitiser(path, "m", "1", b"{}", strict=measure)
        text = b"".join(sanitiser.feed(relay.feed(piece)) for piece in pieces)
        return text + sanitiser.feed(relay.rest()), sanitiser.broken

    text, broken = cleaned([stream])
    assert cleaned(data.draw(splits(stream))) == (text, broken)
    if measure or path == "/v1/chat/completions":
        assert b": secret" not in text
        assert b"x_provider" not in text or path in ("/v1/chat/completions", "/v1/responses")
        for event in events(text):
            assert data_of(event) == b"[DONE]" or data_of(event).startswith(b"{")


def test_an_event_in_several_lines_becomes_one_line_and_its_comments_go() -> None:
    sanitiser = Sanitiser("/v1/chat/completions", "m", "1", b"{}", strict=True)
    event = (
        b': acme\r\nevent: chunk\r\ndata: {"choices":\r\nid: 3\r\ndata: [{"delta":{"content":"a"}}]}\r\n\r\n'
    )
    (shown,) = objects(sanitiser.feed(event))
    assert shown["choices"][0]["delta"] == {"content": "a"}
    text = sanitiser.feed(event + b": bye\n\n" + event)
    assert text.count(b"\n") == text.count(b"\n\n") * 2 == 4
    assert b"\r" not in text
    assert b"acme" not in text


async def test_a_stream_whose_last_event_has_no_end_is_whole(upstream: FakeUpstream) -> None:
    upstream.push(stream_reply([*frames(STREAMED[CHAT], done=False), b"data: [DONE]"]))
    async with strict(upstream) as house:
        answer = await house.call(chat(stream=True))
        record = await house.recorded()
    assert answer.body.endswith(b"}\n\n" + DONE)
    assert record.state == State.COMPLETED


@pytest.mark.parametrize("flag", [True, False])
async def test_strict_mode_asks_no_model(upstream: FakeUpstream, flag: bool) -> None:
    """A message goes through its schema, and errors have no codes, whatever the model's flag says."""
    given = shapes.chat_completion("fake-model", "Hello")
    given["choices"][0]["message"]["acme_extra"] = 1
    upstream.push(json_reply(given), json_reply(failure(), status=400))
    async with House(hidden(upstream, sanitize=flag), strict=True) as house:
        answer = await house.call(chat())
        refused = await house.call(chat())
    assert "acme_extra" not in answer.json()["choices"][0]["message"]
    assert refused.json()["error"]["code"] is None
