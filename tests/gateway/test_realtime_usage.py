"""What sessions use and cost: told by the server, reserved ahead, charged response by response, whoever ends it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from wsproto.events import AcceptConnection, CloseConnection, RejectConnection, TextMessage

from dwctl.gateway.handshake import switching
from dwctl.gateway.realtime_usage import SessionUsage
from dwctl.gateway.upstream.response import HeadReader
from dwctl.wire.websocket_frames import text_frame
from tests.fakes.realtime import RealtimeServer
from tests.gateway.house import House, model, target
from tests.gateway.test_realtime import client, refusal
from tests.gateway.till import PRICE, Till, tariffs
from tests.server.test_websocket import Client

CONTEXT = 1000
BOUND = PRICE * (CONTEXT + 100)
"""For a response: a full context and the tokens of an answer."""
CREATED = {"type": "response.created", "event_id": "event_1", "response": {"id": "resp_1"}}
SAID = {"type": "response.output_audio_transcript.delta", "delta": "Good morning."}


def done(read: int, written: int, cached: int = 0) -> dict[str, Any]:
    """The end of a response."""
    usage = {
        "total_tokens": read + written,
        "input_tokens": read,
        "output_tokens": written,
        "input_token_details": {"text_tokens": read, "audio_tokens": 0, "cached_tokens": cached},
        "output_token_details": {"text_tokens": 1, "audio_tokens": written - 1},
    }
    return {"type": "response.done", "response": {"id": "resp_1", "status": "completed", "usage": usage}}


TRANSCRIBED = {
    "type": "conversation.item.input_audio_transcription.completed",
    "transcript": "Hello.",
    "usage": {"type": "tokens", "total_tokens": 22, "input_tokens": 13, "output_tokens": 9},
}


def make(credit: str, wait: float = 5.0) -> Till:
    """An account with so much credit, where a response reads at most a thousand tokens."""
    till = Till(credit, wait=wait)
    till.funds.settings = msgspec.structs.replace(till.settings, session_tokens=CONTEXT)
    return till


@asynccontextmanager
async def house(server: RealtimeServer, till: Till | None) -> AsyncIterator[House]:
    """A gateway with the model `m/1` on this server, with a price where there is a till."""
    hosted = model("m/1", target(server.url, "gpt/rt"))
    if till is not None:
        hosted = msgspec.structs.replace(hosted, tariffs=tariffs())
    async with House(hosted, funds=None if till is None else till.funds) as made:
        yield made


async def say(made: Client, event: dict[str, Any]) -> None:
    """Have the server say it, for it echoes; wait until the client has it."""
    text = msgspec.json.encode(event).decode()
    made.send(TextMessage(text))
    assert await made.message() == text


async def test_a_session_pays_for_each_response_as_it_ends() -> None:
    till = make("100")
    async with RealtimeServer() as server, house(server, till) as running:
        async with client(running) as (made, answer):
            assert isinstance(answer, AcceptConnection)
            assert till.reserved == BOUND
            await say(made, CREATED)
            await say(made, done(50, 20, cached=10))
            assert till.charged == 70 * PRICE
            assert till.reserved == BOUND
            note = running.ledger.finished[0][0]
            assert (note.attempt, note.state, note.cost) == (2, 2, 70 * PRICE)
            assert (note.prompt_tokens, note.completion_tokens, note.cached_tokens) == (50, 20, 10)
            await say(made, TRANSCRIBED)
            await say(made, CREATED)
            await say(made, done(100, 30))
            made.send(CloseConnection(code=1000))
            await server.closes.get()
        await running.recorded(4)
        end = running.ledger.finished[-1][0]
    assert [record.attempt for record, _ in running.ledger.finished] == [2, 3, 4, 5]
    costs = [record.cost for record, _ in running.ledger.finished]
    assert costs == [70 * PRICE, 22 * PRICE, 130 * PRICE, 0]
    assert (end.state, end.estimated) == (4, False)
    assert (end.prompt_tokens, end.completion_tokens, end.total_tokens) == (163, 59, 222)
    assert till.charged == 222 * PRICE
    assert till.reserved == 0


async def test_a_free_session_tells_its_tokens_and_costs_nothing() -> None:
    async with RealtimeServer() as server, house(server, None) as running:
        async with client(running) as (made, _):
            await say(made, done(5, 7))
            made.send(CloseConnection(code=1000))
            await server.closes.get()
        await running.recorded(2)
        end = running.ledger.finished[-1][0]
    assert (end.prompt_tokens, end.completion_tokens, end.cost) == (5, 7, None)


async def test_without_credit_no_session_begins() -> None:
    till = make("0")
    async with RealtimeServer() as server, house(server, till) as running:
        async with client(running) as (made, answer):
            assert isinstance(answer, RejectConnection)
            assert (b"x-should-retry", b"false") in list(answer.headers)
            status, body = await refusal(made, answer)
        assert running.ledger.started == []
    assert status == 402
    assert b"insufficient_credits" in body
    assert server.heads == []


async def test_while_nobody_can_tell_no_session_begins() -> None:
    till = make("10", wait=0.1)
    till.away = True
    async with RealtimeServer() as server, house(server, till) as running, client(running) as (made, answer):
        assert (await refusal(made, answer))[0] == 503
    assert server.heads == []


async def test_who_leaves_while_waiting_leaves_nothing() -> None:
    till = make("10", wait=30)
    till.away = True
    async with RealtimeServer() as server, house(server, till) as running:
        writer = await wait_for(running, till)
        writer.transport.abort()
        await running.until(lambda: till.book.waiting == 0, "nobody waits")
        assert running.ledger.started == []
    assert till.reserved == 0
    assert server.heads == []


async def wait_for(running: House, till: Till) -> asyncio.StreamWriter:
    """A client that waits for its session to begin."""
    _, writer = await asyncio.open_connection("127.0.0.1", running.port)
    writer.write(
        b"GET /ai/v1/realtime?model=m/1 HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
        b"sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        b"authorization: Bearer sk-test-0123456789abcdef\r\n\r\n"
    )
    await running.until(lambda: till.book.waiting == 1, "it waits")
    return writer


async def test_when_credit_ends_the_client_is_told_and_the_session_closed() -> None:
    till = make("0.2", wait=0.2)
    async with RealtimeServer() as server, house(server, till) as running:
        async with client(running) as (made, answer):
            # The last reservation may go over what there is.
            assert isinstance(answer, AcceptConnection)
            await say(made, CREATED)
            # Others have spent the rest.
            till.add("-0.2")
            await say(made, done(150, 60))
            told = msgspec.json.decode(await made.message())
            close = await made.next()
        await running.recorded(2)
        end = running.ledger.finished[-1][0]
    assert told["type"] == "error"
    assert told["error"]["code"] == "insufficient_credits"
    assert isinstance(close, CloseConnection)
    assert close.code == 1008
    assert (end.state, end.error_code, end.status_code) == (3, "insufficient_credits", 101)
    assert running.ledger.finished[0][0].cost == 210 * PRICE
    assert end.cost == 0
    assert till.reserved == 0


async def test_no_message_is_torn_when_credit_ends() -> None:
    till = make("2", wait=0.05)
    event = text_frame(encoded({"type": "response.output_text.delta", "delta": "x" * 500}))
    async with RealtimeServer() as server, house(server, till) as running:
        async with client(running) as (made, _):
            till.add("-2")
            server.raw(text_frame(encoded(done(50, 20))) + event[:100])
            assert msgspec.json.decode(await made.message())["type"] == "response.done"
            await running.until(lambda: till.book.waiting == 0, "it has waited long enough")
            server.raw(event[100:] + event[:50])
            told = [msgspec.json.decode(await made.message()) for _ in range(2)]
            assert isinstance(await made.next(), CloseConnection)
        await running.recorded(2)
    assert [each["type"] for each in told] == ["response.output_text.delta", "error"]


async def test_credit_that_comes_lets_a_session_go_on() -> None:
    till = make("0.2", wait=30)
    async with RealtimeServer() as server, house(server, till) as running, client(running) as (made, _):
        # The answer that nothing is left is held back until there is more.
        till.away = True
        await say(made, done(150, 60))
        made.send(TextMessage("next"))
        assert till.book.waiting == 1
        till.add("5")
        till.away = False
        till.book.on_due()
        assert await made.message() == "next"
        assert till.reserved == BOUND


@pytest.mark.parametrize("who", ["client", "server"])
async def test_what_is_cut_is_estimated_and_charged(who: str) -> None:
    till = make("100")
    async with RealtimeServer() as server, house(server, till) as running:
        async with client(running) as (made, _):
            await say(made, CREATED)
            await say(made, done(50, 20))
            await say(made, CREATED)
            await say(made, SAID)
            await say(made, SAID)
            if who == "server":
                server.drop()
            else:
                made.writer.transport.abort()
            await running.recorded(2)
        end = running.ledger.finished[-1][0]
    assert end.estimated
    assert end.cost == (70 + 2 * 3) * PRICE
    assert (end.prompt_tokens, end.completion_tokens) == (120, 26)
    assert till.charged == 146 * PRICE
    assert till.reserved == 0


async def test_an_estimate_costs_at_most_what_was_reserved() -> None:
    till = make("100")
    async with RealtimeServer() as server, house(server, till) as running:
        async with client(running) as (made, _):
            await say(made, CREATED)
            await say(made, {**SAID, "delta": "x" * 40_000})
            server.drop()
            await running.recorded()
        end = running.ledger.finished[-1][0]
    assert (end.attempt, end.cost) == (1, BOUND)
    assert till.charged == BOUND


async def test_responses_beside_each_other_are_each_reserved() -> None:
    till = make("100")
    async with RealtimeServer() as server, house(server, till) as running, client(running) as (made, _):
        await say(made, CREATED)
        await say(made, CREATED)
        assert till.reserved == 2 * BOUND
        await say(made, done(5, 5))
        assert till.reserved == BOUND


async def test_frames_are_asked_for_uncompressed() -> None:
    async with RealtimeServer() as server, house(server, None) as running:
        extended = [(b"authorization", b"Bearer sk-test-0123456789abcdef")]
        extended.append((b"sec-websocket-extensions", b"permessage-deflate"))
        async with client(running, headers=extended) as (_, answer):
            assert isinstance(answer, AcceptConnection)
            assert answer.extensions == []
    assert b"sec-websocket-extensions" not in server.heads[0].lower()


@pytest.mark.parametrize(("more", "taken"), [(b"", True), (b"Sec-WebSocket-Extensions: x\r\n", False)])
def test_an_extension_that_nobody_asked_for_is_no_answer(more: bytes, taken: bool) -> None:
    nonce = b"dGhlIHNhbXBsZSBub25jZQ=="
    accept = b"sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
    lines = b"HTTP/1.1 101 Switching Protocols\r\n" + accept + more
    head = HeadReader().read(lines.removesuffix(b"\r\n"))
    assert (switching(head, nonce, b"") is not None) == taken


def encoded(event: dict[str, Any]) -> bytes:
    """As it comes."""
    return msgspec.json.encode(event)


def test_sound_is_estimated_by_its_bytes_and_text_by_what_the_server_has_confirmed() -> None:
    usage = SessionUsage()
    config = encoded({"type": "session.updated", "session": {"instructions": "x" * 4000}})
    assert usage.told(config) is None
    usage.heard(64_000)
    usage.told(encoded(CREATED))
    usage.told(encoded({"type": "response.output_audio.delta", "delta": "A" * 32_000}))
    rest = usage.rest()
    assert rest is not None
    assert rest.estimated
    assert rest.tokens.input == len(config) // 4 + 10
    assert rest.tokens.output == 10


def test_a_response_without_usage_is_estimated_when_it_said_something() -> None:
    usage = SessionUsage()
    silent = {"type": "response.done", "response": {"status": "failed", "usage": None}}
    usage.told(encoded(CREATED))
    assert usage.told(encoded(silent)) is None
    usage.told(encoded(CREATED))
    usage.told(encoded(SAID))
    used = usage.told(encoded(silent))
    assert used is not None
    assert used.estimated
    assert used.tokens.output == 3
    assert usage.rest() is None


@pytest.mark.parametrize("message", [b"", b"[1]", b'{"type":3}', b'{"type":"response.done"}', b"\xff", b"{"])
def test_no_event_is_too_odd(message: bytes) -> None:
    usage = SessionUsage()
    assert usage.told(message) is None
    assert usage.rest() is None


def test_a_bound_is_exact() -> None:
    assert Decimal("1.1") == BOUND
