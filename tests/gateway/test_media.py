"""Sounds, images and other routes: what goes through, what is metered, and that no body of theirs is kept."""

import asyncio
import os
from typing import Any

import msgspec
import openai
import pytest

from tests.fakes.answers import Framing, frames, json_reply, reply, stream_reply
from tests.fakes.upstream import FakeUpstream
from tests.gateway.form import TRANSCRIPTIONS, Part, form, headers, received, transcribed
from tests.gateway.house import SECRET, House, model, target

SOUND = os.urandom(1_000_000)
MODEL = Part("model", b"m")
FILE = Part("file", SOUND, "a.wav", "Content-Type: audio/wav\r\n")


async def test_streamed_transcriptions_are_metered_and_not_kept(upstream: FakeUpstream) -> None:
    events: list[dict[str, Any]] = [
        {"type": "transcript.text.delta", "delta": "hello"},
        {
            "type": "transcript.text.done",
            "text": "hello",
            "usage": {"type": "tokens", "input_tokens": 9, "output_tokens": 1, "total_tokens": 10},
        },
    ]
    upstream.push(stream_reply(frames(events)))
    async with House(model("m", target(upstream.url))) as house, house.wire() as wire:
        wire.send(TRANSCRIPTIONS, form(MODEL, Part("stream", b"True"), FILE), headers())
        answer = await wire.answer()
        record = await house.recorded()

    assert answer.body == b"".join(frames(events))
    assert (record.stream, record.prompt_tokens, record.total_tokens) == (True, 9, 10)
    assert house.ledger.finished[0][1] == b""


async def test_spoken_answers_go_on_as_they_come_and_are_not_kept(upstream: FakeUpstream) -> None:
    sound = reply(SOUND, framing=Framing.CHUNKED, headers=[("content-type", "audio/mpeg")])
    upstream.push(sound, sound.cut(-100))
    async with House(model("m", target(upstream.url, "tts"))) as house:
        body = {"model": "m", "input": "Hello", "voice": "alloy"}
        answer = await house.call(body, "/ai/v1/audio/speech")
        record = await house.recorded()
        with pytest.raises(asyncio.IncompleteReadError):
            await house.call(body, "/ai/v1/audio/speech")
        cut = await house.recorded(2)

    assert answer.body == SOUND
    assert answer.header("content-type") == "audio/mpeg"
    assert upstream.posts[0].json() == {**body, "model": "tts"}
    assert (record.status_code, record.response_size, record.request_size) == (
        200,
        len(SOUND),
        len(msgspec.json.encode(body)),
    )
    assert (cut.status_code, cut.error_code) == (502, "upstream_error")
    assert {body for _, body in house.ledger.started} == {b""}
    assert {body for _, body in house.ledger.finished} == {b""}


async def test_images_are_not_kept_and_forms_may_come_as_json(upstream: FakeUpstream) -> None:
    usage = {"input_tokens": 5, "output_tokens": 100, "total_tokens": 105}
    upstream.push(*[json_reply({"created": 1, "data": [{"b64_json": "a" * 1000}], "usage": usage})] * 2)
    async with House(model("m", target(upstream.url, "painter"))) as house:
        for number, path in enumerate(("generations", "edits"), start=1):
            answer = await house.call({"model": "m", "prompt": "A cat"}, f"/ai/v1/images/{path}")
            assert answer.status == 200
            record = await house.recorded(number)
            assert (record.total_tokens, record.path) == (105, f"/v1/images/{path}")

    assert [seen.header("content-type") for seen in upstream.posts] == ["application/json"] * 2
    assert {body for _, body in house.ledger.finished} == {b""}


@pytest.mark.parametrize("route", ["rerank", "score", "moderations"])
async def test_more_routes_pass_through(upstream: FakeUpstream, route: str) -> None:
    said = {"id": "theirs", "results": [{"index": 0, "relevance_score": 0.5}], "usage": {"total_tokens": 4}}
    upstream.push(json_reply(said))
    async with House(model("m", target(upstream.url, "ranker"))) as house:
        answer = await house.call({"model": "m", "query": "q", "documents": ["d"]}, f"/ai/v1/{route}")
        record = await house.recorded()

    assert (answer.status, answer.json()) == (200, said)
    assert (record.total_tokens, upstream.posts[0].path) == (4, f"/v1/{route}")


async def test_an_error_in_words_goes_to_the_client_whole(upstream: FakeUpstream) -> None:
    upstream.push(reply(b"no such voice", status=422, headers=[("content-type", "text/plain")]))
    async with House(model("m", target(upstream.url))) as house:
        answer = await house.call({"model": "m", "input": "Hi"}, "/ai/v1/audio/speech")
        record = await house.recorded()

    assert (answer.status, answer.body) == (422, b"no such voice")
    assert (record.status_code, record.error_code, record.response_size) == (422, "upstream_error", 13)


async def test_the_official_client(upstream: FakeUpstream) -> None:
    sound = reply(b"abc", headers=[("content-type", "audio/mpeg")])
    picture = json_reply({"created": 1, "data": [{"url": "http://x/y.png"}]})
    upstream.push(transcribed, sound, picture, picture)
    async with House(model("m", target(upstream.url, "theirs"))) as house:
        base = f"http://127.0.0.1:{house.port}/ai/v1"
        async with openai.AsyncOpenAI(base_url=base, api_key=SECRET, max_retries=0, timeout=20) as client:
            text = await client.audio.transcriptions.create(
                model="m", file=("ä.wav", SOUND), timestamp_granularities=["word", "segment"]
            )
            assert text.text.endswith("bytes")
            spoken = await client.audio.speech.create(model="m", input="Hi", voice="alloy")
            assert spoken.content == b"abc"
            await client.images.generate(model="m", prompt="A cat")
            await client.images.edit(model="m", prompt="A dog", image=[("1.png", b"1"), ("2.png", b"2")])

    forms = [dict(received(seen)) for seen in upstream.posts if b"form-data" in seen.body[:200]]
    assert [sent["model"] for sent in forms] == [b"theirs"] * 2
    assert forms[0]["file"] == SOUND
