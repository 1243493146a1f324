"""Chat completions through the product with the official client."""

import asyncio

import openai
import pytest
from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam

from tests.fakes import shapes
from tests.fakes.answers import KEEP_ALIVE, frames, json_reply, stream_reply
from tests.fakes.model import MODEL, ModelServer
from tests.fakes.upstream import UpstreamThread
from tests.server_process import Product

pytestmark = pytest.mark.xdist_group("contract")

MESSAGES: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Say hello to me"}]
TEXT = "Hello from the fake model."


def text_of(chunks: list[ChatCompletionChunk]) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def test_whole_answer(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=MESSAGES)
    (choice,) = answer.choices
    assert (choice.message.role, choice.message.content, choice.finish_reason) == ("assistant", TEXT, "stop")
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (
        4,
        5,
        9,
    )
    assert (answer.model, answer.object) == (MODEL, "chat.completion")


def test_the_body_goes_upstream_as_it_is_and_the_key_does_not(
    client: openai.OpenAI, product: Product, upstream: UpstreamThread
) -> None:
    extra = {"min_tokens": 3, "chat_template_kwargs": {"thinking": False}, "big": 12345678901234567890}
    client.chat.completions.create(
        model=MODEL, messages=MESSAGES, temperature=0.5, seed=7, logit_bias={"50256": -100}, extra_body=extra
    )
    (seen,) = upstream.posts
    assert seen.target == "/v1/chat/completions"
    assert seen.json() == {
        "model": MODEL,
        "messages": MESSAGES,
        "temperature": 0.5,
        "seed": 7,
        "logit_bias": {"50256": -100},
        **extra,
    }
    assert product.key not in str(seen.headers)


@pytest.mark.parametrize("asked", [True, False])
def test_stream_has_usage_only_when_asked(
    client: openai.OpenAI, upstream: UpstreamThread, asked: bool
) -> None:
    options: openai.types.chat.ChatCompletionStreamOptionsParam | openai.Omit = (
        {"include_usage": True} if asked else openai.omit
    )
    with client.chat.completions.create(
        model=MODEL, messages=MESSAGES, stream=True, stream_options=options
    ) as stream:
        chunks = list(stream)
    assert text_of(chunks) == TEXT
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    counted = [chunk.usage.total_tokens for chunk in chunks if chunk.usage]
    assert counted == ([9] if asked else [])
    assert [chunk.choices for chunk in chunks].count([]) == (1 if asked else 0)
    # Usage is always asked for upstream, since every call is counted.
    assert upstream.posts[0].json()["stream_options"]["include_usage"] is True


async def test_async_stream(async_client: openai.AsyncOpenAI) -> None:
    stream = await async_client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True)
    assert text_of([chunk async for chunk in stream]) == TEXT


async def test_many_calls_at_once_keep_apart(
    async_client: openai.AsyncOpenAI, upstream: UpstreamThread
) -> None:
    def echo(model: str, content: str) -> shapes.Json:
        return shapes.chat_completion(model, content)

    upstream.forget(lambda seen: json_reply(echo(MODEL, seen.json()["messages"][0]["content"])).delayed(0.01))

    async def ask(number: int) -> tuple[str, str | None]:
        question: ChatCompletionMessageParam = {"role": "user", "content": f"number {number}"}
        answer = await async_client.chat.completions.create(model=MODEL, messages=[question])
        return answer.id, answer.choices[0].message.content

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(ask(number)) for number in range(40)]
    answers = [task.result() for task in tasks]
    assert [text for _, text in answers] == [f"number {number}" for number in range(40)]
    assert len({name for name, _ in answers}) == 40


def test_stream_of_a_server_with_other_habits(client: openai.OpenAI, upstream: UpstreamThread) -> None:
    """Usage on the finish chunk although nobody asked, and no `[DONE]`."""
    upstream.forget(ModelServer(usage_on_finish=True, done=False))
    with client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True) as stream:
        chunks = list(stream)
    assert text_of(chunks) == TEXT
    assert chunks[-1].choices[0].finish_reason == "stop"


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_stream_that_arrives_byte_by_byte(
    client: openai.OpenAI, upstream: UpstreamThread, line_end: bytes
) -> None:
    pieces = ["häufig ", "日本語 ", "\U0001f600", " \r\n\r\ndata: [DONE]"]
    events = frames(shapes.chat_chunks(MODEL, pieces), line_end=line_end)
    upstream.push(stream_reply([KEEP_ALIVE, *events]).in_pieces(1))
    with client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True) as stream:
        assert text_of(list(stream)) == "".join(pieces)


def test_tool_calls_pass_both_ways(client: openai.OpenAI, upstream: UpstreamThread) -> None:
    arguments = '{"city": "Zürich",\n "unit": "°C"}'
    answer = shapes.chat_completion(MODEL, "", finish_reason="tool_calls")
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": arguments}}
    answer["choices"][0]["message"] |= {"content": None, "tool_calls": [call]}
    upstream.push(json_reply(answer))
    schema: dict[str, object] = {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "additionalProperties": False,
    }
    told = client.chat.completions.create(
        model=MODEL,
        messages=MESSAGES,
        tools=[{"type": "function", "function": {"name": "weather", "parameters": schema, "strict": True}}],
    )
    (got,) = told.choices[0].message.tool_calls or []
    assert got.type == "function"
    assert (got.function.name, got.function.arguments) == ("weather", arguments)
    assert upstream.posts[0].json()["tools"][0]["function"]["parameters"] == schema
