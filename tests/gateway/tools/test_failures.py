"""What goes wrong between rounds, limits in the middle, and clients that leave."""

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
from tests.gateway.house import bearer, encoded
from tests.gateway.tools.bench import (
    PATH,
    asked,
    at_rest,
    house,
    kinds,
    tool,
    tooled,
)
from tests.wire.open_responses import rebuilt, told

ULM = ("weather", {"city": "Ulm"})
RESULT = '{"city":"Ulm","sun":true}'


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
        assert (last["status"], kinds(last)[:1]) == ("failed", ["mcp_call"])
        assert last["error"]["code"] == "server_error"
    assert (record.state, record.status_code) == (State.FAILED, 502)


@pytest.mark.parametrize("stream", [False, True])
async def test_what_is_called_in_an_answer_that_was_cut_short_is_not_run(
    upstream: FakeUpstream, server: FakeUpstream, stream: bool
) -> None:
    upstream.forget(Caller([ULM], finish="length"))
    async with house(tooled(upstream, tool(server, "weather"))) as running:
        answer = await running.call(asked(stream=stream), PATH)
        record = await running.recorded()
        assert at_rest(running)
    if stream:
        found = told(answer.body)
        shown = found[-1]["response"]
        assert rebuilt(found) == shown["output"]
    else:
        shown = answer.json()
    assert (shown["status"], shown["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    (call,) = shown["output"]
    assert (call["type"], call["status"], call["output"]) == ("mcp_call", "incomplete", None)
    assert (server.posts, record.tool_calls) == ([], None)


async def test_what_goes_wrong_with_a_tool_is_told_in_its_item(
    upstream: FakeUpstream, server: FakeUpstream
) -> None:
    upstream.forget(Caller([ULM]))
    server.push(server_error())
    async with house(tooled(upstream, tool(server, "weather"))) as running:
        found = told((await running.call(asked(stream=True), PATH)).body)
    (call, _) = found[-1]["response"]["output"]
    assert (call["status"], call["output"].startswith("Error: the tool answered 500")) == ("failed", True)
    assert rebuilt(found)[0] == call


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
    async with house(tooled(upstream, tool(server, "weather", timeout=1.0))) as running:
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
    assert kinds(answer.json()) == ["mcp_call", "message"]
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
    made = tooled(upstream, tool(server, "weather"))
    limits = Limits.of("model:m", None, None, None, None, 1)
    async with (
        house(msgspec.structs.replace(made, limits=limits)) as running,
        running.wire() as wire,
    ):
        wire.send(PATH, encoded(asked()), bearer())
        await running.until(lambda: len(server.posts) == 1, "the tool runs")
        assert (await running.call(asked(tool_choice="none"), PATH)).status == 200


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
    # What was asked may have been done.
    assert record.tool_calls is not None
    assert [each.outcome for each in record.tool_calls] == ["cancelled"]
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
