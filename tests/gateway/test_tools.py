"""Calls whose models use tools that the server runs."""

from typing import Any

import msgspec
import pytest

from dwctl.core.ids import new_id
from dwctl.requests.record import State
from dwctl.routing.snapshot import Model
from dwctl.routing.tools import Tool
from tests.fakes.shapes import Json
from tests.fakes.tools import Caller, ToolServer
from tests.fakes.upstream import FakeUpstream
from tests.gateway.house import SECRET, House, key, model, target

PATH = "/ai/v1/responses"
GROUP = "00000000-0000-4000-8000-0000000000aa"
SCHEMA: Json = {"type": "object", "properties": {"city": {"type": "string"}}}


def tool(server: FakeUpstream, name: str, groups: tuple[str, ...] = (GROUP,), **more: Any) -> Tool:
    """A tool of this server."""
    values: dict[str, Any] = {
        "id": new_id(),
        "name": name,
        "description": f"Does {name}.",
        "parameters": SCHEMA,
        "url": f"http://{server.host}:{server.port}/tools/{name}",
        "secret": None,
        "timeout": 5.0,
        "groups": frozenset(groups),
    }
    return Tool(**values | more)


def tooled(upstream: FakeUpstream, *tools: Tool) -> Model:
    """A model with tools, whose server knows only chat completions."""
    made = model("m", target(upstream.url, adapts_responses=True))
    return msgspec.structs.replace(made, tools=tools)


def keys(*groups: str) -> dict[str, Any]:
    """The key of an account in these groups."""
    return {SECRET: key(groups=groups or (GROUP,))}


@pytest.fixture
async def server() -> Any:
    """A server of tools."""
    async with FakeUpstream(
        ToolServer(weather=lambda asked: {"city": asked["city"], "sun": True})
    ) as running:
        yield running


async def test_a_tool_runs_between_two_rounds(upstream: FakeUpstream, server: FakeUpstream) -> None:
    caller = Caller([("weather", {"city": "Ulm"})])
    upstream.forget(caller)
    async with House(tooled(upstream, tool(server, "weather", secret="s3cret")), keys=keys()) as house:
        answer = await house.call({"model": "m", "input": "How is it?"}, PATH)
        assert answer.status == 200, answer.body
        record = await house.recorded()
    shown = answer.json()
    assert [item["type"] for item in shown["output"]] == ["function_call", "function_call_output", "message"]
    call, result, message = shown["output"]
    assert (call["name"], call["arguments"]) == ("weather", '{"city":"Ulm"}')
    assert (result["call_id"], result["status"]) == (call["call_id"], "completed")
    assert msgspec.json.decode(result["output"]) == {"city": "Ulm", "sun": True}
    assert message["content"][0]["text"] == "All done."
    assert (record.state, record.prompt_tokens, record.completion_tokens) == (State.COMPLETED, 20, 8)
    assert (shown["usage"]["input_tokens"], shown["usage"]["total_tokens"]) == (20, 28)
    (asked,) = server.posts
    assert (asked.path, asked.json()) == ("/tools/weather", {"city": "Ulm"})
    assert asked.header("authorization") == "Bearer s3cret"
    first, second = caller.asked
    function = {"name": "weather", "description": "Does weather.", "parameters": SCHEMA, "strict": False}
    assert first["tools"] == second["tools"] == [{"type": "function", "function": function}]
    assert [one["role"] for one in second["messages"]] == ["user", "assistant", "tool"]
    assert len(house.ledger.started) == len(house.ledger.finished) == 1
