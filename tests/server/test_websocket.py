"""WebSockets on real sockets: handshake, messages, limits, both ends of a close, drain."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from wsproto import ConnectionType, WSConnection
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

from dwctl.core.metrics import Metrics
from dwctl.core.settings import Duration
from dwctl.server.limits import ListenerSettings
from dwctl.server.listener import Listener
from dwctl.wire.exchange import Exchange

DEADLINE = 10.0


class NoGateway:
    """Claims nothing."""

    def claims(self, method: bytes, path: bytes) -> bool:
        """Every path is the application's."""
        return False

    uploads: frozenset[bytes] = frozenset()

    def upload(self, exchange: Exchange) -> None:
        """Never called."""
        raise AssertionError(exchange.path)

    def handle(self, exchange: Exchange) -> None:
        """Never called."""
        raise AssertionError(exchange.path)


class App:
    """Echoes; some paths do other things."""

    def __init__(self) -> None:
        self.ended: asyncio.Queue[tuple[int, str]] = asyncio.Queue()
        self.scope: MutableMapping[str, Any] = {}
        self.reading = asyncio.Event()

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        """One connection."""
        self.scope = scope
        assert scope["type"] == "websocket"
        assert await receive() == {"type": "websocket.connect"}
        path = scope["path"]
        if path == "/deny":
            await send({"type": "websocket.close"})
            return
        if path == "/explain":
            start = {"type": "websocket.http.response.start", "status": 401, "headers": [(b"x-why", b"key")]}
            await send(start)
            await send({"type": "websocket.http.response.body", "body": b"no ", "more_body": True})
            await send({"type": "websocket.http.response.body", "body": b"key"})
            return
        if path == "/boom":
            raise RuntimeError("a fault of the application")
        await send({"type": "websocket.accept", "subprotocol": "chat", "headers": [(b"x-a", b"b")]})
        if path == "/late-boom":
            raise RuntimeError("a fault of the application")
        if path == "/slow":
            await self.reading.wait()
        while True:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                self.ended.put_nowait((message["code"], message["reason"]))
                return
            if message.get("text") == "goodbye":
                await send({"type": "websocket.close", "code": 4000, "reason": "as asked"})
                return
            await send(
                {"type": "websocket.send", **{k: message[k] for k in ("text", "bytes") if k in message}}
            )


class Client:
    """A client that speaks through wsproto."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.protocol = WSConnection(ConnectionType.CLIENT)
        self._events: list[Event] = []

    def send(self, event: Event) -> None:
        """One event."""
        self.writer.write(self.protocol.send(event))

    async def next(self) -> Event | None:
        """The next event; None when the server has closed the connection."""
        async with asyncio.timeout(DEADLINE):
            while not self._events:
                data = await self.reader.read(65536)
                self.protocol.receive_data(data or None)
                self._events += self.protocol.events()
                if not data:
                    return None
        return self._events.pop(0)

    async def message(self) -> str | bytes:
        """A whole message."""
        parts: list[Any] = []
        while True:
            event = await self.next()
            assert isinstance(event, TextMessage | BytesMessage), event
            parts.append(event.data)
            if event.message_finished:
                return "".join(parts) if isinstance(event, TextMessage) else b"".join(map(bytes, parts))


class House:
    """A listener and its application."""

    def __init__(self, settings: ListenerSettings) -> None:
        self.app = App()
        self.writers: list[asyncio.StreamWriter] = []
        self.listener = Listener(
            host="127.0.0.1",
            port=0,
            settings=settings,
            handler=NoGateway(),
            application=self.app,
            metrics=Metrics(),
        )

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A socket, closed with the house."""
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", int(self.listener.address.rpartition(":")[2])
        )
        self.writers.append(writer)
        return reader, writer

    async def client(self, path: str = "/echo") -> tuple[Client, Event | None]:
        """A client, and the answer to its handshake."""
        client = Client(*await self.connect())
        client.send(Request(host="h", target=path, subprotocols=["chat", "other"]))
        return client, await client.next()

    async def open(self, path: str = "/echo") -> Client:
        """A client whose handshake was accepted."""
        client, answer = await self.client(path)
        assert isinstance(answer, AcceptConnection), answer
        return client


@asynccontextmanager
async def house(**settings: Any) -> AsyncIterator[House]:
    made = House(ListenerSettings(**settings))
    await made.listener.start()
    async with asyncio.TaskGroup() as group:
        sweeping = group.create_task(made.listener.run())
        try:
            yield made
        finally:
            sweeping.cancel()
            for writer in made.writers:
                writer.transport.abort()
            await made.listener.stop()


async def test_text_and_bytes_come_back_whole() -> None:
    async with house() as here:
        client, answer = await here.client("/echo?a=b")
        assert isinstance(answer, AcceptConnection)
        assert (answer.subprotocol, (b"x-a", b"b") in answer.extra_headers) == ("chat", True)
        assert (here.app.scope["scheme"], here.app.scope["query_string"]) == ("ws", b"a=b")
        assert here.app.scope["subprotocols"] == ["chat", "other"]
        client.send(TextMessage("grüß dich"))
        assert await client.message() == "grüß dich"
        client.send(BytesMessage(b"\x00\xff" * 50_000))
        assert await client.message() == b"\x00\xff" * 50_000


async def test_fragments_pings_and_a_message_in_many_pieces() -> None:
    async with house() as here:
        client = await here.open()
        wire = client.protocol.send(TextMessage("one ", message_finished=False))
        wire += client.protocol.send(Ping(b"still there?"))
        wire += client.protocol.send(TextMessage("two"))
        for at in range(len(wire)):
            client.writer.write(wire[at : at + 1])
            await client.writer.drain()
        assert await client.next() == Pong(b"still there?")
        assert await client.message() == "one two"


async def test_frames_that_come_with_the_handshake_are_not_lost() -> None:
    async with house() as here:
        client = Client(*await here.connect())
        client.send(Request(host="h", target="/echo", subprotocols=["chat"]))
        # A text frame "hi" with a mask of zeros (RFC 6455 §5.2), before the server has answered.
        client.writer.write(b"\x81\x82\x00\x00\x00\x00hi")
        assert isinstance(await client.next(), AcceptConnection)
        assert await client.message() == "hi"


@pytest.mark.parametrize("kind", [TextMessage, BytesMessage])
async def test_the_limit_of_a_message_holds_from_both_sides(kind: Any) -> None:
    async with house(max_websocket_message=1000) as here:
        client = await here.open()
        data: Any = "x" * 1000 if kind is TextMessage else b"x" * 1000
        client.send(kind(data))
        assert await client.message() == data
        client.send(kind(data[:600], message_finished=False))
        client.send(kind(data[:401]))
        closed = await client.next()
        assert isinstance(closed, CloseConnection)
        assert closed.code == 1009
        assert await asyncio.wait_for(here.app.ended.get(), DEADLINE) == (
            1009,
            "a message may have 1000 bytes",
        )


async def test_each_side_can_close() -> None:
    async with house() as here:
        client = await here.open()
        client.send(TextMessage("goodbye"))
        closed = await client.next()
        assert isinstance(closed, CloseConnection)
        assert (closed.code, closed.reason) == (4000, "as asked")
        assert await client.next() is None
        client = await here.open()
        client.send(CloseConnection(code=1000, reason="done"))
        assert isinstance(await client.next(), CloseConnection)
        assert await client.next() is None
        assert await asyncio.wait_for(here.app.ended.get(), DEADLINE) == (1000, "done")


async def test_a_client_that_vanishes_is_told_to_the_application() -> None:
    async with house() as here:
        client = await here.open()
        client.writer.transport.abort()
        assert (await asyncio.wait_for(here.app.ended.get(), DEADLINE))[0] == 1006


async def test_broken_frames_close_with_the_code_that_is_meant_for_them() -> None:
    async with house() as here:
        client = await here.open()
        client.writer.write(b"\x81\x02hi")  # unmasked: RFC 6455 §5.1
        closed = await client.next()
        assert isinstance(closed, CloseConnection)
        assert closed.code == 1002


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [("/deny", 403, b"Forbidden"), ("/explain", 401, b"no key"), ("/boom", 500, b"Internal server error")],
)
async def test_a_handshake_can_be_refused(path: str, status: int, text: bytes) -> None:
    async with house() as here:
        client, answer = await here.client(path)
        assert isinstance(answer, RejectConnection)
        assert answer.status_code == status
        body = await client.next()
        assert isinstance(body, RejectData)
        assert bytes(body.data) == text


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ("sec-websocket-version: 8\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n", 426),
        ("sec-websocket-version: 13\r\nsec-websocket-key: short\r\n", 400),
        ("sec-websocket-version: 13\r\n", 400),
    ],
)
async def test_what_is_no_handshake_is_refused(lines: str, status: int) -> None:
    async with house() as here:
        reader, writer = await here.connect()
        head = f"GET /echo HTTP/1.1\r\nhost: h\r\nupgrade: websocket\r\nconnection: Upgrade\r\n{lines}\r\n"
        writer.write(head.encode())
        answer = await asyncio.wait_for(reader.read(), DEADLINE)
        assert answer.startswith(b"HTTP/1.1 %d " % status)
        writer.close()


async def test_a_fault_after_the_handshake_closes_with_1011() -> None:
    async with house() as here:
        client = await here.open("/late-boom")
        closed = await client.next()
        assert isinstance(closed, CloseConnection)
        assert closed.code == 1011


async def test_a_client_faster_than_the_application_is_slowed_down() -> None:
    async with house() as here:
        client = await here.open("/slow")
        message = client.protocol.send(BytesMessage(b"x" * 100_000))
        sent = 0
        try:
            async with asyncio.timeout(1):
                while sent < 1000:
                    client.writer.write(message)
                    await client.writer.drain()
                    sent += 1
        except TimeoutError:
            pass
        assert sent < 1000
        here.app.reading.set()
        assert await client.message() == b"x" * 100_000


async def test_a_silent_client_is_pinged_and_then_given_up() -> None:
    async with house(websocket_ping=Duration(0.5)) as here:
        client = await here.open()
        assert isinstance(await client.next(), Ping)
        assert (await asyncio.wait_for(here.app.ended.get(), DEADLINE))[0] == 1006


async def test_a_stopping_server_says_goodbye() -> None:
    async with house() as here:
        client = await here.open()
        async with asyncio.timeout(DEADLINE), asyncio.TaskGroup() as group:
            group.create_task(here.listener.stop())
            closed = await client.next()
            assert isinstance(closed, CloseConnection)
            assert closed.code == 1001
            client.writer.close()
