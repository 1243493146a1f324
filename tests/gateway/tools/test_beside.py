"""Tools of the server beside what else a gateway does: pools, strict and sanitised answers, spans."""

from functools import partial

import msgspec
import pytest

from dwctl.gateway.spans import Spans
from dwctl.gateway.traced import TracedGateway
from dwctl.requests.record import State
from tests.fakes.answers import server_error
from tests.fakes.collector import collector
from tests.fakes.shapes import Json
from tests.fakes.tools import Caller
from tests.fakes.upstream import FakeUpstream
from tests.gateway.house import House, encoded, pool
from tests.gateway.test_errands import Runner, errand
from tests.gateway.tools.bench import PATH, SCHEMA, asked, at_rest, house, keys, kinds, tool, tooled
from tests.gateway.two import Two
from tests.wire.open_responses import rebuilt, told

ULM = ("weather", {"city": "Ulm"})
DONE = ["mcp_call", "message"]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_later_round_goes_to_another_target(two: Two, server: FakeUpstream, stream: bool) -> None:
    two.first.respond = two.second.respond = Caller([ULM])
    two.first.push(Caller([ULM]), server_error())
    one, other = (msgspec.structs.replace(each, adapts_responses=True) for each in (two.one, two.two))
    made = msgspec.structs.replace(pool("m", one, other, max_attempts=2), tools=(tool(server, "weather"),))
    async with house(made) as running:
        answer = await running.call(asked(stream=stream), PATH)
        record = await running.recorded()
        assert at_rest(running)
    shown = told(answer.body)[-1]["response"] if stream else answer.json()
    assert kinds(shown) == DONE
    assert (record.state, record.target_model) == (State.COMPLETED, "name-two")
    assert two.seen() == (2, 1)


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("stream", [False, True])
async def test_answers_that_are_sanitised(
    upstream: FakeUpstream, server: FakeUpstream, strict: bool, stream: bool
) -> None:
    upstream.forget(Caller([ULM]))
    made = msgspec.structs.replace(tooled(upstream, tool(server, "weather")), sanitize=not strict)
    mine: Json = {"type": "function", "name": "mine", "description": "x", "parameters": SCHEMA}
    hosted: Json = {"type": "hosted_tool", "name": "weather"}
    async with house(made, strict=strict) as running:
        answer = await running.call(asked(stream=stream, tools=[hosted, mine]), PATH)
        assert answer.status == 200, answer.body
        await running.recorded()
        assert at_rest(running)
    if stream:
        lines = [line[6:] for line in answer.body.splitlines() if line.startswith(b"data: {")]
        found = [msgspec.json.decode(line) for line in lines]
        shown = found[-1]["response"]
        assert rebuilt(found) == shown["output"]
    else:
        shown = answer.json()
    assert kinds(shown) == DONE


async def test_spans_of_rounds(
    upstream: FakeUpstream, server: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream.forget(Caller([ULM]))
    with collector() as receiver:
        for name, value in receiver.variables.items():
            monkeypatch.setenv(name, value)
        spans = Spans("1.2.3", "the instance")
        made = tooled(upstream, tool(server, "weather"))
        async with House(made, keys=keys(), gateway=partial(TracedGateway, tracer=spans)) as running:
            assert (await running.call(asked(), PATH)).status == 200
            runner = Runner(running)
            key = next(iter(running.routing.snapshot.keys))
            came = await runner.run(errand(path="/v1/responses", body=encoded(asked()), run_key=key))
            assert at_rest(running)
        await spans.stop()
        found = receiver.wait_for(6)
    assert came.record.state == State.COMPLETED
    calls = [span for span in found if span.kind == "server"]
    attempts = [span for span in found if span.kind != "server"]
    # Each call has one span of its own, and one for each round below it.
    assert (len(calls), len(attempts)) == (2, 4)
    for call in calls:
        below = sorted(
            (each for each in attempts if each.parent_id == call.span_id), key=lambda each: each.began
        )
        assert len(below) == 2
        assert (
            call.began <= below[0].began <= below[0].ended <= below[1].began <= below[1].ended <= call.ended
        )
