"""Chat completions of the official client on a model server that knows only the Responses API."""

from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import openai
import pytest
from openai.types.chat import ChatCompletionMessageFunctionToolCall
from pydantic import BaseModel

from tests.contract.test_composite import EVERYONE, ask
from tests.fakes.answers import frames, json_reply, server_error, stream_reply
from tests.fakes.model import MODEL
from tests.fakes.responses import (
    ResponsesServer,
    called,
    events_of,
    refused,
    response,
    text,
    thought,
    usage,
)
from tests.fakes.shapes import Json
from tests.fakes.upstream import UpstreamThread, upstream_in_thread
from tests.server_process import Product
from tests.waiting import until

pytestmark = pytest.mark.xdist_group("contract")

NATIVE = "native-model"
TEXT = "Hello from the fake model."
MESSAGES: Any = [{"role": "user", "content": "Say hello."}]
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}


class Person(BaseModel):
    name: str
    age: int


@pytest.fixture
def server() -> Iterator[UpstreamThread]:
    """A server that knows only `/v1/responses`."""
    with upstream_in_thread(ResponsesServer(models=(NATIVE,))) as running:
        yield running


@pytest.fixture
def model(admin: httpx.Client, server: UpstreamThread) -> Iterator[str]:
    """The id of its model, which everybody may call."""
    wanted = {"name": "native", "url": server.url, "model_filter": [NATIVE]}
    endpoint = ask(admin, "POST", "/endpoints", wanted)["id"]
    models = {model["alias"]: model["id"] for model in ask(admin, "GET", "/models")["data"]}
    made: str = models[NATIVE]
    ask(admin, "PATCH", f"/models/{made}", {"chat_completions_adapter": True})
    ask(admin, "POST", f"/groups/{EVERYONE}/models/{made}")
    yield made
    ask(admin, "DELETE", f"/endpoints/{endpoint}")


def answers(server: UpstreamThread, *items: Json, **more: Any) -> None:
    """The server says this from here on."""
    server.forget(ResponsesServer(models=(NATIVE,), output=items, more=more))


def test_create(client: openai.OpenAI, server: UpstreamThread, model: str) -> None:
    answers(server, thought("Hmm."), text(TEXT), usage=usage(100, 50, cached=64, reasoning=32))
    raw = client.chat.completions.with_raw_response.create(
        model=NATIVE,
        messages=[{"role": "system", "content": "Be brief."}, *MESSAGES],
        max_completion_tokens=99,
        reasoning_effort="low",
        metadata={"a": "b"},
    )
    answer = raw.parse()
    (choice,) = answer.choices
    assert (choice.message.content, choice.finish_reason) == (TEXT, "stop")
    assert choice.message.model_extra == {"reasoning_content": "Hmm."}
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (100, 50)
    assert answer.usage.prompt_tokens_details is not None
    assert answer.usage.completion_tokens_details is not None
    assert answer.usage.prompt_tokens_details.cached_tokens == 64
    assert answer.usage.completion_tokens_details.reasoning_tokens == 32
    (post,) = server.posts
    assert (post.path, post.json()) == (
        "/v1/responses",
        {
            "model": NATIVE,
            "input": [
                {"type": "message", "role": "system", "content": "Be brief."},
                {"type": "message", "role": "user", "content": "Say hello."},
            ],
            "max_output_tokens": 99,
            "reasoning": {"effort": "low"},
            "metadata": {"a": "b"},
            "store": False,
        },
    )
    stored = client.responses.retrieve(raw.headers["x-onwards-response-id"])
    assert stored.output_text == TEXT
    assert stored.usage is not None
    assert stored.usage.input_tokens_details.cached_tokens == 64


@pytest.mark.parametrize("asked", [False, True])
def test_stream(client: openai.OpenAI, server: UpstreamThread, model: str, asked: bool) -> None:
    with client.chat.completions.create(
        model=NATIVE, messages=MESSAGES, stream=True, stream_options={"include_usage": asked}
    ) as stream:
        chunks = list(stream)
    said = [chunk.choices[0] for chunk in chunks if chunk.choices]
    assert "".join(choice.delta.content or "" for choice in said) == TEXT
    assert (said[0].delta.role, said[-1].finish_reason) == ("assistant", "stop")
    assert [chunk.usage.total_tokens for chunk in chunks if chunk.usage] == ([14] if asked else [])
    stored = client.responses.retrieve(chunks[0].id)
    assert (stored.output_text, stored.usage and stored.usage.total_tokens) == (TEXT, 14)


@pytest.mark.parametrize("streamed", [False, True])
def test_tools_there_and_back(
    client: openai.OpenAI, server: UpstreamThread, model: str, streamed: bool
) -> None:
    calls = (("c1", '{"city":"Rome"}'), ("c2", '{"city":"Oslo"}'))
    answers(server, *(called(ident, "get_weather", arguments) for ident, arguments in calls))
    if streamed:
        with client.chat.completions.stream(model=NATIVE, messages=MESSAGES, tools=[WEATHER]) as stream:
            for _ in stream:
                pass
            first: Any = stream.get_final_completion()
    else:
        first = client.chat.completions.create(model=NATIVE, messages=MESSAGES, tools=[WEATHER])
    (choice,) = first.choices
    assert choice.finish_reason == "tool_calls"
    found = choice.message.tool_calls
    assert all(isinstance(call, ChatCompletionMessageFunctionToolCall) for call in found)
    assert [(call.id, call.function.name, call.function.arguments) for call in found] == [
        (ident, "get_weather", arguments) for ident, arguments in calls
    ]
    answers(server, text("Sunny."))
    results: Any = [{"role": "tool", "tool_call_id": ident, "content": "sunny"} for ident, _ in calls]
    said: Any = choice.message.model_dump(exclude_none=True)
    answer = client.chat.completions.create(
        model=NATIVE, messages=[*MESSAGES, said, *results], tools=[WEATHER], tool_choice="auto"
    )
    assert answer.choices[0].message.content == "Sunny."
    (post,) = server.posts
    assert [item["type"] for item in post.json()["input"]] == [
        "message",
        *["function_call"] * 2,
        *["function_call_output"] * 2,
    ]
    assert post.json()["tools"] == [{"type": "function", **WEATHER["function"]}]


@pytest.mark.parametrize("streamed", [False, True])
def test_structured_output(client: openai.OpenAI, server: UpstreamThread, model: str, streamed: bool) -> None:
    answers(server, text('{"name":"Ada","age":36}'))
    if streamed:
        with client.chat.completions.stream(
            model=NATIVE, messages=MESSAGES, response_format=Person
        ) as stream:
            for _ in stream:
                pass
            answer: Any = stream.get_final_completion()
    else:
        answer = client.chat.completions.parse(model=NATIVE, messages=MESSAGES, response_format=Person)
    assert answer.choices[0].message.parsed == Person(name="Ada", age=36)
    wanted = server.posts[0].json()["text"]["format"]
    assert (wanted["type"], wanted["name"], wanted["strict"]) == ("json_schema", "Person", True)


def test_pictures(client: openai.OpenAI, server: UpstreamThread, model: str) -> None:
    parts: Any = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
    ]
    client.chat.completions.create(model=NATIVE, messages=[{"role": "user", "content": parts}])
    assert server.posts[0].json()["input"][0]["content"] == [
        {"type": "input_text", "text": "What is this?"},
        {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "low"},
    ]


def test_log_probabilities(client: openai.OpenAI, server: UpstreamThread, model: str) -> None:
    token = {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}
    part = {"type": "output_text", "text": "a", "annotations": [], "logprobs": [token]}
    answers(server, text("") | {"content": [part]})
    answer = client.chat.completions.create(model=NATIVE, messages=MESSAGES, logprobs=True, top_logprobs=2)
    found = answer.choices[0].logprobs
    assert found is not None
    assert found.content is not None
    assert [(each.token, each.logprob) for each in found.content] == [("a", -0.5)]
    assert server.posts[0].json()["include"] == ["message.output_text.logprobs"]
    assert server.posts[0].json()["top_logprobs"] == 2


@pytest.mark.parametrize("streamed", [False, True])
def test_refusals_and_answers_that_are_too_long(
    client: openai.OpenAI, server: UpstreamThread, model: str, streamed: bool
) -> None:
    def said() -> Any:
        if not streamed:
            return client.chat.completions.create(model=NATIVE, messages=MESSAGES).choices[0]
        with client.chat.completions.stream(model=NATIVE, messages=MESSAGES) as stream:
            for _ in stream:
                pass
            return stream.get_final_completion().choices[0]

    answers(server, refused("I cannot."))
    choice = said()
    assert (choice.message.refusal, choice.message.content) == ("I cannot.", None)
    answers(server, text("Hello"), status="incomplete", incomplete_details={"reason": "max_output_tokens"})
    if streamed:
        with pytest.raises(openai.LengthFinishReasonError):
            client.chat.completions.parse(model=NATIVE, messages=MESSAGES, response_format=Person)
    else:
        assert said().finish_reason == "length"


def test_errors(client: openai.OpenAI, server: UpstreamThread, model: str) -> None:
    with pytest.raises(openai.BadRequestError) as refusal:
        client.chat.completions.create(model=NATIVE, messages=MESSAGES, stop=["x"])
    assert (refusal.value.param, refusal.value.code) == ("stop", "unsupported_parameter")
    assert server.posts == []
    with pytest.raises(openai.BadRequestError) as refusal:
        client.chat.completions.create(model=NATIVE, messages=MESSAGES, max_tokens=2)
    assert (refusal.value.param, refusal.value.code) == ("max_tokens", "integer_below_min_value")
    server.push(server_error(500))
    with pytest.raises(openai.InternalServerError):
        client.chat.completions.create(model=NATIVE, messages=MESSAGES)
    failure = {"code": "rate_limit_exceeded", "message": "slow down"}
    server.push(json_reply(response(status="failed", error=failure)))
    with pytest.raises(openai.RateLimitError, match="slow down"):
        client.chat.completions.create(model=NATIVE, messages=MESSAGES)
    told = events_of(response(text("abcdef"), status="failed", error=failure))
    server.push(stream_reply(frames(told, named=True)))
    with client.chat.completions.create(model=NATIVE, messages=MESSAGES, stream=True) as stream:
        chunks = iter(stream)
        first = next(chunks)
        with pytest.raises(openai.APIError, match="slow down"):
            list(chunks)
    stored = client.responses.retrieve(first.id)
    assert stored.status == "failed"
    assert stored.error is not None
    assert stored.error.message == "slow down"


def test_responses_and_messages_of_the_same_model(
    client: openai.OpenAI, product: Product, server: UpstreamThread, model: str
) -> None:
    answer = client.responses.create(
        model=NATIVE, input=[{"role": "user", "content": "Hi", "type": "message"}], store=False
    )
    assert answer.output_text == TEXT
    body = {"model": NATIVE, "max_tokens": 64, "messages": MESSAGES}
    headers = {"x-api-key": product.key, "anthropic-version": "2023-06-01"}
    message = httpx.post(
        f"{product.base_url}/messages", json=body, headers=headers, timeout=20, trust_env=False
    )
    assert message.json()["content"] == [{"type": "text", "text": TEXT}]
    assert [post.path for post in server.posts] == ["/v1/responses"] * 2


def test_a_pool_of_both_kinds(
    client: openai.OpenAI, admin: httpx.Client, upstream: UpstreamThread, server: UpstreamThread, model: str
) -> None:
    answers(server, text("From the native one."))
    models = {each["alias"]: each["id"] for each in ask(admin, "GET", "/models")["data"]}
    wanted = {"type": "composite", "model_name": "both-kinds", "lb_strategy": "priority"}
    made = ask(admin, "POST", "/models", wanted)["id"]
    try:
        ask(admin, "POST", f"/groups/{EVERYONE}/models/{made}")
        for part in (model, models[MODEL]):
            ask(admin, "POST", f"/models/{made}/components/{part}", {})
        said = []
        for stream in (False, True):
            for answer in (None, server_error(503)):
                if answer is not None:
                    server.push(answer)
                made_of = client.chat.completions.create(model="both-kinds", messages=MESSAGES, stream=stream)
                if isinstance(made_of, openai.Stream):
                    said.append(
                        "".join(each.choices[0].delta.content or "" for each in made_of if each.choices)
                    )
                else:
                    said.append(made_of.choices[0].message.content or "")
        assert said == ["From the native one.", TEXT] * 2
        assert {post.path for post in upstream.posts} == {"/v1/chat/completions"}
    finally:
        ask(admin, "DELETE", f"/models/{made}")


def test_flex_and_lines_of_a_batch(client: openai.OpenAI, server: UpstreamThread, model: str) -> None:
    answer = client.chat.completions.create(model=NATIVE, messages=MESSAGES, service_tier="flex")
    assert answer.choices[0].message.content == TEXT
    bodies: list[Json] = [
        {"model": NATIVE, "messages": MESSAGES},
        {"model": NATIVE, "messages": MESSAGES, "n": 2},
    ]
    lines = [
        {"custom_id": str(number), "method": "POST", "url": "/v1/chat/completions", "body": body}
        for number, body in enumerate(bodies)
    ]
    file = client.files.create(file=b"\n".join(map(msgspec.json.encode, lines)), purpose="batch")
    batch = client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
    )

    def done() -> bool:
        return client.batches.retrieve(batch.id).status == "completed"

    until(done, "the batch is done")
    batch = client.batches.retrieve(batch.id)
    assert batch.output_file_id
    assert batch.error_file_id
    (good,) = client.files.content(batch.output_file_id).text.splitlines()
    body = msgspec.json.decode(good)["response"]["body"]
    assert body["choices"][0]["message"]["content"] == TEXT
    (bad,) = client.files.content(batch.error_file_id).text.splitlines()
    assert '"param":"n"' in bad
