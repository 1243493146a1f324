"""Embeddings, Responses, older completions and the model list with the official client."""

import os

import openai
import pytest

from tests.fakes.answers import json_reply
from tests.fakes.model import MODEL, ModelServer
from tests.fakes.upstream import UpstreamThread
from tests.server_process import Product

pytestmark = pytest.mark.xdist_group("contract")

TEXT = "Hello from the fake model."


def test_embeddings_packed_and_plain(client: openai.OpenAI, upstream: UpstreamThread) -> None:
    packed = client.embeddings.create(model=MODEL, input=["one", "two words"])
    plain = client.embeddings.create(model=MODEL, input=["one", "two words"], encoding_format="float")
    assert [item.index for item in plain.data] == [0, 1]
    for one, other in zip(packed.data, plain.data, strict=True):
        assert one.embedding == pytest.approx(other.embedding, abs=1e-6)
    assert (plain.model, plain.usage.total_tokens) == (MODEL, 3)
    assert upstream.posts[0].json()["encoding_format"] == "base64"


async def test_embeddings_async(async_client: openai.AsyncOpenAI) -> None:
    answer = await async_client.embeddings.create(model=MODEL, input="one", dimensions=4)
    assert len(answer.data[0].embedding) == 4


def test_models_are_listed(client: openai.OpenAI) -> None:
    (model,) = client.models.list()
    assert (model.id, model.object) == (MODEL, "model")
    assert isinstance(model.created, int)
    assert model.owned_by


async def test_models_are_listed_async(async_client: openai.AsyncOpenAI) -> None:
    assert [model.id async for model in async_client.models.list()] == [MODEL]


def test_models_need_a_key(client: openai.OpenAI) -> None:
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="sk-wrong").models.list()


def test_completions(client: openai.OpenAI) -> None:
    whole = client.completions.create(model=MODEL, prompt="Say hello", max_tokens=2)
    assert (whole.choices[0].text, whole.choices[0].finish_reason) == ("Hello from", "length")
    with client.completions.create(model=MODEL, prompt="Say hello", stream=True) as stream:
        assert "".join(chunk.choices[0].text for chunk in stream if chunk.choices) == TEXT


@pytest.mark.usefixtures("native_responses")
def test_response_whole(client: openai.OpenAI, upstream: UpstreamThread) -> None:
    raw = client.responses.with_raw_response.create(model=MODEL, input="Say hello", metadata={"a": "b"})
    answer = raw.parse()
    assert (answer.status, answer.output_text) == ("completed", TEXT)
    assert answer.id == raw.headers["x-onwards-response-id"]
    assert upstream.posts[0].json() == {"model": MODEL, "input": "Say hello", "metadata": {"a": "b"}}
    stored = client.responses.retrieve(answer.id)
    assert (stored.id, stored.output_text, stored.metadata) == (answer.id, TEXT, {"a": "b"})


@pytest.mark.usefixtures("native_responses")
def test_response_streamed(client: openai.OpenAI) -> None:
    with client.responses.create(model=MODEL, input="Say hello", stream=True) as stream:
        events = list(stream)
    assert [event.type for event in events[:2]] == ["response.created", "response.in_progress"]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    first, last = events[0], events[-1]
    assert first.type == "response.created"
    assert last.type == "response.completed"
    assert last.response.output_text == TEXT
    assert first.response.id == last.response.id
    assert last.response.id.startswith("resp_")
    assert client.responses.retrieve(last.response.id).output_text == TEXT


@pytest.mark.usefixtures("native_responses")
async def test_response_stream_with_the_helper(async_client: openai.AsyncOpenAI) -> None:
    async with async_client.responses.stream(model=MODEL, input="Say hello") as stream:
        deltas = [event.delta async for event in stream if event.type == "response.output_text.delta"]
        final = await stream.get_final_response()
    assert "".join(deltas) == final.output_text == TEXT


@pytest.mark.usefixtures("native_responses")
def test_slow_streams_come_as_they_are_made(client: openai.OpenAI, upstream: UpstreamThread) -> None:
    """The first event is here before the upstream has sent its last."""
    upstream.forget(ModelServer(chunk_gap=0.1))
    with client.responses.create(model=MODEL, input="Say hello", stream=True) as stream:
        assert next(stream).type == "response.created"
        assert not upstream.posts[0].answered
        for _ in stream:
            pass


def test_leaving_a_stream_ends_it_upstream(client: openai.OpenAI, upstream: UpstreamThread) -> None:
    upstream.forget(ModelServer(text="word " * 500, chunk_gap=0.05))
    with client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "Go on"}], stream=True
    ) as stream:
        next(stream)
    upstream.wait_until(lambda: upstream.posts[0].left_early, "the gateway hangs up")


def test_a_recording_is_transcribed(
    client: openai.OpenAI, upstream: UpstreamThread, product: Product
) -> None:
    sound = os.urandom(1 << 20)
    upstream.push(json_reply({"text": "Hello", "usage": {"type": "duration", "seconds": 3}}))
    raw = client.audio.transcriptions.with_raw_response.create(model=MODEL, file=("a.wav", sound))
    assert raw.parse().text == "Hello"
    (seen,) = upstream.posts
    assert sound in seen.body
    assert list((product.data_dir / "uploads").iterdir()) == []
    # The row is there, without a body.
    stored = client.responses.retrieve(raw.headers["x-onwards-response-id"])
    assert (stored.status, stored.model, stored.output) == ("completed", MODEL, [])
