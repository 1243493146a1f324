"""The listening protocol on real sockets: order, limits from both sides, odd clients, drain."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from dwctl.core.errors import SetupError
from dwctl.core.metrics import Metrics
from dwctl.core.services import SlowToStop
from dwctl.core.settings import Duration
from dwctl.server.limits import ListenerSettings
from dwctl.server.listener import Listener
from dwctl.wire.exchange import Exchange

Message = MutableMapping[str, Any]
DEADLINE = 10.0


class Echo:
    """Answers gateway paths with what it got; `hold` paths stay open until released."""

    def __init__(self) -> None:
        self.held: list[Exchange] = []
        self.aborted = asyncio.Event()
        self.seen: list[bytes] = []

    uploads: frozenset[bytes] = frozenset()

    def claims(self, method: bytes, path: bytes) -> bool:
        return path.startswith(b"/ai/")

    def upload(self, exchange: Exchange) -> None:
        raise AssertionError(exchange.path)

    def handle(self, exchange: Exchange) -> None:
        self.seen.append(exchange.path)
        exchange.on_abort = self.aborted.set
        if exchange.path == b"/ai/hold":
            self.held.append(exchange)
            return
        self.answer(exchange)

    def answer(self, exchange: Exchange) -> None:
        body = exchange.path + b"|" + exchange.body[:50] + b"|%d" % len(exchange.body)
        close = b"" if exchange.keep_alive else b"connection: close\r\n"
        exchange.finish(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n%b\r\n%b" % (len(body), close, body))


class App:
    """An ASGI application with a few behaviours by path."""

    def __init__(self) -> None:
        self.disconnected = asyncio.Event()
        self.largest_wait = 0

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        path = scope["path"]
        if path == "/boom":
            raise RuntimeError("a fault of the application")
        if path == "/early":
            await self._reply(send, b"no")
            return
        size = 0
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.disconnected.set()
                return
            size += len(message["body"])
            more = message["more_body"]
        if path == "/wait":
            message = await receive()
            assert message["type"] == "http.disconnect"
            self.disconnected.set()
            return
        if path == "/chunks":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for piece in (b"one ", b"", b"two"):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
            return
        await self._reply(send, f"{scope['method']} {path} {size}".encode())

    async def _reply(self, send: Callable[[Message], Awaitable[None]], body: bytes) -> None:
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"content-length", b"%d" % len(body))],
            }
        )
        await send({"type": "http.response.body", "body": body})


class House:
    """A listener with its handler and application."""

    def __init__(self, settings: ListenerSettings) -> None:
        self.echo = Echo()
        self.app = App()
        self.listener = Listener(
            host="127.0.0.1",
            port=0,
            settings=settings,
            handler=self.echo,
            application=self.app,
            metrics=Metrics(),
        )

    @property
    def port(self) -> int:
        return int(self.listener.address.rpartition(":")[2])

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def say(self, data: bytes, *, eof: bool = False) -> bytes:
        """Send bytes, read until the server closes or falls silent after a whole answer."""
        reader, writer = await self.connect()
        writer.write(data)
        if eof:
            writer.write_eof()
        async with asyncio.timeout(DEADLINE):
            answer = await reader.read()
        writer.close()
        return answer


@asynccontextmanager
async def house(settings: ListenerSettings | None = None) -> AsyncIterator[House]:
    made = House(settings or ListenerSettings())
    await made.listener.start()
    async with asyncio.TaskGroup() as group:
        sweeping = group.create_task(made.listener.run())
        try:
            yield made
        finally:
            sweeping.cancel()
            await made.listener.stop()


def post(path: str, body: bytes, *extra: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "host: x", f"content-length: {len(body)}", *extra]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def get(path: str, *extra: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "host: x", *extra]).encode() + b"\r\n\r\n"


async def test_answers_of_both_planes_keep_the_order_of_a_pipeline() -> None:
    async with house() as made:
        asked = [
            post("/ai/a", b"1"), get("/b"), post("/ai/c", b"22"), post("/d", b"333"), get("/chunks"),
            get("/ai/e"), post("/f", b"", "connection: close"),
        ]  # fmt: skip
        answer = await made.say(b"".join(asked))
    marks = (
        b"/ai/a|1|1", b"GET /b 0", b"/ai/c|22|2", b"POST /d 3", b"one ", b"/ai/e||0", b"POST /f 0",
    )  # fmt: skip
    order = [answer.find(mark) for mark in marks]
    assert -1 not in order
    assert order == sorted(order)
    assert answer.count(b"HTTP/1.1 200 OK") == 7


async def test_a_thousand_pipelined_requests_do_not_recurse() -> None:
    async with house() as made:
        asked = get("/ai/x") * 1000 + get("/ai/last", "connection: close")
        answer = await made.say(asked)
    assert answer.count(b"HTTP/1.1 200 OK") == 1001
    assert answer.endswith(b"/ai/last||0")


@pytest.mark.parametrize("step", [1, 2, 7])
async def test_requests_in_small_pieces_are_the_same_requests(step: int) -> None:
    async with house() as made:
        asked = post("/ai/a", b"hello") + post("/b", b"there", "connection: close")
        reader, writer = await made.connect()
        for place in range(0, len(asked), step):
            writer.write(asked[place : place + step])
            await writer.drain()
        async with asyncio.timeout(DEADLINE):
            answer = await reader.read()
        writer.close()
    assert b"/ai/a|hello|5" in answer
    assert b"POST /b 5" in answer


async def test_a_chunked_body_arrives_whole_in_both_planes() -> None:
    head = "POST {} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n{}\r\n"
    body = b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\ntrailer: t\r\n\r\n"
    asked = (
        head.format("/ai/a", "").encode() + body + head.format("/b", "connection: close\r\n").encode() + body
    )
    async with house() as made:
        answer = await made.say(asked)
    assert b"/ai/a|hello world|11" in answer
    assert b"POST /b 11" in answer


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (b"GET /x HTTP/1.1\r\n\r\n", 400),
        (b"GET /x HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", 400),
        (b"GET /x HTTP/2.0\r\nhost: a\r\n\r\n", 505),
        (b"get /x HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        (b"GET  /x HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        (b"GET x HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        (b"GET /x HTTP/1.1\r\nhost : a\r\n\r\n", 400),
        (b"GET /x HTTP/1.1\r\nhost: a\r\n folded: b\r\n\r\n", 400),
        (b"GET /x HTTP/1.1\r\nhost: a\nb: c\r\n\r\n", 400),
        (b"GET /x HTTP/1.1\r\nhost: a\r\nx: \x00\r\n\r\n", 400),
        (b"POST /ai/x HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\nx", 400),
        (b"POST /ai/x HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxy", 400),
        (b"POST /ai/x HTTP/1.1\r\nhost: a\r\ncontent-length: +1\r\n\r\nx", 400),
        (b"POST /ai/x HTTP/1.1\r\nhost: a\r\ncontent-length: 1, 1\r\n\r\nx", 400),
        (b"POST /ai/x HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n", 400),
        (b"POST /ai/x HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n", 400),
        (b"POST /ai/x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip\r\n\r\n", 501),
        (b"POST /ai/x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"POST /ai/x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\nab\r\n", 400),
        (b"POST /ai/x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\na\n0\n\n", 400),
        (b"POST /ai/x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff\r\n", 400),
        (b"POST /ai/x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n", 501),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    ],
)  # fmt: skip
async def test_malformed_requests_are_refused_and_the_connection_ends(asked: bytes, status: int) -> None:
    async with house() as made:
        answer = await made.say(asked)
        assert answer.startswith(b"HTTP/1.1 %d " % status)
        assert answer.count(b"HTTP/1.1 ") == 1
        assert not made.echo.seen
        assert b"200 OK" in await made.say(get("/ok", "connection: close"))


async def test_limits_of_a_head_hold_from_both_sides() -> None:
    settings = ListenerSettings(max_head_bytes=2000, max_headers=20, max_target_bytes=200)
    async with house(settings) as made:
        fits = get("/" + "a" * 199, "connection: close")
        assert b"200 OK" in await made.say(fits)
        assert b" 414 " in await made.say(get("/" + "a" * 200))
        assert b"200 OK" in await made.say(get("/", *[f"x{n}: 1" for n in range(18)], "connection: close"))
        assert b" 431 " in await made.say(get("/", *[f"x{n}: 1" for n in range(20)]))
        room = 2000 - len(get("/", "connection: close", "x: ")) + 4
        assert b"200 OK" in await made.say(get("/", "connection: close", "x: " + "a" * room))
        assert b" 431 " in await made.say(get("/", "connection: close", "x: " + "a" * (room + 1)))
        assert b" 431 " in await made.say(b"GET / HTTP/1.1\r\nhost: x\r\n" + b"x: y\r\n" * 1000)


async def test_the_limit_of_a_gateway_body_holds_from_both_sides() -> None:
    async with house(ListenerSettings(max_body_bytes=1000)) as made:
        assert b"|1000" in await made.say(post("/ai/a", b"x" * 1000, "connection: close"))
        refused = await made.say(post("/ai/a", b"x" * 1001))
        assert refused.startswith(b"HTTP/1.1 413 ")
        assert b'"code":"payload_too_large"' in refused
        chunked = b"POST /ai/a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3e9\r\n" + b"x" * 1001
        assert b" 413 " in await made.say(chunked)
        assert b"POST /b 5000" in await made.say(post("/b", b"x" * 5000, "connection: close"))


async def test_a_client_that_sends_50_mb_too_much_still_reads_the_refusal() -> None:
    async with house(ListenerSettings(max_body_bytes=1000)) as made:
        reader, writer = await made.connect()
        writer.write(
            post("/ai/a", b"")[:-4].replace(b"content-length: 0", b"content-length: 50000000") + b"\r\n\r\n"
        )
        for _ in range(500):
            writer.write(b"x" * 100_000)
            await writer.drain()
        async with asyncio.timeout(DEADLINE):
            answer = await reader.read()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 413 ")


async def test_expect_continue_is_answered_before_the_body_is_sent() -> None:
    async with house() as made:
        for path in ("/ai/a", "/b"):
            reader, writer = await made.connect()
            writer.write(post(path, b"hello", "expect: 100-continue", "connection: close")[:-5])
            async with asyncio.timeout(DEADLINE):
                assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
                writer.write(b"hello")
                assert b"200 OK" in await reader.read()
            writer.close()


async def test_slow_heads_and_bodies_are_refused_with_408() -> None:
    quick = ListenerSettings(head_timeout=Duration(0.2), body_timeout=Duration(0.2))
    async with house(quick) as made:
        assert b" 408 " in await made.say(b"GET / HT")
        assert b" 408 " in await made.say(post("/ai/a", b"x" * 10)[:-3])


async def test_a_head_that_drips_in_has_the_same_limit_of_time() -> None:
    async with house(ListenerSettings(head_timeout=Duration(0.2))) as made:
        reader, writer = await made.connect()
        answer = b""
        async with asyncio.timeout(DEADLINE):
            writer.write(b"GET /ai/a HTTP/1.1\r\nx: ")
            while not answer:
                writer.write(b"y")
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.05):
                        answer = await reader.read(1000)
        assert answer.startswith(b"HTTP/1.1 408 ")
        writer.close()


async def test_an_idle_connection_is_closed() -> None:
    async with house(ListenerSettings(keep_alive=Duration(0.2))) as made:
        reader, writer = await made.connect()
        writer.write(get("/ai/a"))
        async with asyncio.timeout(DEADLINE):
            assert b"/ai/a||0" in await reader.read()
        writer.close()


async def test_an_idle_connection_is_kept_until_its_time_is_over() -> None:
    limit = 75
    async with house(ListenerSettings(keep_alive=Duration(limit))) as made:
        reader, writer = await made.connect()
        now = asyncio.get_running_loop().time()
        async with asyncio.timeout(DEADLINE):
            for path in ("/ai/a", "/ai/b"):
                writer.write(get(path))
                await reader.readuntil(f"{path}||0".encode())
                await made.listener.sweep(now)
                await made.listener.sweep(now + limit - 1)
            await made.listener.sweep(now + 2 * limit)
            assert await reader.read() == b""
        writer.close()


async def test_a_client_that_leaves_ends_its_call_at_once() -> None:
    async with house() as made:
        for ending in ("close", "half"):
            made.echo.aborted.clear()
            made.echo.held.clear()
            _, writer = await made.connect()
            writer.write(get("/ai/hold"))
            async with asyncio.timeout(DEADLINE):
                while not made.echo.held:
                    await asyncio.sleep(0.005)
                if ending == "close":
                    writer.close()
                else:
                    writer.write_eof()
                await made.echo.aborted.wait()
            made.echo.answer(made.echo.held[0])
            writer.close()


async def test_a_half_closed_client_of_the_application_gets_its_answer() -> None:
    async with house() as made:
        assert b"GET /b 0" in await made.say(get("/b"), eof=True)


async def test_the_application_is_told_of_a_client_that_leaves() -> None:
    async with house() as made:
        _, writer = await made.connect()
        writer.write(post("/wait", b"x"))
        await writer.drain()
        writer.close()
        async with asyncio.timeout(DEADLINE):
            await made.app.disconnected.wait()


async def test_a_fault_of_the_application_is_a_500_and_nothing_else_suffers() -> None:
    async with house() as made:
        assert (await made.say(get("/boom"))).startswith(b"HTTP/1.1 500 ")
        assert b"200 OK" in await made.say(get("/ok", "connection: close"))


async def test_an_answer_before_the_body_was_read_ends_the_connection() -> None:
    async with house() as made:
        answer = await made.say(post("/early", b"x" * 10)[:-5])
        assert b"200 OK" in answer
        assert b"connection: close" in answer
        assert answer.endswith(b"no")


async def test_a_large_upload_passes_through() -> None:
    async with house() as made, httpx.AsyncClient() as client:
        size = 100 * 1024 * 1024
        piece = b"x" * (1024 * 1024)

        async def body() -> AsyncIterator[bytes]:
            for _ in range(size // len(piece)):
                yield piece

        answer = await client.post(f"{made.listener.address}/upload", content=body(), timeout=60)
        assert answer.text == f"POST /upload {size}"


async def test_head_requests_have_no_body_and_http_1_0_closes() -> None:
    async with house() as made:
        head = await made.say(b"HEAD /b HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        assert head.endswith(b"\r\n\r\n")
        assert b"content-length: 9" in head
        old = await made.say(b"GET /chunks HTTP/1.0\r\n\r\n")
        assert b"transfer-encoding" not in old
        assert old.endswith(b"\r\n\r\none two")


async def _answered(made: House) -> bool:
    """Whether a new connection is served."""
    reader, writer = await made.connect()
    try:
        writer.write(get("/ai/b"))
        await writer.drain()
        return await reader.read(1) != b""
    except ConnectionError:
        return False
    finally:
        writer.close()


async def test_too_many_connections_are_turned_away() -> None:
    async with house(ListenerSettings(max_connections=1)) as made:
        reader, writer = await made.connect()
        writer.write(get("/ai/a"))
        await reader.readuntil(b"|0")
        assert await _answered(made) is False
        writer.close()


async def test_a_drain_finishes_what_is_under_way_and_closes_what_is_idle() -> None:
    made = House(ListenerSettings())
    await made.listener.start()
    idle_reader, idle = await made.connect()
    idle.write(get("/ai/a"))
    await idle_reader.readuntil(b"|0")
    reader, writer = await made.connect()
    writer.write(get("/ai/hold"))
    async with asyncio.timeout(DEADLINE):
        while not made.echo.held:
            await asyncio.sleep(0.005)
        async with asyncio.TaskGroup() as group:
            stopping = group.create_task(made.listener.stop())
            assert await idle_reader.read() == b""
            with pytest.raises(ConnectionError):
                await made.connect()
            assert not stopping.done()
            made.echo.answer(made.echo.held[0])
            assert b"/ai/hold||0" in await reader.read()
    idle.close()
    writer.close()


async def test_a_drain_gets_the_time_that_its_setting_names() -> None:
    listener: object = House(ListenerSettings(drain=Duration(120))).listener
    assert isinstance(listener, SlowToStop)
    assert listener.stop_within > 120


async def test_a_taken_port_is_told_with_what_to_do() -> None:
    async with house() as made:
        other = Listener(
            host="127.0.0.1",
            port=made.port,
            settings=ListenerSettings(),
            handler=Echo(),
            application=App(),
            metrics=Metrics(),
        )
        with pytest.raises(SetupError, match="--port"):
            await other.start()
