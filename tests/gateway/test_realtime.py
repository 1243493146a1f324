"""WebSockets passed through to a model server: who may, what goes on, both ends of a close, slow sides, limits."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    Pong,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)

from dwctl.core.settings import Duration
from dwctl.gateway.handshake import model_in, with_model
from dwctl.gateway.settings import GatewaySettings, RealtimeSettings, UpstreamSettings
from dwctl.wire.errors import Refused
from tests.fakes.realtime import RealtimeServer
from tests.gateway.house import SECRET, House, model, target
from tests.server.test_websocket import Client

PATH = "/ai/v1/realtime"
BEARER = [(b"authorization", f"Bearer {SECRET}".encode())]


def settings(*, idle: float = 300, sessions: int = 10, **upstream: Any) -> GatewaySettings:
    """With these limits."""
    realtime = RealtimeSettings(max_sessions=sessions, idle_timeout=Duration(idle))
    return GatewaySettings(realtime=realtime, upstream=UpstreamSettings(**upstream))


@asynccontextmanager
async def house(server: RealtimeServer, limits: GatewaySettings | None = None) -> AsyncIterator[House]:
    """A gateway with the model `m/1` on this server, and one that nobody may use."""
    hosted = target(server.url, "gpt/rt", auth=("authorization", "Bearer up"))
    closed = model("closed", hosted, groups=("g",))
    async with House(model("m/1", hosted), closed, settings=limits) as made, asyncio.TaskGroup() as tasks:
        sweeping = tasks.create_task(made.listener.run())
        yield made
        sweeping.cancel()


@asynccontextmanager
async def client(
    running: House,
    path: str = f"{PATH}?model=m/1",
    headers: list[tuple[bytes, bytes]] = BEARER,
    protocols: tuple[str, ...] = (),
) -> AsyncIterator[tuple[Client, Event | None]]:
    """A client, and the answer to its handshake."""
    reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
    made = Client(reader, writer)
    made.send(Request(host="h", target=path, subprotocols=list(protocols), extra_headers=headers))
    yield made, await made.next()
    writer.transport.abort()


async def refusal(made: Client, answer: Event | None) -> tuple[int, bytes]:
    """Status and body of an answer that is no upgrade."""
    assert isinstance(answer, RejectConnection)
    body = b""
    while isinstance(event := await made.next(), RejectData):
        body += bytes(event.data)
        if event.body_finished:
            break
    return answer.status_code, body


async def test_messages_go_both_ways_and_the_session_is_a_row() -> None:
    async with RealtimeServer() as server, house(server) as running:
        path = f"{PATH}?x=a%20b&model=m%2F1&voice=alto"
        async with client(running, path, [*BEARER, (b"openai-beta", b"realtime=v1")]) as (made, answer):
            assert isinstance(answer, AcceptConnection)
            ids = [value for name, value in answer.extra_headers if name == b"x-request-id"]
            made.send(TextMessage("grüß dich"))
            assert await made.message() == "grüß dich"
            made.send(BytesMessage(b"\x00\xff" * 200_000))
            assert await made.message() == b"\x00\xff" * 200_000
            made.send(Ping(b"?"))
            assert await made.next() == Pong(b"?")
            assert running.ledger.finished == []
            made.send(CloseConnection(code=1000))
            assert await server.closes.get() == 1000
        record = await running.recorded()
        bodies = (running.ledger.started[0][1], running.ledger.finished[0][1])

    head = server.heads[0].decode()
    lines = head.split("\r\n")
    assert lines[0] == "GET /v1/realtime?model=gpt%2Frt&x=a%20b&voice=alto HTTP/1.1"
    assert "authorization: Bearer up" in lines
    assert "openai-beta: realtime=v1" in lines
    assert SECRET not in head
    assert not any(line.startswith("content-type:") for line in lines)
    assert ids == [record.id.encode()]
    assert (record.path, record.model, record.target_model) == ("/v1/realtime", "m/1", "gpt/rt")
    assert (record.status_code, record.upstream_status, record.state) == (101, 101, 4)
    assert record.request_size > 400_000
    assert record.response_size > 400_000
    assert record.duration_ms > 0
    assert bodies == (b"", b"")


@pytest.mark.parametrize("carried", ["x-api-key", "subprotocol"])
async def test_the_key_may_come_as_browsers_and_others_send_it(carried: str) -> None:
    async with RealtimeServer() as server, house(server) as running:
        server.subprotocol = "realtime"
        secret = f"openai-insecure-api-key.{SECRET}"
        protocols = ("realtime", *((secret,) if carried == "subprotocol" else ()), "openai-beta.realtime-v1")
        headers = [(b"x-api-key", SECRET.encode())] if carried == "x-api-key" else []
        async with client(running, headers=headers, protocols=protocols) as (made, answer):
            assert isinstance(answer, AcceptConnection)
            assert answer.subprotocol == "realtime"
            made.send(TextMessage("x"))
            assert await made.message() == "x"
        assert server.asked is not None
        assert server.asked.subprotocols == ["realtime", "openai-beta.realtime-v1"]
        assert SECRET.encode() not in server.heads[0]


@pytest.mark.parametrize(
    ("path", "headers", "status", "text"),
    [
        (f"{PATH}?model=m/1", [], 401, b"invalid_api_key"),
        (f"{PATH}?model=m/1", [(b"authorization", b"Bearer sk-wrong")], 401, b"invalid_api_key"),
        (f"{PATH}?model=nothing", BEARER, 404, b"model_not_found"),
        (f"{PATH}?model=closed", BEARER, 403, b"forbidden"),
        (PATH, BEARER, 400, b"missing_required_parameter"),
        (f"{PATH}?model=m/1&model=m/1", BEARER, 400, b"invalid_value"),
    ],
)
async def test_who_may_not_gets_an_ordinary_answer(
    path: str, headers: list[tuple[bytes, bytes]], status: int, text: bytes
) -> None:
    async with RealtimeServer() as server, house(server) as running:
        async with client(running, path, headers) as (made, answer):
            found, body = await refusal(made, answer)
        assert found == status
        assert text in body
        assert running.ledger.started == []
        assert server.heads == []


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ("sec-websocket-version: 8\r\nsec-websocket-key: " + base64.b64encode(b"x" * 16).decode(), 426),
        ("sec-websocket-version: 13\r\nsec-websocket-key: short", 400),
        ("sec-websocket-version: 13", 400),
    ],
)
async def test_what_is_no_handshake_is_refused(lines: str, status: int) -> None:
    async with RealtimeServer() as server, house(server) as running, running.wire() as wire:
        head = f"GET {PATH}?model=m/1 HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {SECRET}\r\n"
        wire.writer.write(f"{head}connection: upgrade\r\nupgrade: websocket\r\n{lines}\r\n\r\n".encode())
        answer = await wire.answer()
        assert answer.status == status
        assert answer.header("sec-websocket-version") == ("13" if status == 426 else None)
        assert server.heads == []


async def test_what_comes_with_the_handshake_is_not_lost() -> None:
    async with RealtimeServer() as server, house(server) as running:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        made = Client(reader, writer)
        first = made.protocol.send(Request(host="h", target=f"{PATH}?model=m/1", extra_headers=BEARER))
        writer.write(first)
        # A masked text frame, as a client sends it that does not wait for the answer.
        text = b"early" * 20_000
        writer.write(b"\x81\xff" + len(text).to_bytes(8, "big") + b"\0\0\0\0" + text)
        assert isinstance(await made.next(), AcceptConnection)
        assert await made.message() == text.decode()
        writer.transport.abort()
        assert await server.closes.get() is None


async def test_the_servers_close_reaches_the_client() -> None:
    async with RealtimeServer() as server, house(server) as running:
        async with client(running) as (made, _):
            made.send(TextMessage("goodbye"))
            closed = await made.next()
            assert isinstance(closed, CloseConnection)
            assert (closed.code, closed.reason) == (4000, "as asked")
            made.send(closed.response())
            assert await server.closes.get() == 4000
            assert await made.reader.read() == b""
        assert (await running.recorded()).state == 4


async def test_a_server_that_breaks_off_ends_the_session() -> None:
    async with RealtimeServer() as server, house(server) as running:
        async with client(running) as (made, _):
            made.send(TextMessage("x"))
            assert await made.message() == "x"
            server.drop()
            assert await made.reader.read() == b""
        assert (await running.recorded()).status_code == 101


async def test_a_client_that_vanishes_ends_the_session() -> None:
    async with RealtimeServer() as server, house(server) as running:
        async with client(running) as (made, _):
            made.writer.transport.abort()
            assert await server.closes.get() is None
        record = await running.recorded()
        assert (record.status_code, record.state) == (101, 4)


async def test_a_client_that_leaves_before_the_answer_is_recorded_as_one() -> None:
    async with RealtimeServer() as server:
        server.reading.clear()
        async with house(server) as running:
            reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
            made = Client(reader, writer)
            made.send(Request(host="h", target=f"{PATH}?model=m/1", extra_headers=BEARER))
            await running.until(lambda: server.open_connections == 1, "the server is called")
            writer.transport.abort()
            record = await running.recorded()
        assert (record.status_code, record.error_code) == (499, "client_closed_request")
        server.reading.set()


_DENIED = b'{"error":{"message":"no such voice","type":"invalid_request_error","param":null,"code":"bad"}}'


_LIMITED = (
    b"HTTP/1.1 429 Too Many\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    b'8\r\n{"a":"b"\r\n1\r\n}\r\n0\r\n\r\n'
)


@pytest.mark.parametrize(
    ("answer", "status", "text"),
    [
        (
            b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
            % (len(_DENIED), _DENIED),
            400,
            b"no such voice",
        ),
        (_LIMITED, 429, b'{"a":"b"}'),
        (b"HTTP/1.1 403 Forbidden\r\ncontent-type: text/html\r\n\r\n<p>no</p>", 403, b"answered 403"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi", 502, b"upstream_error"),
        (
            b"HTTP/1.1 101 S\r\nupgrade: websocket\r\nsec-websocket-accept: eA==\r\n\r\n",
            502,
            b"upstream_error",
        ),
        (b"220 mail\r\n\r\n", 502, b"upstream_error"),
        (b"HTTP/1.1 101 S\r\nx: " + b"x" * 3000 + b"\r\n\r\n", 502, b"upstream_error"),
        (b"", 502, b"upstream_error"),
    ],
)
async def test_a_server_that_does_not_switch(answer: bytes, status: int, text: bytes) -> None:
    limits = settings(max_head_bytes=2048)
    async with (
        RealtimeServer(answer) as server,
        house(server, limits) as running,
        client(running) as (made, found),
    ):
        given_status, body = await refusal(made, found)
        assert given_status == status
        assert text in body
        record = await running.recorded()
        assert (record.status_code, record.state) == (status, 3)


async def test_a_server_that_is_late_or_away() -> None:
    async with RealtimeServer() as server:
        server.reading.clear()
        late = settings(first_byte_timeout=Duration(0.05))
        async with house(server, late) as running, client(running) as (made, found):
            assert (await refusal(made, found))[0] == 504
        server.reading.set()
    gone = RealtimeServer()
    gone.port = 9
    async with house(gone) as running, client(running) as (made, found):
        assert (await refusal(made, found))[0] == 502


async def test_a_silent_session_ends_and_a_lively_one_does_not() -> None:
    async with (
        RealtimeServer() as server,
        house(server, settings(idle=1.5)) as running,
        client(running) as (lively, _),
        client(running) as (silent, _),
    ):
        async with asyncio.TaskGroup() as tasks:
            ended = tasks.create_task(silent.reader.read())
            while not ended.done():
                lively.send(TextMessage("x"))
                assert await lively.message() == "x"
                await asyncio.wait({ended}, timeout=0.1)
        assert ended.result() == b""
        record = await running.recorded()
        assert (record.status_code, record.error_code, record.state) == (101, "gateway_timeout", 3)


async def test_there_are_at_most_so_many_sessions() -> None:
    async with RealtimeServer() as server, house(server, settings(sessions=1)) as running:
        async with client(running) as (first, _):
            async with client(running) as (second, answer):
                status, body = await refusal(second, answer)
                assert (status, b"service_unavailable" in body) == (503, True)
            first.send(CloseConnection(code=1000))
            await running.recorded()
        async with client(running) as (_, answer):
            assert isinstance(answer, AcceptConnection)


async def test_no_session_is_taken_while_calls_cannot_be_recorded() -> None:
    async with RealtimeServer() as server, house(server) as running:
        running.ledger.refusal = "the disk is full"
        async with client(running) as (made, answer):
            assert (await refusal(made, answer))[0] == 503
        running.ledger.refusal = None
        running.ledger.hold()
        async with asyncio.TaskGroup() as tasks:
            asking = tasks.create_task(_ask(running))
            await running.until(lambda: running.ledger.waiting == 1, "the session waits for the disk")
            assert server.open_connections == 0
            running.ledger.release()
        assert isinstance(asking.result(), AcceptConnection)


async def _ask(running: House) -> Event | None:
    async with client(running) as (_, answer):
        return answer


async def test_a_client_faster_than_the_server_is_slowed_down() -> None:
    async with RealtimeServer() as server, house(server) as running, client(running) as (made, _):
        server.reading.clear()
        frame = made.protocol.send(BytesMessage(b"x" * 65536))
        sent = 0
        while sent < 512 * 1024 * 1024:
            made.writer.write(frame)
            sent += len(frame)
            try:
                async with asyncio.timeout(0.5):
                    await made.writer.drain()
            except TimeoutError:
                break
        assert sent < 64 * 1024 * 1024
        server.reading.set()


async def test_a_client_slower_than_the_server_slows_it_down() -> None:
    async with RealtimeServer() as server, house(server) as running, client(running) as (made, _):
        frame = made.protocol.send(BytesMessage(b"x" * 65536))
        sent = 0
        while sent < 512 * 1024 * 1024:
            # Nobody reads what comes back: the reader's own limit pauses the socket.
            made.writer.write(frame)
            sent += len(frame)
            try:
                async with asyncio.timeout(0.5):
                    await made.writer.drain()
            except TimeoutError:
                break
        assert sent < 64 * 1024 * 1024


async def test_a_stopping_port_ends_its_sessions() -> None:
    async with RealtimeServer() as server, house(server) as running:
        async with client(running) as (made, answer):
            assert isinstance(answer, AcceptConnection)
            await running.listener.stop()
            assert await made.reader.read() == b""
        record = await running.recorded()
        assert record.error_code == "service_unavailable"


@given(
    st.text(st.characters(codec="utf-8"), min_size=1),
    st.lists(st.sampled_from([b"a=1", b"b", b"", b"%6dodel2=x", b"c=%20"]), max_size=4),
)
def test_the_model_in_a_query_is_found_and_replaced(name: str, others: list[bytes]) -> None:
    query = with_model(b"&".join([*others, b"mo%64el=old"]), name)
    assert model_in(query) == name
    assert [part for part in query.split(b"&") if not part.startswith(b"model=")] == [
        part for part in others if part
    ]


def test_a_query_without_a_model_and_with_two() -> None:
    assert model_in(b"") is None
    assert model_in(b"models=x&xmodel=y") is None
    with pytest.raises(Refused):
        model_in(b"model=a&mo%64el=a")
