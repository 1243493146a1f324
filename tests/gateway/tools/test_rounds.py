"""Rounds with the model and what runs between them."""

import msgspec
import pytest

from dwctl.core.settings import Duration
from dwctl.gateway.tools.settings import ToolSettings
from dwctl.requests.record import State
from tests.fakes import shapes
from tests.fakes.answers import HANG, Answer, frames, json_reply, stream_reply
from tests.fakes.incoming import Request
from tests.fakes.shapes import Json
from tests.fakes.tools import Caller
from tests.fakes.upstream import FakeUpstream
from tests.gateway.house import bearer, encoded
from tests.gateway.tools.bench import (
    PATH,
    SCHEMA,
    asked,
    at_rest,
    house,
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
    assert kinds(shown) == ["mcp_call", "message"]
    call, message = shown["output"]
    assert (call["name"], call["arguments"]) == ("weather", '{"city":"Ulm"}')
    assert (call["id"], call["status"], call["output"]) == (f"mcp_{record.id}_0", "completed", RESULT)
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
    assert record.tool_calls is not None
    assert [(each.name, each.outcome) for each in record.tool_calls] == [("weather", "ok")]
    assert (record.tool_calls[0].item_id, record.tool_calls[0].latency_ms > 0) == (call["id"], True)
    assert record.created_at <= (record.tool_calls[0].ended_at or 0) <= record.completed_at
    # One row, with the client's own words and the whole answer.
    assert len(running.ledger.started) == len(running.ledger.finished) == 1
    assert running.ledger.started[0][1] == encoded(asked())
    assert msgspec.json.decode(running.ledger.finished[0][1]) == shown


async def test_a_stream_is_one_response(upstream: FakeUpstream, server: FakeUpstream) -> None:
    caller = Caller([ULM], [("clock", {}), ULM], says="One moment.")
    upstream.forget(caller)
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
        *("message", "mcp_call"),
        *("message", "mcp_call", "mcp_call"),
        "message",
    ]
    ids = [item["id"] for item in last["output"]]
    assert ids == [f"{ident.partition('_')[0]}_{record.id}_{place}" for place, ident in enumerate(ids)]
    # Calls of different rounds that came with the same id can be told apart.
    sent = caller.asked[2]["messages"]
    calls = [call["id"] for message in sent for call in message.get("tool_calls") or ()]
    assert len(set(calls)) == 3
    assert calls == [message["tool_call_id"] for message in sent if message["role"] == "tool"]
    # What a tool says is told once it has run, and the arguments as the model writes them.
    whole = [kind for kind in types if "mcp_call" in kind]
    assert whole[:2] == ["response.mcp_call.in_progress", "response.mcp_call_arguments.delta"]
    assert whole.count("response.mcp_call_arguments.done") == whole.count("response.mcp_call.completed") == 3
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
    assert kinds(shown) == ["mcp_call", "message"]


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

    def slow_first(request: Request) -> Answer:
        answer = json_reply(request.json())
        return answer.delayed(0.2) if request.json() == {"city": "a"} else answer

    server.forget(slow_first)
    async with house(tooled(upstream, tool(server, "weather"))) as running:
        answer = await running.call(asked(), PATH)
    assert results(answer.json()) == ['{"city":"a"}', '{"city":"b"}', '{"city":"c"}']
    assert [one["content"] for one in caller.asked[1]["messages"][2:]] == results(answer.json())


@pytest.mark.parametrize("most", [1, 2])
async def test_no_more_run_at_a_time_than_may(
    upstream: FakeUpstream, server: FakeUpstream, most: int
) -> None:
    upstream.forget(Caller([("weather", {"city": name}) for name in "abc"]))
    server.push(*[HANG] * 3)
    settings = ToolSettings(max_parallel=most)
    async with house(tooled(upstream, tool(server, "weather", timeout=0.6)), settings) as running:
        async with running.wire() as wire:
            wire.send(PATH, encoded(asked()), bearer())
            await running.until(lambda: len(server.posts) == most, "as many run as may")
            answer = await wire.answer()
        assert len(server.posts) == 3
        assert all(text.startswith("Error: the tool did not answer") for text in results(answer.json()))


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
    assert kinds(shown) == ["mcp_call", "message"]
    assert (shown["id"], shown["tools"]) == (f"resp_{record.id}", [mine])
    second = upstream.posts[1].json()
    assert second["input"] == [
        {"type": "message", "role": "user", "content": "How is it?"},
        call,
        {"type": "function_call_output", "call_id": "call_x", "output": RESULT},
    ]
    assert [one["name"] for one in second["tools"]] == ["mine", "weather"]
    assert shown["usage"]["total_tokens"] == record.total_tokens


@pytest.mark.parametrize("stream", [False, True])
async def test_what_a_server_of_responses_runs_itself_stays_as_it_is(
    upstream: FakeUpstream, server: FakeUpstream, stream: bool
) -> None:
    """Its own calls need no status; one of ours beside them runs."""
    theirs: Json = {
        "id": "mcp_theirs",
        "type": "mcp_call",
        "server_label": "deepwiki",
        "name": "ask",
        "arguments": "{}",
        "output": "42",
    }
    call: Json = {
        "id": "fc_1",
        "type": "function_call",
        "call_id": "c",
        "name": "weather",
        "arguments": '{"city":"Ulm"}',
    }
    # An answer in one piece, be it asked for a stream.
    upstream.push(json_reply(spoken(theirs, call)))
    async with house(tooled(upstream, tool(server, "weather"), native=True)) as running:
        answer = await running.call(asked(stream=stream), PATH)
        assert at_rest(running)
    shown = answer.json()
    assert [kinds(shown), shown["output"][0]] == [["mcp_call", "mcp_call", "message"], theirs]
    assert (shown["output"][1]["server_label"], shown["output"][1]["output"]) == ("dwctl", RESULT)
    assert upstream.posts[1].json()["input"][1] == theirs


async def test_one_that_streams_and_then_does_not(upstream: FakeUpstream, server: FakeUpstream) -> None:
    whole = shapes.chat_completion("fake-model", "At once.")
    upstream.push(Caller([ULM]), json_reply(whole))
    async with house(tooled(upstream, tool(server, "weather"))) as running:
        answer = await running.call(asked(stream=True), PATH)
    found = told(answer.body)
    last = found[-1]["response"]
    assert kinds(last) == ["mcp_call", "message"]
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
