"""What strict mode takes as a request: refusals name the field, and what is taken goes on byte by byte."""

from typing import Any

import pytest

from dwctl.gateway.strict import peekers
from dwctl.wire.errors import Refused
from tests.fakes.upstream import FakeUpstream
from tests.gateway.house import MESSAGES, House, bearer, chat, encoded, model, target

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
EMBEDDINGS, RESPONSES = "/v1/embeddings", "/v1/responses"
FUNCTION = {"type": "function", "name": "f", "description": "d", "parameters": {}}
GOOD: dict[str, tuple[dict[str, Any], ...]] = {
    CHAT: (
        {"messages": MESSAGES, "min_tokens": 3, "chat_template_kwargs": {"x": [1]}},
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "audio", "x": 1}]}
            ]
        },
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:x"}}]}]},
        {
            "messages": [
                {
                    "role": "assistant",
                    "content": None,
                    "reasoning_content": "why",
                    "tool_calls": [
                        {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
                    ],
                },
                {"role": "tool", "tool_call_id": "c", "content": "1", "name": "f"},
            ],
            "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
            "tool_choice": {"type": "function", "function": {"name": "f"}},
            "parallel_tool_calls": False,
        },
        {
            "messages": [],
            "stream": True,
            "stream_options": {"include_usage": True, "x": 1},
            "stop": ["a"],
            "n": 2,
            "max_tokens": 1,
            "max_completion_tokens": None,
            "logit_bias": {"5": -100},
            "logprobs": True,
            "top_logprobs": 3,
            "temperature": 1,
            "seed": 1,
            "user": "u",
            "service_tier": "auto",
            "response_format": {"type": "json_schema", "json_schema": {}},
        },
    ),
    COMPLETIONS: (
        {},
        {"prompt": None, "suffix": "x", "echo": True, "best_of": 2, "logprobs": 1, "stop": "x"},
        *({"prompt": prompt} for prompt in ("a", [], ["a", "b"], [1, 2], [[1], [2, 3]])),
    ),
    EMBEDDINGS: (
        *({"input": given} for given in ("a", ["a", "b"], [1, 2], [[1], [2]])),
        {"input": "a", "encoding_format": "base64", "dimensions": 8, "user": "u"},
    ),
    RESPONSES: (
        {
            "input": "hi",
            "instructions": "x",
            "previous_response_id": "resp_1",
            "background": False,
            "store": True,
        },
        {"input": [{"role": "user", "content": "hi"}]},
        {"input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a"}]}]},
        {
            "input": [
                {
                    "type": "function_call",
                    "call_id": "c",
                    "name": "f",
                    "arguments": "{}",
                    "status": "completed",
                }
            ]
        },
        {"input": [{"type": "function_call_output", "call_id": "c", "output": "1"}]},
        {
            "input": [
                {"type": "reasoning", "summary": []},
                {"type": "acme:thing", "x": {}},
                {"type": "item_reference"},
            ]
        },
        {
            "input": "hi",
            "tools": [FUNCTION, {**FUNCTION, "description": None}, {"type": "web_search", "x": 1}],
        },
        {
            "input": "hi",
            "text": {"format": {"type": "text"}},
            "reasoning": {"effort": "low"},
            "truncation": "auto",
        },
        {
            "input": "hi",
            "metadata": {"a": "b"},
            "stream": True,
            "service_tier": "flex",
            "tool_choice": "auto",
        },
    ),
}
BAD: tuple[tuple[str, Any, str | None, str], ...] = (
    (CHAT, {}, "messages", "Invalid 'messages': this field is required."),
    (CHAT, {"messages": "hi"}, "messages", "Invalid 'messages': expected array, got string."),
    (CHAT, {"messages": [{}]}, "messages[0].role", "Invalid 'messages[0].role': this field is required."),
    (
        CHAT,
        {"messages": [*MESSAGES, {"role": 1}]},
        "messages[1].role",
        "Invalid 'messages[1].role': expected string, got integer.",
    ),
    (
        CHAT,
        {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
        "messages[0].content[0]",
        "Invalid 'messages[0].content[0]': a part of the type 'text' has the field 'text'.",
    ),
    (
        CHAT,
        {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
        "messages[0].content[0]",
        "a part of the type 'image_url' has the field 'image_url'",
    ),
    (CHAT, {"messages": [], "tools": [{"type": "function"}]}, "tools[0]", "has the field 'function'"),
    (CHAT, {"messages": [], "temperature": "hot"}, "temperature", "expected number | null, got string"),
    (CHAT, {"messages": [], "n": 1.5}, "n", "expected integer | null, got number"),
    (CHAT, {"messages": [], "stop": [1]}, "stop[0]", "expected string, got integer"),
    (CHAT, [], None, "Invalid body: Expected object, got array."),
    (CHAT, {"messages": [], "model": 5}, "model", "Invalid 'model': expected string, got integer."),
    (COMPLETIONS, {"prompt": [1.5]}, "prompt[0]", "expected integer | string | array, got number"),
    (COMPLETIONS, {"prompt": [1, "a"]}, None, "prompt: expected only strings"),
    (COMPLETIONS, {"logprobs": True}, "logprobs", "expected integer | null, got boolean"),
    (EMBEDDINGS, {}, "input", "this field is required"),
    (EMBEDDINGS, {"input": {}}, "input", "got object"),
    (EMBEDDINGS, {"input": ["a", 1]}, None, "input: expected only strings"),
    (EMBEDDINGS, {"input": "a", "encoding_format": "hex"}, "encoding_format", "hex"),
    (RESPONSES, {}, "input", "this field is required"),
    (RESPONSES, {"input": [{"type": 1}]}, "input[0].type", "expected string, got integer"),
    (
        RESPONSES,
        {"input": [{"content": "hi"}]},
        "input[0]",
        "an item of the type 'message' has the field 'role'",
    ),
    (RESPONSES, {"input": [{"type": "function_call", "call_id": "c"}]}, "input[0]", "has the field 'name'"),
    (RESPONSES, {"input": "", "tools": [{"type": "function", "function": FUNCTION}]}, "tools[0]", "'name'"),
    *(
        (
            RESPONSES,
            {"input": "", "tools": [{key: value for key, value in FUNCTION.items() if key != name}]},
            "tools[0]",
            f"a tool of the type 'function' has the field '{name}'",
        )
        for name in ("name", "description", "parameters")
    ),
    (RESPONSES, {"input": "", "truncation": "never"}, "truncation", "never"),
)


@pytest.mark.parametrize(("path", "body"), [(path, body) for path, bodies in GOOD.items() for body in bodies])
def test_what_the_api_knows_is_taken(path: str, body: dict[str, Any]) -> None:
    assert peekers()[path].peek(encoded({"model": "m", **body})).model == "m"


@pytest.mark.parametrize(("path", "body", "field", "text"), BAD)
def test_what_does_not_fit_is_refused_by_its_field(
    path: str, body: Any, field: str | None, text: str
) -> None:
    whole = {"model": "m", **body} if isinstance(body, dict) else body
    with pytest.raises(Refused) as refused:
        peekers()[path].peek(encoded(whole))
    problem = refused.value.problem
    assert (problem.status, problem.param, problem.code) == (422, field, None)
    assert text in problem.message


@pytest.mark.parametrize("path", list(GOOD))
@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"model":"m","x":tru}', b'{"model":"m","user":"\xff"}', b'{"x":' + b"[" * 9000]
)
def test_what_is_no_json_is_a_plain_400(path: str, body: bytes) -> None:
    with pytest.raises(Refused) as refused:
        peekers()[path].peek(body)
    assert (refused.value.problem.status, refused.value.problem.code) == (400, None)


@pytest.mark.parametrize("path", list(GOOD))
async def test_a_model_has_to_be_named_in_the_body(upstream: FakeUpstream, path: str) -> None:
    body = {"messages": MESSAGES, "prompt": "a", "input": "a"}
    async with House(model("m", target(upstream.url)), strict=True) as house:
        answer = await house.call(body, f"/ai{path}")
        assert (answer.status, answer.json()["error"]["param"]) == (422, "model")
        assert (await house.call({**body, "model": "m"}, f"/ai{path}")).status == 200
    assert [each.path for each in upstream.posts] == [path]


async def test_the_key_is_looked_at_before_the_body(upstream: FakeUpstream) -> None:
    async with House(model("m", target(upstream.url)), strict=True) as house:
        answer = await house.call({"model": 1}, headers=bearer("sk-wrong"))
    assert answer.status == 401


async def test_a_body_that_fits_goes_on_as_it_came(upstream: FakeUpstream) -> None:
    body = (
        b'{ "messages":[{"role":"user","content":"caf\\u00e9","x":{"y":1}}] ,\n\t"model" : "fake-model", "z":1.50,'
        b'"input":[{"type":"acme:thing","deep":[{"n":null}]}] }'
    )
    async with House(model("fake-model", target(upstream.url)), strict=True) as house:
        for path in (CHAT, RESPONSES):
            assert (await house.call(body, f"/ai{path}")).status == 200
    assert [each.body for each in upstream.posts] == [body, body]


async def test_a_body_of_more_than_two_megabytes_is_taken(upstream: FakeUpstream) -> None:
    url = "data:image/png;base64," + "A" * 3_000_000
    content = [{"type": "image_url", "image_url": {"url": url}}]
    async with House(model("m", target(upstream.url)), strict=True) as house:
        answer = await house.call(chat(messages=[{"role": "user", "content": content}]))
    assert answer.status == 200
    assert upstream.posts[0].json()["messages"][0]["content"] == content


@pytest.mark.parametrize(
    "path", ["/ai/v1/rerank", "/ai/v1/audio/speech", "/ai/v1/chat/completions/", "/ai/x"]
)
async def test_only_typed_routes_are_the_gateways(upstream: FakeUpstream, path: str) -> None:
    async with House(model("m", target(upstream.url)), strict=True) as house:
        assert (await house.call(chat(), path)).status == 404
        assert (await house.get("/ai/v1/models")).json()["data"][0]["id"] == "m"
    assert upstream.posts == []
