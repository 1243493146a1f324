"""What a call is offered, and what its client asks of its own."""

from typing import Any

import msgspec
import pytest

from tests.fakes.shapes import Json
from tests.fakes.tools import Caller
from tests.fakes.upstream import FakeUpstream
from tests.gateway.house import SECRET, key
from tests.gateway.tools.bench import (
    GROUP,
    PATH,
    SCHEMA,
    asked,
    at_rest,
    house,
    keys,
    kinds,
    tool,
    tooled,
)

ULM = ("weather", {"city": "Ulm"})
RESULT = '{"city":"Ulm","sun":true}'


async def test_a_function_of_the_client_ends_the_response(
    upstream: FakeUpstream, server: FakeUpstream
) -> None:
    caller = Caller([ULM, ("mine", {})])
    upstream.forget(caller)
    mine: Json = {"type": "function", "name": "mine", "parameters": SCHEMA}
    async with house(tooled(upstream, tool(server, "weather"))) as running:
        answer = await running.call(asked(tools=[mine]), PATH)
        shown = answer.json()
        # The client answers its own call alone, and the model has both.
        result = {"type": "function_call_output", "call_id": shown["output"][1]["call_id"], "output": "42"}
        await running.call(asked(input=[*shown["output"], result], tools=[mine]), PATH)
    assert (shown["status"], kinds(shown)) == (
        "completed",
        ["mcp_call", "function_call"],
    )
    assert [item["status"] for item in shown["output"]] == ["completed", "completed"]
    assert [one["name"] for one in shown["tools"]] == ["mine"]
    assert [one["function"]["name"] for one in caller.asked[0]["tools"]] == ["mine", "weather"]
    talk = caller.asked[1]["messages"]
    assert [one["role"] for one in talk] == ["assistant", "tool", "assistant", "tool"]
    assert [one["content"] for one in talk if one["role"] == "tool"] == [RESULT, "42"]


@pytest.mark.parametrize("native", [False, True])
async def test_a_later_call_shows_a_model_server_what_it_knows(
    upstream: FakeUpstream, server: FakeUpstream, native: bool
) -> None:
    """Also a model without the tool."""
    upstream.forget(Caller([ULM]))
    async with house(tooled(upstream, tool(server, "weather"))) as running:
        shown = (await running.call(asked(), PATH)).json()["output"]
    foreign = {**shown[0], "server_label": "theirs"}
    upstream.forget()
    async with house(tooled(upstream, native=native)) as running:
        again = [*shown, {"role": "user", "content": "And now?"}]
        assert (await running.call(asked(input=again), PATH)).status == 200
        answer = await running.call(asked(input=[foreign]), PATH)
    call = {"call_id": shown[0]["id"], "name": "weather", "arguments": '{"city":"Ulm"}'}
    if native:
        result = {"type": "function_call_output", "call_id": shown[0]["id"], "output": RESULT}
        sent = upstream.posts[0].json()["input"]
        assert sent == [{"type": "function_call", **call}, result, *again[1:]]
        assert upstream.posts[1].json()["input"] == [foreign]
    else:
        talk = upstream.posts[0].json()["messages"]
        assert [message["role"] for message in talk] == ["assistant", "tool", "assistant", "user"]
        assert (answer.status, answer.json()["error"]["param"]) == (400, "input.0.type")


async def test_a_name_that_nobody_knows_is_the_clients(upstream: FakeUpstream, server: FakeUpstream) -> None:
    upstream.forget(Caller([("nonsense", {})]))
    async with house(tooled(upstream, tool(server, "weather"))) as running:
        answer = await running.call(asked(), PATH)
    assert kinds(answer.json()) == ["function_call"]
    assert (answer.json()["status"], server.posts) == ("completed", [])


@pytest.mark.parametrize(
    ("tools", "param", "text"),
    [
        (
            [{"type": "hosted_tool", "name": "x"}],
            "tools.0.name",
            "Unknown hosted tool: 'x'. Available tools: [clock, weather]",
        ),
        (
            [{"type": "function", "name": "a"}, {"type": "function", "name": "weather"}],
            "tools.1.name",
            "Tool name collision: 'weather' is a tool of the server; give the function another name.",
        ),
    ],
)
async def test_names_that_do_not_go(
    upstream: FakeUpstream, server: FakeUpstream, tools: Any, param: str, text: str
) -> None:
    async with house(tooled(upstream, tool(server, "weather"), tool(server, "clock"))) as running:
        answer = await running.call(asked(tools=tools), PATH)
        assert at_rest(running)
    assert (answer.status, answer.json()["error"]) == (
        400,
        {"message": text, "type": "invalid_request_error", "param": param, "code": "invalid_value"},
    )
    assert upstream.posts == []
    assert running.ledger.started == []


async def test_a_call_may_name_the_tools_that_it_wants(upstream: FakeUpstream, server: FakeUpstream) -> None:
    caller = Caller()
    upstream.forget(caller)
    weather = {"type": "hosted_tool", "name": "weather"}
    async with house(tooled(upstream, tool(server, "weather"), tool(server, "clock"))) as running:
        answer = await running.call(asked(tools=[weather], tool_choice=weather), PATH)
        # The other one's name is free then.
        await running.call(asked(tools=[weather, {"type": "function", "name": "clock"}]), PATH)
    first, second = caller.asked
    assert [one["function"]["name"] for one in first["tools"]] == ["weather"]
    assert first["tool_choice"] == {"type": "function", "function": {"name": "weather"}}
    assert answer.json()["tools"] == [weather]
    assert [one["function"]["name"] for one in second["tools"]] == ["clock", "weather"]


@pytest.mark.parametrize("choice", ["required", {"type": "function", "name": "weather"}])
async def test_a_choice_forces_the_first_round_alone(
    upstream: FakeUpstream, server: FakeUpstream, choice: Any
) -> None:
    caller = Caller([ULM])
    upstream.forget(caller)
    async with house(tooled(upstream, tool(server, "weather"))) as running:
        answer = await running.call(asked(tool_choice=choice), PATH)
    assert [one["tool_choice"] == "auto" for one in caller.asked] == [False, True]
    assert answer.json()["tool_choice"] == choice


async def test_none_means_none(upstream: FakeUpstream, server: FakeUpstream) -> None:
    caller = Caller()
    upstream.forget(caller)
    async with house(tooled(upstream, tool(server, "weather"))) as running:
        await running.call(asked(tool_choice="none"), PATH)
    assert "tools" not in caller.asked[0]


@pytest.mark.parametrize("groups", [("00000000-0000-4000-8000-0000000000bb",), ()])
async def test_whose_groups_do_not_have_it(
    upstream: FakeUpstream, server: FakeUpstream, groups: tuple[str, ...]
) -> None:
    caller = Caller()
    upstream.forget(caller)
    other = {SECRET: key(groups=groups)}
    async with house(tooled(upstream, tool(server, "weather")), keys=other) as running:
        assert (await running.call(asked(), PATH)).status == 200
        named = asked(tools=[{"type": "hosted_tool", "name": "weather"}])
        refused = await running.call(named, PATH)
    assert "tools" not in caller.asked[0]
    assert refused.json()["error"]["message"] == "Unknown hosted tool: 'weather'. Available tools: []"


async def test_a_model_without_tools_says_the_same(upstream: FakeUpstream) -> None:
    async with house(msgspec.structs.replace(tooled(upstream), tools=None)) as running:
        refused = await running.call(asked(tools=[{"type": "hosted_tool", "name": "x"}]), PATH)
    assert (refused.status, refused.json()["error"]["message"]) == (
        400,
        "Invalid 'tools.0.name': Unknown hosted tool: 'x'. Available tools: [].",
    )


async def test_only_tools_of_shared_groups(upstream: FakeUpstream, server: FakeUpstream) -> None:
    caller = Caller()
    upstream.forget(caller)
    other = "00000000-0000-4000-8000-0000000000bb"
    tools = (tool(server, "weather"), tool(server, "clock", groups=(other,)))
    async with house(tooled(upstream, *tools), keys=keys(GROUP)) as running:
        await running.call(asked(), PATH)
    assert [one["function"]["name"] for one in caller.asked[0]["tools"]] == ["weather"]


async def test_chats_have_no_tools_of_the_server(upstream: FakeUpstream, server: FakeUpstream) -> None:
    async with house(tooled(upstream, tool(server, "weather"))) as running:
        await running.call({"model": "m", "messages": [{"role": "user", "content": "x"}]})
    assert "tools" not in upstream.posts[0].json()
