"""Rounds with the model and what runs between them."""

from typing import Any

import msgspec
import pytest

from dwctl.core.settings import Duration
from dwctl.gateway.tools.settings import ToolSettings
from dwctl.requests.record import State
from dwctl.routing.limits import Limits
from tests.fakes import shapes
from tests.fakes.answers import HANG, Answer, Hang, frames, json_reply, server_error, stream_reply
from tests.fakes.shapes import Json
from tests.fakes.tools import Caller
from tests.fakes.upstream import FakeUpstream
from tests.gateway.house import SECRET, bearer, encoded, key
from tests.gateway.tools.bench import (
    GROUP,
    PATH,
    SCHEMA,
    asked,
    at_rest,
    house,
    keys,
    kinds,
    results,
    tool,
    tooled,
)
from tests.wire.open_responses import rebuilt, told

ULM = ("weather", {"city": "Ulm"})
RESULT = '{"city":"Ulm","sun":true}'


async def test_a_tool_runs_between_two_rounds(upstream: FakeUpstream, server: FakeUpstream) -> None:
    caller = Caller([ULM])
    upstream.forget(caller)
    async with house(tooled(upstream, tool(server, "weather", secret="s3cret"))) as running:
        answer = await running.call(asked(), PATH)
        assert answer.status == 200, answer.body
        record = await running.recorded()
        assert at_rest(running)
    shown = answer.json()
    assert kinds(shown) == ["function_call", "function_call_output", "message"]
    call, result, message = shown["output"]
    assert (call["name"], call["arguments"]) == ("weather", '{"city":"Ulm"}')
    assert (result["call_id"], result["status"]) == (call["call_id"], "completed")
    assert results(shown) == [RESULT]
    assert message["content"][0]["text"] == "All done."
    assert (record.state, record.prompt_tokens, record.completion_tokens) == (State.COMPLETED, 20, 8)
    assert (shown["usage"]["input_tokens"], shown["usage"]["total_tokens"]) == (20, 28)
    assert answer.header("x-onwards-response-id") == shown["id"] == f"resp_{record.id}"
    (post,) = server.posts
    assert (post.path, post.json()) == ("/tools/weather", {"city": "Ulm"})
    assert post.header("authorization") == "Bearer s3cret"
    first, second = caller.asked
    function = {"name": "weather", "description": "Does weather.", "parameters": SCHEMA, "strict": False}
    assert first["tools"] == second["tools"] == [{"type": "function", "function": function}]
    assert [one["role"] for one in second["messages"]] == ["user", "assistant", "tool"]
    # One row, with the client's own words and the whole answer.
    assert len(running.ledger.started) == len(running.ledger.finished) == 1
    assert running.ledger.started[0][1] == encoded(asked())
    assert msgspec.json.decode(running.ledger.finished[0][1]) == shown


async def test_a_stream_is_one_response(upstream: FakeUpstream, server: FakeUpstream) -> None:
    upstream.forget(Caller([ULM], [("clock", {}), ULM], says="One moment."))
    async with house(tooled(upstream, tool(server, "weather"), tool(server, "clock"))) as running:
        answer = await running.call(asked(stream=True), PATH)
        record = await running.recorded()
        assert at_rest(running)
    found = told(answer.body)
    types = [event["type"] for event in found]
    lives = ("created", "in_progress", "completed")
    assert [types.count(f"response.{name}") for name in lives] == [1, 1, 1]
    last = found[-1]["response"]
    assert rebuilt(found) == last["output"]
    assert kinds(last) == [
        *("message", "function_call", "function_call_output"),
        *("message", "function_call", "function_call", "function_call_output", "function_call_output"),
        "message",
    ]
    ids = [item["id"] for item in last["output"]]
    assert ids == [f"{ident.partition('_')[0]}_{record.id}_{place}" for place, ident in enumerate(ids)]
    # Calls of different rounds that came with the same id can be told apart.
    calls = [item["call_id"] for item in last["output"] if item["type"] == "function_call"]
    assert len(set(calls)) == 3
    assert sorted(calls) == sorted(
        item["call_id"] for item in last["output"] if item["type"] == "function_call_output"
    )
    assert (record.total_tokens, last["usage"]["total_tokens"]) == (42, 42)
    assert record.stream
    assert answer.header("content-type") == "text/event-stream; charset=utf-8"
    # Each event is a chunk of its own.
    assert len(answer.chunks) == len(found) + 1


async def test_a_call_without_calls_is_any_call(upstream: FakeUpstream, server: FakeUpstream) -> None:
    upstream.forget(Caller())
    async with house(tooled(upstream, tool(server, "weather"))) as running:
        whole = await running.call(asked(), PATH)
        stream = await running.call(asked(stream=True), PATH)
        await running.recorded(2)
        assert at_rest(running)
    assert kinds(whole.json()) == ["message"]
    assert rebuilt(told(stream.body))[0]["content"][0]["text"] == "All done."
    assert server.posts == []


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("stream", [False, True])
async def test_old_clients(upstream: FakeUpstream, server: FakeUpstream, version: str, stream: bool) -> None:
    upstream.forget(Caller([ULM]))
    async with (
        house(tooled(upstream, tool(server, "weather"))) as running,
        running.wire() as wire,
    ):
        wire.send(PATH, encoded(asked(stream=stream)), bearer(), version=version)
        answer = await wire.answer()
        assert (answer.header("connection") == "close") is (version == "1.0")
        shown = told(answer.body)[-1]["response"] if stream else answer.json()
    assert kinds(shown) == ["function_call", "function_call_output", "message"]


async def test_a_connection_serves_one_call_after_another(
    upstream: FakeUpstream, server: FakeUpstream
) -> None:
    upstream.forget(Caller([ULM]))
    async with house(tooled(upstream, tool(server, "weather"))) as running, running.wire() as wire:
        for stream in (False, True, False):
            wire.send(PATH, encoded(asked(stream=stream)), bearer())
            assert (await wire.answer()).status == 200
        await running.recorded(3)


async def test_tools_run_beside_each_other_and_results_keep_their_order(
    upstream: FakeUpstream, server: FakeUpstream
) -> None:
    caller = Caller([("weather", {"city": name}) for name in "abc"])
    upstream.forget(caller)
    server.push(json_reply({"first": 1}).delayed(0.2), json_reply({"second": 2}), json_reply({"third": 3}))
    async with house(tooled(upstream, tool(server, "weather"))) as running:
        answer = await running.call(asked(), PATH)
    assert results(answer.json()) == ['{"first":1}', '{"second":2}', '{"third":3}']
    assert [one["content"] for one in caller.asked[1]["messages"][2:]] == results(answer.json())


@pytest.mark.parametrize("most", [1, 2])
async def test_no_more_run_at_a_time_than_may(
    upstream: FakeUpstream, server: FakeUpstream, most: int
) -> None:
    upstream.forget(Caller([("weather", {"city": name}) for name in "abc"]))
    server.push(*[HANG] * 3)
    settings = ToolSettings(max_parallel=most)
    async with house(tooled(upstream, tool(server, "weather", timeout=0.3)), settings) as running:
        async with running.wire() as wire:
            wire.send(PATH, encoded(asked()), bearer())
            await running.until(lambda: len(server.posts) == most, "as many run as may")
            answer = await wire.answer()
        assert len(server.posts) == 3
        assert all(text.startswith("Error: the tool did not answer") for text in results(answer.json()))


# What the client asks of its own


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
        ["function_call", "function_call", "function_call_output"],
    )
    assert shown["output"][2]["call_id"] == shown["output"][0]["call_id"]
    assert [one["name"] for one in shown["tools"]] == ["mine"]
    assert [one["function"]["name"] for one in caller.asked[0]["tools"]] == ["mine", "weather"]
    assert [one["role"] for one in caller.asked[1]["messages"]] == ["assistant", "tool", "tool"]


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


# Bounds


@pytest.mark.parametrize(("rounds", "runs"), [(1, 0), (2, 1), (3, 2)])
async def test_the_model_is_asked_so_often(
    upstream: FakeUpstream, server: FakeUpstream, rounds: int, runs: int
) -> None:
    caller = Caller(*[[ULM]] * 2)
    upstream.forget(caller)
    settings = ToolSettings(max_rounds=rounds)
    async with house(tooled(upstream, tool(server, "weather")), settings) as running:
        shown = (await running.call(asked(), PATH)).json()
        record = await running.recorded()
    assert (len(caller.asked), len(server.posts)) == (rounds, runs)
    assert record.state == State.COMPLETED
    if rounds == 3:
        assert (shown["status"], shown["incomplete_details"]) == ("completed", None)
    else:
        # Each call has a result all the same, so that the conversation can go on.
        assert (shown["status"], shown["incomplete_details"]) == ("incomplete", {"reason": "max_tool_calls"})
        assert len(results(shown)) == rounds
        assert results(shown)[-1].startswith("Error: the tool was not run")


@pytest.mark.parametrize(
    ("settings", "more"), [(ToolSettings(max_calls=2), {}), (None, {"max_tool_calls": 2})]
)
async def test_so_many_tools_are_called(
    upstream: FakeUpstream, server: FakeUpstream, settings: ToolSettings | None, more: Json
) -> None:
    upstream.forget(Caller([ULM, ULM, ULM]))
    async with house(tooled(upstream, tool(server, "weather")), settings) as running:
        shown = (await running.call(asked(**more), PATH)).json()
        shown_again = (await running.call(asked(**more), PATH)).json()
    assert results(shown)[:2] == [RESULT, RESULT]
    assert results(shown)[2].startswith("Error: the tool was not run")
    assert (shown["status"], len(server.posts)) == ("completed", 4)
    assert results(shown_again) == results(shown)


async def test_time_is_limited(upstream: FakeUpstream, server: FakeUpstream) -> None:
    caller = Caller([ULM])
    upstream.forget(caller)
    server.push(HANG)
    settings = ToolSettings(total_time=Duration(0.3))
    async with house(tooled(upstream, tool(server, "weather")), settings) as running:
        shown = (await running.call(asked(), PATH)).json()
    assert (shown["status"], shown["incomplete_details"]) == ("incomplete", {"reason": "max_tool_calls"})
    assert results(shown)[0].startswith("Error: the tool did not answer within 0.")
    assert len(caller.asked) == 1


# What goes wrong


async def test_a_later_round_fails(upstream: FakeUpstream, server: FakeUpstream) -> None:
    caller = Caller([ULM])
    upstream.forget(caller)
    upstream.push(caller, server_error())
    async with house(tooled(upstream, tool(server, "weather"))) as running:
        answer = await running.call(asked(), PATH)
        record = await running.recorded()
        assert at_rest(running)
    assert answer.status == 500
    assert (record.state, record.status_code, record.total_tokens) == (State.FAILED, 500, 14)


async def test_a_later_round_of_a_stream_fails(upstream: FakeUpstream, server: FakeUpstream) -> None:
    caller = Caller([ULM])
    upstream.forget(caller)
    for broken in (server_error(), stream_reply(frames(shapes.chat_chunks("m", ["a", "b"]))).cut(-40)):
        upstream.push(caller, broken)
    async with house(tooled(upstream, tool(server, "weather"))) as running:
        answers = [await running.call(asked(stream=True), PATH) for _ in range(2)]
        record = await running.recorded(2)
        assert at_rest(running)
    for answer in answers:
        found = told(answer.body)
        types = [event["type"] for event in found]
        assert (types.count("response.created"), types[-1]) == (1, "response.failed")
        last = found[-1]["response"]
        assert (last["status"], kinds(last)[:2]) == ("failed", ["function_call", "function_call_output"])
        assert last["error"]["code"] == "server_error"
    assert (record.state, record.status_code) == (State.FAILED, 502)


@pytest.mark.parametrize("stream", [False, True])
async def test_the_first_round_fails(upstream: FakeUpstream, server: FakeUpstream, stream: bool) -> None:
    upstream.push(server_error())
    async with house(tooled(upstream, tool(server, "weather"))) as running:
        answer = await running.call(asked(stream=stream), PATH)
        record = await running.recorded()
        assert at_rest(running)
    assert (answer.status, record.state, record.status_code) == (500, State.FAILED, 500)
    assert answer.json()["error"]["message"]


async def test_an_error_before_anything_of_a_stream(upstream: FakeUpstream, server: FakeUpstream) -> None:
    broken: Json = {"error": {"message": "no room", "type": "server_error", "code": None}}
    upstream.push(stream_reply(frames([broken])))
    async with house(tooled(upstream, tool(server, "weather"))) as running:
        answer = await running.call(asked(stream=True), PATH)
        record = await running.recorded()
    found = told(answer.body)
    assert [event["type"] for event in found] == ["error"]
    assert found[0]["message"] == "no room"
    assert record.state == State.FAILED


async def test_a_revoked_key_is_not_asked_for_again(upstream: FakeUpstream, server: FakeUpstream) -> None:
    upstream.forget(Caller([ULM]))
    server.push(Answer((Hang(),)))
    async with house(tooled(upstream, tool(server, "weather", timeout=0.2))) as running:
        async with running.wire() as wire:
            wire.send(PATH, encoded(asked()), bearer())
            await running.until(lambda: len(server.posts) == 1, "the tool runs")
            running.routing.snapshot = msgspec.structs.replace(running.routing.snapshot, keys={})
            answer = await wire.answer()
        record = await running.recorded()
        assert at_rest(running)
    assert (answer.status, answer.json()["error"]["code"]) == (401, "invalid_api_key")
    assert (record.state, record.status_code, len(upstream.posts)) == (State.FAILED, 401, 1)


async def test_a_limit_is_waited_for_in_the_middle(upstream: FakeUpstream, server: FakeUpstream) -> None:
    caller = Caller([ULM])
    upstream.forget(caller)
    made = tooled(upstream, tool(server, "weather"))
    limits = Limits.of("model:m", 1.0, 1, None, None, None)
    async with house(msgspec.structs.replace(made, limits=limits)) as running:
        answer = await running.call(asked(), PATH)
        await running.recorded()
        refused = await running.call(asked(), PATH)
    assert kinds(answer.json()) == ["function_call", "function_call_output", "message"]
    assert refused.status == 429


async def test_a_limit_that_lasts_too_long_ends_it(upstream: FakeUpstream, server: FakeUpstream) -> None:
    upstream.forget(Caller([ULM]))
    made = tooled(upstream, tool(server, "weather"))
    limits = Limits.of("model:m", None, None, 1, None, None)
    settings = ToolSettings(total_time=Duration(2))
    async with house(msgspec.structs.replace(made, limits=limits), settings) as running:
        answer = await running.call(asked(), PATH)
        record = await running.recorded()
        assert at_rest(running)
    assert (answer.status, record.status_code, record.total_tokens) == (429, 429, 14)


async def test_places_are_free_while_a_tool_runs(upstream: FakeUpstream, server: FakeUpstream) -> None:
    upstream.forget(Caller([ULM]))
    server.push(HANG)
    made = tooled(upstream, tool(server, "weather", timeout=0.5))
    limits = Limits.of("model:m", None, None, None, None, 1)
    async with (
        house(msgspec.structs.replace(made, limits=limits)) as running,
        running.wire() as wire,
    ):
        wire.send(PATH, encoded(asked()), bearer())
        await running.until(lambda: len(server.posts) == 1, "the tool runs")
        assert (await running.call(asked(tool_choice="none"), PATH)).status == 200
        assert (await wire.answer()).status == 200


# Whoever leaves


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_leaves_while_a_tool_runs(
    upstream: FakeUpstream, server: FakeUpstream, stream: bool
) -> None:
    upstream.forget(Caller([ULM]))
    server.push(HANG)
    async with house(tooled(upstream, tool(server, "weather"))) as running:
        async with running.wire() as wire:
            wire.send(PATH, encoded(asked(stream=stream)), bearer())
            await running.until(lambda: len(server.posts) == 1, "the tool runs")
        record = await running.recorded()
        await running.until(lambda: not server.open_connections, "nobody waits for the tool")
        assert at_rest(running)
    assert (record.state, record.status_code, record.total_tokens) == (State.FAILED, 499, 14)
    assert len(upstream.posts) == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_leaves_in_a_later_round(
    upstream: FakeUpstream, server: FakeUpstream, stream: bool
) -> None:
    upstream.push(Caller([ULM]), HANG)
    async with house(tooled(upstream, tool(server, "weather"))) as running:
        async with running.wire() as wire:
            wire.send(PATH, encoded(asked(stream=stream)), bearer())
            await running.until(lambda: len(upstream.posts) == 2, "the model is asked again")
        record = await running.recorded()
        assert at_rest(running)
    # The second round is an estimate: it was asked, and did not answer.
    assert (record.status_code, record.estimated) == (499, True)
    assert record.total_tokens is not None
    assert record.total_tokens > 14


async def test_a_silent_stream_lives(upstream: FakeUpstream, server: FakeUpstream) -> None:
    upstream.forget(Caller([ULM]))
    server.push(json_reply({"late": True}).delayed(0.4))
    async with house(tooled(upstream, tool(server, "weather"))) as running:
        running.gateway.stream_keep_alive = 0.05
        answer = await running.call(asked(stream=True), PATH)
    assert answer.body.count(b": keep-alive\n\n") >= 3
    assert kinds(told(answer.body.replace(b": keep-alive\n\n", b""))[-1]["response"])[-1] == "message"


# Servers that know responses themselves


def spoken(*items: Json, usage: Json | None = None) -> Json:
    """A whole response of such a server."""
    made = shapes.response("fake-model", "", prompt=9)
    made["output"] = list(items)
    return made


@pytest.mark.parametrize("stream", [False, True])
async def test_a_server_of_responses(upstream: FakeUpstream, server: FakeUpstream, stream: bool) -> None:
    call: Json = {
        "id": "fc_upstream",
        "type": "function_call",
        "status": "completed",
        "call_id": "call_x",
        "name": "weather",
        "arguments": '{"city":"Ulm"}',
    }
    begun = {**call, "status": "in_progress", "arguments": ""}
    first = spoken(call)
    if stream:
        steps: list[Json] = [
            {"type": "response.created", "response": {**first, "status": "in_progress", "output": []}},
            {"type": "response.output_item.added", "output_index": 0, "item": begun},
            {"type": "response.output_item.done", "output_index": 0, "item": call},
            {"type": "response.completed", "response": first},
        ]
        numbered = [{**step, "sequence_number": number} for number, step in enumerate(steps)]
        upstream.push(stream_reply(frames(numbered, named=True, done=False)))
    else:
        upstream.push(json_reply(first))
    mine = {"type": "function", "name": "mine", "description": "x", "parameters": SCHEMA, "strict": True}
    async with house(tooled(upstream, tool(server, "weather"), native=True)) as running:
        answer = await running.call(asked(stream=stream, tools=[mine]), PATH)
        record = await running.recorded()
        assert at_rest(running)
    if stream:
        events = [
            msgspec.json.decode(line[6:]) for line in answer.body.splitlines() if line[:7] == b"data: {"
        ]
        assert [event["sequence_number"] for event in events] == list(range(len(events)))
        assert [event["type"] for event in events].count("response.created") == 1
        assert answer.body.endswith(b"data: [DONE]\n\n")
        shown = events[-1]["response"]
    else:
        shown = answer.json()
    assert kinds(shown) == ["function_call", "function_call_output", "message"]
    assert (shown["id"], shown["tools"]) == (f"resp_{record.id}", [mine])
    second = upstream.posts[1].json()
    assert second["input"] == [
        {"type": "message", "role": "user", "content": "How is it?"},
        call,
        {"type": "function_call_output", "call_id": "call_x", "output": RESULT},
    ]
    assert [one["name"] for one in second["tools"]] == ["mine", "weather"]
    assert shown["usage"]["total_tokens"] == record.total_tokens


async def test_one_that_streams_and_then_does_not(upstream: FakeUpstream, server: FakeUpstream) -> None:
    whole = shapes.chat_completion("fake-model", "At once.")
    upstream.push(Caller([ULM]), json_reply(whole))
    async with house(tooled(upstream, tool(server, "weather"))) as running:
        answer = await running.call(asked(stream=True), PATH)
    found = told(answer.body)
    last = found[-1]["response"]
    assert kinds(last) == ["function_call", "function_call_output", "message"]
    done = [event["item"] for event in found if event["type"] == "response.output_item.done"]
    assert done == last["output"]


async def test_what_is_counted(upstream: FakeUpstream, server: FakeUpstream) -> None:
    upstream.forget(Caller([ULM]))
    async with house(tooled(upstream, tool(server, "weather"))) as running:
        await running.call(asked(), PATH)
        value = running.metrics.registry.get_sample_value
        assert value("dwctl_tool_calls_total", {"tool": "weather", "outcome": "ok"}) == 1
        assert value("dwctl_tool_seconds_count", {"tool": "weather"}) == 1
        assert value("dwctl_tool_rounds_total") == 2
        path = {"model": "m", "path": "/v1/responses"}
        assert value("dwctl_gateway_calls_total", {**path, "status": "2xx"}) == 1
        assert value("dwctl_gateway_tokens_total", {**path, "direction": "input"}) == 20
