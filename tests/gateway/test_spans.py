"""Spans of calls as a receiver of OTLP decodes them: what is in them, whose trace they belong to, who is told of it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwctl.core.ids import new_id
from dwctl.gateway.spans import Spans, operation_of, wanted
from dwctl.gateway.trace import our_trace_lines, parent_in, trace_lines
from dwctl.gateway.traced import Attempt, Call, TracedGateway
from dwctl.requests.record import Record
from dwctl.routing.snapshot import Model
from tests.fakes.answers import HANG, server_error
from tests.fakes.collector import Collector, Span, collector
from tests.fakes.model import MODEL
from tests.fakes.realtime import RealtimeServer
from tests.fakes.upstream import FakeUpstream
from tests.gateway.house import (
    CHAT,
    SECRET,
    House,
    bearer,
    chat,
    encoded,
    key,
    model,
    pool,
    target,
    upstream_settings,
)
from tests.gateway.test_errands import Runner, errand
from tests.gateway.test_realtime import client
from tests.gateway.two import Two, metric

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """A receiver to which this process sends its spans."""
    with collector() as running:
        for name, value in running.variables.items():
            monkeypatch.setenv(name, value)
        yield running


@asynccontextmanager
async def traced(*models: Model, **more: Any) -> AsyncIterator[House]:
    """A gateway whose calls leave spans; at the end they have been sent."""
    spans = Spans("1.2.3", "the instance")
    try:
        async with House(*models, gateway=partial(TracedGateway, tracer=spans), **more) as house:
            yield house
    finally:
        await spans.stop()


async def sent(receiver: Collector, count: int) -> list[Span]:
    """So many spans, the call's own last."""
    spans = await asyncio.to_thread(receiver.wait_for, count)
    assert len(spans) == count
    return sorted(spans, key=lambda span: (span.kind == "server", span.began))


async def test_a_call_leaves_its_own_span_and_one_for_its_attempt(
    receiver: Collector, upstream: FakeUpstream
) -> None:
    async with traced(model("m", target(upstream.url))) as house:
        answer = await house.call(chat(), headers={"user-agent": "tester/1"})
        record = await house.recorded()
        attempt, call = await sent(receiver, 2)
    assert (call.name, call.kind, call.parent_id, call.failed) == (f"POST {CHAT}", "server", "", False)
    assert {
        "http.request.method": "POST",
        "http.route": CHAT,
        "http.response.status_code": 200,
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "m",
        "user_agent.original": "tester/1",
        "dwctl.request.id": answer.json()["id"],
        "dwctl.attempts": 1,
    }.items() <= call.attributes.items()
    assert (attempt.name, attempt.kind, attempt.failed) == (f"chat {MODEL}", "client", False)
    assert (attempt.trace_id, attempt.parent_id) == (call.trace_id, call.span_id)
    usage = answer.json()["usage"]
    assert {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "fake",
        "gen_ai.request.model": MODEL,
        "gen_ai.response.model": answer.json()["model"],
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": usage["prompt_tokens"],
        "gen_ai.usage.output_tokens": usage["completion_tokens"],
        "http.response.status_code": 200,
        "server.address": "127.0.0.1",
        "server.port": upstream.port,
    }.items() <= attempt.attributes.items()
    assert call.began <= attempt.began <= attempt.ended <= call.ended
    assert call.ended == pytest.approx(record.completed_at, abs=1e-3)
    assert call.ended - call.began == pytest.approx(record.duration_ms / 1000, abs=1e-3)
    assert {"service.name": "dwctl", "service.version": "1.2.3"}.items() <= call.resource.items()
    assert not any("Say hello" in str(span) for span in (attempt, call))


async def test_a_stream_says_when_its_first_byte_came(receiver: Collector, upstream: FakeUpstream) -> None:
    async with traced(model("m", target(upstream.url))) as house:
        assert (await house.call(chat(stream=True))).status == 200
        attempt, _ = await sent(receiver, 2)
    assert attempt.attributes["gen_ai.request.stream"] is True
    assert 0 <= attempt.attributes["gen_ai.response.time_to_first_chunk"] <= attempt.ended - attempt.began
    assert attempt.attributes["gen_ai.usage.output_tokens"] > 0


@pytest.mark.parametrize("trusted", [True, False])
async def test_a_trace_of_the_client_goes_on(
    receiver: Collector, upstream: FakeUpstream, trusted: bool
) -> None:
    place = msgspec.structs.replace(target(upstream.url), trusted=trusted)
    async with traced(model("m", place)) as house:
        await house.call(chat(), headers={"traceparent": PARENT, "tracestate": "vendor=1"})
        attempt, call = await sent(receiver, 2)
    assert (call.trace_id, call.parent_id, call.state) == (TRACE, SPAN, "vendor=1")
    asked = upstream.posts[0]
    assert asked.header("traceparent") == (f"00-{TRACE}-{attempt.span_id}-01" if trusted else None)
    assert asked.header("tracestate") == ("vendor=1" if trusted else None)


async def test_calls_of_one_connection_without_a_trace_begin_their_own(
    receiver: Collector, upstream: FakeUpstream
) -> None:
    place = msgspec.structs.replace(target(upstream.url), trusted=True)
    async with traced(model("m", place)) as house:
        async with house.wire() as wire:
            for _ in range(3):
                wire.send(CHAT, encoded(chat()), bearer())
                assert (await wire.answer()).status == 200
        spans = await sent(receiver, 6)
    attempts = {f"00-{span.trace_id}-{span.span_id}-01" for span in spans if span.kind == "client"}
    assert {post.header("traceparent") for post in upstream.posts} == attempts
    assert len({span.trace_id for span in spans}) == 3


async def test_a_client_that_keeps_no_trace_makes_us_keep_none(
    receiver: Collector, upstream: FakeUpstream
) -> None:
    place = msgspec.structs.replace(target(upstream.url), trusted=True)
    async with traced(model("m", place)) as house:
        await house.call(chat(), headers={"traceparent": f"00-{TRACE}-{SPAN}-00"})
        await house.call(chat(), headers={"traceparent": PARENT})
        spans = await sent(receiver, 2)
    told = [post.header("traceparent") or "" for post in upstream.posts]
    assert [text[-3:] for text in told] == ["-00", "-01"]
    assert {span.trace_id for span in spans} == {TRACE}


async def test_a_sampler_is_obeyed(
    receiver: Collector, upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0")
    async with traced(model("m", target(upstream.url))) as house:
        assert (await house.call(chat())).status == 200
        await house.call(chat(), headers={"traceparent": PARENT})
        spans = await sent(receiver, 2)
    assert {span.trace_id for span in spans} == {TRACE}


async def test_each_attempt_of_a_pool_is_a_span(receiver: Collector, two: Two) -> None:
    two.first.push(server_error(503))
    backoff = {"initial_ms": 20, "jitter": "none"}
    async with traced(pool("m", two.one, two.two, backoff=backoff)) as house:
        assert (await house.call(chat())).status == 200
        failed, attempt, call = await sent(receiver, 3)
    assert call.attributes["dwctl.attempts"] == 2
    assert (failed.failed, attempt.failed, call.failed) == (True, False, False)
    assert failed.attributes["error.type"] == "status"
    assert failed.attributes["http.response.status_code"] == 503
    assert (failed.attributes["server.port"], attempt.attributes["server.port"]) == (
        two.first.port,
        two.second.port,
    )
    assert attempt.began - failed.ended == pytest.approx(0.02, abs=1e-3)
    assert "gen_ai.usage.input_tokens" not in failed.attributes


@pytest.mark.parametrize(("status", "attempts"), [(200, 2), (499, 1)])
async def test_a_retry_may_begin_a_moment_before_it_was_meant_to(
    receiver: Collector, status: int, attempts: int
) -> None:
    """Timers fire up to a millisecond early, and the answer may be there before that is over."""
    del receiver
    first, second = target("http://one:1/v1", "one"), target("http://two:2/v1", "two")
    call = Call(1, 2, True, None, [Attempt(first, 3, ended=100.0), Attempt(second, 4, began=100.02)])
    record = Record(
        id=new_id(), created_at=99.0, path="/v1/chat/completions", model="m", owner_id="", creator_id="", key_id="",
        daemon_id="", status_code=status, completed_at=100.0195, duration_ms=1000.0,
    )  # fmt: skip
    spans = Spans("1.2.3", "the instance")
    *made, own = list(spans.of(call, record))
    await spans.stop()
    assert len(made) == attempts
    assert own.attributes is not None
    assert own.attributes["dwctl.attempts"] == attempts
    assert all((each.start_time or 0) <= (each.end_time or 0) <= (own.end_time or 0) for each in made)


async def test_a_retry_that_never_began_is_no_span(receiver: Collector, two: Two) -> None:
    two.first.push(server_error())
    backoff = {"initial_ms": 3_600_000, "max_ms": 3_600_000, "jitter": "none"}
    limits = upstream_settings(total_timeout=7200)
    async with traced(pool("m", two.one, two.two, backoff=backoff), settings=limits) as house:
        async with house.wire() as wire:
            wire.send(CHAT, encoded(chat()), bearer())
            await house.until(
                lambda: bool(metric(house, "dwctl_gateway_retries_total", model="m", reason="status")),
                "the retry waits",
            )
        await house.recorded()
        attempt, call = await sent(receiver, 2)
    assert (attempt.attributes["server.port"], call.attributes["dwctl.attempts"]) == (two.first.port, 1)
    assert call.attributes["error.type"] == "client_closed_request"


async def test_errors_are_in_the_spans(receiver: Collector, upstream: FakeUpstream) -> None:
    upstream.push(server_error(500))
    async with traced(model("m", target(upstream.url))) as house:
        assert (await house.call(chat())).status == 500
        attempt, call = await sent(receiver, 2)
    assert (attempt.failed, call.failed) == (True, True)
    assert attempt.attributes["error.type"] == call.attributes["error.type"] == "upstream_error"


async def test_a_client_that_leaves_is_no_fault_of_ours(receiver: Collector, upstream: FakeUpstream) -> None:
    upstream.push(HANG)
    async with traced(model("m", target(upstream.url))) as house:
        async with house.wire() as wire:
            wire.send(CHAT, encoded(chat()), bearer())
            await upstream.wait_for(1)
        await house.recorded()
        _, call = await sent(receiver, 2)
    assert (call.failed, call.attributes["http.response.status_code"]) == (False, 499)


async def test_a_request_that_is_no_call_leaves_no_span(receiver: Collector, upstream: FakeUpstream) -> None:
    async with traced(model("m", target(upstream.url))) as house:
        assert (await house.call(chat("unknown"))).status == 404
        assert (await house.call(chat(), headers=bearer("sk-wrong"))).status == 401
        assert (await house.call(chat())).status == 200
        await sent(receiver, 2)


async def test_a_realtime_session_is_one_call(receiver: Collector) -> None:
    async with RealtimeServer() as server:
        place = msgspec.structs.replace(target(server.url, "gpt/rt"), trusted=True)
        async with traced(model("m/1", place)) as house:
            async with client(house):
                pass
            await house.recorded()
            attempt, call = await sent(receiver, 2)
    assert (call.name, attempt.name) == ("GET /ai/v1/realtime", "realtime gpt/rt")
    told = f"traceparent: 00-{call.trace_id}-{attempt.span_id}-01".encode()
    assert any(told in head.lower() for head in server.heads)


@pytest.mark.long
async def test_a_receiver_that_is_away_costs_spans_and_no_calls(
    upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
    async with traced(model("m", target(upstream.url))) as house:
        for _ in range(3):
            assert (await house.call(chat())).status == 200


@pytest.mark.parametrize(
    ("variables", "on", "warned"),
    [
        ({}, True, False),
        ({"OTEL_SDK_DISABLED": "TRUE"}, False, False),
        ({"OTEL_TRACES_EXPORTER": "none"}, False, False),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, True, False),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, True, True),
    ],
)
def test_the_standard_s_variables(
    variables: dict[str, str], on: bool, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    assert wanted(variables) is on
    assert ("is not supported" in caplog.text) is warned


@pytest.mark.parametrize(
    ("path", "operation"),
    [
        ("/v1/chat/completions", "chat"),
        ("/v1/messages", "chat"),
        ("/v1/responses", "chat"),
        ("/v1/completions", "text_completion"),
        ("/v1/embeddings", "embeddings"),
        ("/v1/audio/speech", "audio_speech"),
    ],
)
def test_what_a_path_does_has_a_word(path: str, operation: str) -> None:
    assert operation_of(path) == operation


@pytest.mark.parametrize(
    "value",
    [
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
    ],
)
def test_a_parent_that_the_standard_forbids_begins_a_new_trace(value: str) -> None:
    assert parent_in(trace_lines([(b"traceparent", value.encode())])) is None


@given(
    st.integers(1, 2**128 - 1),
    st.integers(1, 2**64 - 1),
    st.sampled_from(["", "a=1", "a=1,b=2"]),
    st.booleans(),
)
def test_what_we_tell_is_what_we_read(trace_id: int, span_id: int, state: str, sampled: bool) -> None:
    parent = parent_in(our_trace_lines(trace_id, span_id, state, sampled=sampled))
    assert parent is not None
    assert (parent.trace_id, parent.span_id, parent.state, parent.sampled) == (
        trace_id,
        span_id,
        state,
        sampled,
    )


@given(st.binary(max_size=90))
def test_any_bytes_are_a_parent_or_none(value: bytes) -> None:
    parent_in(trace_lines([(b"traceparent", value)]))


async def test_a_queued_request_leaves_spans_too(receiver: Collector, upstream: FakeUpstream) -> None:
    digest = sha256(SECRET.encode()).digest()
    async with traced(model("m", target(upstream.url)), keys={SECRET: key("batch")}) as house:
        asked = errand(run_key=digest)
        came = await Runner(house).run(asked)
    attempt, call = await sent(receiver, 2)
    assert came.record.status_code == 200
    assert {call.kind, attempt.kind} == {"server", "client"}
    assert call.trace_id == attempt.trace_id
