"""Anthropic's Messages API over the whole product, with its rows."""

from typing import Any

import httpx
import msgspec
import openai
import pytest

from dwctl.wire.sse import data_of, events
from tests.fakes.answers import frames, json_reply, stream_reply
from tests.fakes.model import MODEL
from tests.fakes.upstream import UpstreamThread
from tests.server_process import Product

pytestmark = pytest.mark.xdist_group("contract")

TEXT = "Hello from the fake model."
TOOL = {"name": "weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}


def ask(product: Product, **more: Any) -> httpx.Response:
    """Send a message as Anthropic's clients do."""
    body = {
        "model": MODEL,
        "max_tokens": 64,
        "system": "Be brief.",
        "messages": [{"role": "user", "content": "Say hello to me"}],
        **more,
    }
    headers = {"x-api-key": product.key, "anthropic-version": "2023-06-01"}
    return httpx.post(f"{product.base_url}/messages", json=body, headers=headers, timeout=20, trust_env=False)


def test_a_message_is_fetched_as_a_response(client: openai.OpenAI, product: Product) -> None:
    answer = ask(product, temperature=0.5)
    assert answer.status_code == 200
    name = answer.headers["x-onwards-response-id"]
    assert answer.json()["id"] == f"msg_{name.removeprefix('resp_')}"
    stored = client.responses.retrieve(name)
    assert (stored.id, stored.status, stored.model, stored.output_text) == (name, "completed", MODEL, TEXT)
    assert stored.temperature == 0.5
    assert stored.usage is not None
    assert stored.usage.output_tokens == answer.json()["usage"]["output_tokens"] == 5


def test_a_streamed_tool_call_is_fetched_as_a_response(
    client: openai.OpenAI, product: Product, upstream: UpstreamThread
) -> None:
    def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        return {"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

    first = {
        "index": 0,
        "id": "t1",
        "type": "function",
        "function": {"name": "weather", "arguments": '{"city":'},
    }
    rest = {"index": 0, "function": {"arguments": '"Rome"}'}}
    usage = {"choices": [], "usage": {"prompt_tokens": 4, "completion_tokens": 2, "total_tokens": 6}}
    chunks = [chunk({"tool_calls": [first]}), chunk({"tool_calls": [rest]}), chunk({}, "tool_calls"), usage]
    upstream.push(stream_reply(frames(chunks)))
    answer = ask(product, stream=True, tools=[TOOL], tool_choice={"type": "any"})

    found = [msgspec.json.decode(data_of(event)) for event in events(answer.content)]
    pieces = [event["delta"]["partial_json"] for event in found if event["type"] == "content_block_delta"]
    assert "".join(pieces) == '{"city":"Rome"}'
    assert found[-2]["delta"]["stop_reason"] == "tool_use"
    (call,) = client.responses.retrieve(answer.headers["x-onwards-response-id"]).output
    assert call.type == "function_call"
    assert (call.call_id, call.name, call.arguments) == ("t1", "weather", '{"city":"Rome"}')


def test_the_request_side_of_the_row_is_a_chat_request_too(client: openai.OpenAI, product: Product) -> None:
    answer = ask(product, tools=[TOOL], tool_choice={"type": "auto"}, metadata={"user_id": "u"})
    stored = client.responses.retrieve(answer.headers["x-onwards-response-id"])
    assert stored.tool_choice == "auto"
    assert [tool.type for tool in stored.tools] == ["function"]


def test_an_error_is_stored_as_a_failed_call(
    client: openai.OpenAI, product: Product, upstream: UpstreamThread
) -> None:
    upstream.push(json_reply({"error": {"message": "No such thing."}}, status=422))
    answer = ask(product)
    assert (answer.status_code, answer.json()["error"]["message"]) == (400, "No such thing.")
    stored = client.responses.retrieve(answer.headers["x-onwards-response-id"])
    assert stored.status == "failed"
    assert stored.error is not None


@pytest.mark.parametrize("path", ["messages/count_tokens", "messages/batches"])
def test_what_is_not_there_is_said_in_the_protocol(product: Product, path: str) -> None:
    answer = httpx.post(f"{product.base_url}/{path}", json={}, timeout=20, trust_env=False)
    assert answer.status_code == 404
    assert answer.json() == {
        "type": "error",
        "error": {"type": "not_found_error", "message": f"Unknown endpoint: POST /ai/v1/{path}"},
        "request_id": None,
    }
