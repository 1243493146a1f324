"""What the client is told, and what is written, when the model server does not answer as it should."""

import socket

import pytest

from dwctl.requests.record import State
from dwctl.routing.snapshot import Timeouts
from tests.fakes.answers import (
    CLOSED,
    GARBAGE,
    HANG,
    RESET,
    Answer,
    Framing,
    Hang,
    bad_gateway_page,
    json_reply,
    reply,
    server_error,
    too_many_requests,
)
from tests.fakes.shapes import chat_completion
from tests.fakes.upstream import FakeUpstream
from tests.gateway.house import House, chat, model, target, upstream_settings

LENGTHY = json_reply(chat_completion("fake-model", "x" * 1000))


@pytest.mark.parametrize(
    ("answer", "status", "code", "text"),
    [
        (CLOSED, 502, "upstream_error", "closed the connection before answering"),
        (RESET, 502, "upstream_error", "closed the connection before answering"),
        (GARBAGE, 502, "upstream_error", "did not answer in HTTP"),
        (LENGTHY.cut(-10), 502, "upstream_error", "cut its answer short"),
        (LENGTHY.cut(20), 502, "upstream_error", "closed the connection before answering"),
        (json_reply({}, framing=Framing.CHUNKED).cut(-3), 502, "upstream_error", "cut its answer short"),
        (
            Answer((b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", Hang())),
            502,
            "upstream_error",
            "HTTP",
        ),
        (Answer((b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n", Hang())), 502, "upstream_error", "HTTP"),
        (Answer((b"HTTP/1.1 101 Switching Protocols\r\n\r\n", Hang())), 502, "upstream_error", "HTTP"),
        (Answer((b"HTTP/1.1 200 OK\r\nx: " + b"y" * 70_000, Hang())), 502, "upstream_error", "HTTP"),
        (HANG, 504, "gateway_timeout", "did not begin to answer in time"),
        (
            Answer((*LENGTHY.steps[:1], b"{", Hang())),
            504,
            "gateway_timeout",
            "stopped in the middle of its answer",
        ),
    ],
)
async def test_a_failing_upstream_becomes_a_clear_error(
    upstream: FakeUpstream, answer: Answer, status: int, code: str, text: str
) -> None:
    upstream.push(answer)
    settings = upstream_settings(first_byte_timeout=0.2, idle_timeout=0.2)
    async with House(model("m", target(upstream.url)), settings=settings) as house:
        told = await house.call(chat())
        record = await house.recorded()

        assert told.status == status
        error = told.json()["error"]
        assert error.keys() == {"message", "type", "param", "code"}
        assert error["code"] == code
        assert text in error["message"]
        assert told.header("x-onwards-response-id") == f"resp_{record.id}"
        assert told.header("x-request-id") == record.id
        assert (record.status_code, record.state, record.error_code) == (status, State.FAILED, code)
        assert record.error_message == error["message"]
        assert house.ledger.finished[0][1] == told.body
        assert (await house.call(chat())).status == 200


async def test_a_call_as_a_whole_has_a_limit_of_time(upstream: FakeUpstream) -> None:
    upstream.push(LENGTHY.in_pieces(5, gap=0.05))
    settings = upstream_settings(total_timeout=0.3)
    async with House(model("m", target(upstream.url)), settings=settings) as house:
        answer = await house.call(chat())

    assert answer.status == 504
    assert answer.json()["error"]["message"] == "The model server of 'm' did not finish in time."


@pytest.mark.parametrize(
    ("own", "answer", "text"),
    [
        (Timeouts(first_byte=0.2), HANG, "did not begin to answer in time"),
        (
            Timeouts(idle=0.2),
            Answer((*LENGTHY.steps[:1], b"{", Hang())),
            "stopped in the middle of its answer",
        ),
        (Timeouts(total=0.3), LENGTHY.in_pieces(5, gap=0.05), "did not finish in time"),
    ],
)
async def test_an_endpoint_has_limits_of_its_own(
    upstream: FakeUpstream, own: Timeouts, answer: Answer, text: str
) -> None:
    patient = model("patient", target(upstream.url, timeouts=Timeouts(connect=5.0)))
    async with House(model("m", target(upstream.url, timeouts=own)), patient) as house:
        upstream.push(answer, LENGTHY.in_pieces(300, gap=0.25))
        told = await house.call(chat())
        assert told.status == 504
        assert text in told.json()["error"]["message"]
        # Another endpoint at the same address is not held to them.
        assert (await house.call(chat("patient"))).status == 200


async def test_an_upstream_that_is_not_there_is_502() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        async with House(model("m", target(url))) as house:
            answer = await house.call(chat())
            record = await house.recorded()

    assert answer.status == 502
    assert answer.json()["error"]["message"] == "The model server of 'm' cannot be reached."
    assert record.upstream_status is None


async def test_a_host_name_that_cannot_be_one_is_502() -> None:
    async with House(model("m", target(f"http://{'a' * 70}.invalid/v1"))) as house:
        assert (await house.call(chat())).status == 502


@pytest.mark.parametrize(
    "answer", [too_many_requests(), server_error(), server_error(503), bad_gateway_page()]
)
async def test_errors_of_the_upstream_pass_through(upstream: FakeUpstream, answer: Answer) -> None:
    upstream.push(answer)
    async with House(model("m", target(upstream.url))) as house:
        told = await house.call(chat())
        record = await house.recorded()

    sent = b"".join(step for step in answer.steps if isinstance(step, bytes))
    assert sent.endswith(b"\r\n\r\n" + told.body)
    assert sent.startswith(b"HTTP/1.1 %d " % told.status)
    assert (record.status_code, record.upstream_status, record.state) == (
        told.status,
        told.status,
        State.FAILED,
    )
    assert record.error_code == "upstream_error"
    assert told.header("x-ratelimit-remaining-requests") is None
    assert told.header("server") is None
    if told.status == 429:
        assert told.header("retry-after") == "7"


async def test_an_error_in_a_reply_with_status_200_makes_the_call_a_failed_one(
    upstream: FakeUpstream,
) -> None:
    upstream.push(json_reply({"error": {"message": "no capacity", "code": 503}}))
    async with House(model("m", target(upstream.url))) as house:
        answer = await house.call(chat())
        record = await house.recorded()

    assert answer.status == 200
    assert (record.state, record.status_code, record.error_message) == (State.FAILED, 200, "no capacity")


async def test_a_reply_without_json_passes_as_it_is(upstream: FakeUpstream) -> None:
    upstream.push(reply(b"plain", headers=[("content-type", "text/plain")]))
    async with House(model("m", target(upstream.url))) as house:
        answer = await house.call(chat())

    assert (answer.status, answer.body) == (200, b"plain")


async def test_a_compressed_reply_passes_unread(upstream: FakeUpstream) -> None:
    packed = json_reply(chat_completion("fake-model", "hi"), compressed=True)
    upstream.push(packed)
    async with House(model("m", target(upstream.url))) as house:
        answer = await house.call(chat())

    assert answer.header("content-encoding") == "gzip"
    assert answer.body == packed.steps[1]


@pytest.mark.parametrize("status", [204, 304])
async def test_an_answer_that_has_no_body_by_its_status(upstream: FakeUpstream, status: int) -> None:
    upstream.push(Answer((b"HTTP/1.1 %d X\r\nx-a: b\r\n\r\n" % status,)))
    async with House(model("m", target(upstream.url))) as house:
        answer = await house.call(chat())
        again = await house.call(chat())

    assert (answer.status, answer.body, answer.header("content-length")) == (status, b"", None)
    assert again.status == 200
    assert upstream.connections == 1


async def test_a_reply_too_large_to_be_held_is_passed_on_as_it_comes(upstream: FakeUpstream) -> None:
    whole = json_reply(chat_completion("fake-model", "z" * 300_000))
    upstream.push(whole.in_pieces(50_000), whole.in_pieces(50_000).cut(-100))
    settings = upstream_settings(max_reply_bytes=100_000)
    async with House(model("m", target(upstream.url)), settings=settings, max_record_bytes=1000) as house:
        answer = await house.call(chat())
        record = await house.recorded()
        assert answer.body == whole.steps[1]
        assert (record.status_code, record.response_size) == (200, len(answer.body))
        assert house.ledger.finished[0][1] == b""

        async with house.wire() as wire:
            wire.send(
                "/ai/v1/chat/completions",
                b'{"model":"m"}',
                {"authorization": "Bearer sk-test-0123456789abcdef"},
            )
            await wire.answer(head_only=True)
            rest = await wire.reader.read()
        record = await house.recorded(2)
    assert not rest.endswith(b"0\r\n\r\n")
    assert (record.status_code, record.state) == (502, State.FAILED)


async def test_too_many_calls_at_once_are_refused(upstream: FakeUpstream) -> None:
    upstream.push(HANG)
    settings = upstream_settings(max_connections=1, max_waiting=0)
    async with House(model("m", target(upstream.url)), settings=settings) as house, house.wire() as first:
        first.send(
            "/ai/v1/chat/completions", b'{"model":"m"}', {"authorization": "Bearer sk-test-0123456789abcdef"}
        )
        await upstream.wait_for(1)
        answer = await house.call(chat())

    assert answer.status == 503
    assert answer.header("retry-after") == "1"
    assert answer.json()["error"]["message"] == "The model server of 'm' has no free connection."


async def test_stopping_tells_the_clients_that_still_wait(upstream: FakeUpstream) -> None:
    upstream.push(HANG)
    async with House(model("m", target(upstream.url))) as house, house.wire() as wire:
        wire.send(
            "/ai/v1/chat/completions", b'{"model":"m"}', {"authorization": "Bearer sk-test-0123456789abcdef"}
        )
        await upstream.wait_for(1)
        await house.client.stop()
        answer = await wire.answer()
        record = await house.recorded()

    assert answer.status == 503
    assert record.state == State.FAILED
    assert house.gateway.in_flight == 0
