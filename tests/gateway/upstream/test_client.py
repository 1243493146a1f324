"""The upstream client against a model server on real sockets."""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from dwctl.core.dial import Dialer
from dwctl.gateway.settings import UpstreamSettings
from dwctl.gateway.upstream.address import Address, split_url
from dwctl.gateway.upstream.client import UpstreamClient
from dwctl.gateway.upstream.connection import Failure
from dwctl.gateway.upstream.origin import Origin, Ticket
from dwctl.routing.snapshot import Timeouts
from tests.fakes.answers import (
    CLOSED,
    CONTINUE,
    EARLY_HINTS,
    HANG,
    RESET,
    Answer,
    Close,
    Framing,
    Hang,
    Pause,
    json_reply,
    rechunked,
    reply,
)
from tests.fakes.certificates import Certificate
from tests.fakes.upstream import FakeUpstream
from tests.gateway.upstream.collector import DEADLINE, Collector

REQUEST = b"POST /v1/chat/completions HTTP/1.1\r\nhost: up\r\ncontent-length: 2\r\n\r\n{}"
HELLO = reply(b"hello")


class Caller:
    """A client and the one origin that a test calls."""

    def __init__(self, client: UpstreamClient, address: Address) -> None:
        self.client = client
        self.address = address

    def submit(self, request: bytes = REQUEST, deadline: float | None = None) -> tuple[Collector, Ticket]:
        """Send a request."""
        collector = Collector() if deadline is None else Collector(time.perf_counter() + deadline)
        return collector, self.client.submit(self.address, request, collector)

    async def call(self, request: bytes = REQUEST, deadline: float | None = None) -> Collector:
        """Send a request and wait for its end."""
        collector, _ = self.submit(request, deadline)
        await collector.wait()
        assert collector.endings == 1
        return collector

    @property
    def origin(self) -> Origin:
        """The pool."""
        found = self.client.origin(self.address)
        assert found is not None
        return found

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a state of the pool."""
        async with asyncio.timeout(DEADLINE):
            while not condition():
                await asyncio.sleep(0.005)


@asynccontextmanager
async def calling(
    url: str, *, tls: ssl.SSLContext | None = None, dialer: Dialer | None = None, **settings: Any
) -> AsyncIterator[Caller]:
    """A running client."""
    client = UpstreamClient(UpstreamSettings(**settings), sweep_every=0.02, tls=tls, dialer=dialer)
    await client.start()
    async with asyncio.TaskGroup() as tasks:
        sweeping = tasks.create_task(client.run())
        yield Caller(client, split_url(url)[0])
        await client.stop()
        sweeping.cancel()


@pytest.mark.parametrize("framing", list(Framing))
@pytest.mark.parametrize("size", [1, 2, 7, 10_000])
async def test_every_framing_in_every_split(upstream: FakeUpstream, framing: Framing, size: int) -> None:
    body = [b"first part, ", b"second\r\n\r\npart", b"0\r\n\r\n"]
    answer = reply(body, framing=framing, headers=[("x-a", "b")], trailers=[("x-sum", "1")])
    upstream.push(answer.joined().in_pieces(size))
    async with calling(upstream.url) as caller:
        got = await caller.call()

    assert (got.status, got.failure) == (200, None)
    assert got.body == b"".join(body)


async def test_connections_are_reused_last_in_first_out(upstream: FakeUpstream) -> None:
    async with calling(upstream.url) as caller:
        upstream.push(HELLO.delayed(0.05), HELLO.delayed(0.05), HELLO, HELLO, HELLO)
        first, _ = caller.submit()
        second, _ = caller.submit()
        await first.wait()
        await second.wait()
        for _ in range(3):
            assert (await caller.call()).body == b"hello"
        assert upstream.connections == 2
        assert len({request.connection for request in upstream.posts[2:]}) == 1
        assert caller.origin.open_connections == 2


async def test_a_kept_connection_that_died_is_replaced_without_a_word(upstream: FakeUpstream) -> None:
    async with calling(upstream.url) as caller:
        upstream.push(HELLO, CLOSED, HELLO)
        await caller.call()
        again = await caller.call()

    assert again.body == b"hello"
    assert [request.connection for request in upstream.posts] == [1, 1, 2]


@pytest.mark.parametrize("answer", [CLOSED, RESET])
async def test_a_request_is_sent_again_only_once(upstream: FakeUpstream, answer: Answer) -> None:
    async with calling(upstream.url) as caller:
        upstream.push(HELLO, answer, answer)
        await caller.call()
        again = await caller.call()

    assert again.failure is Failure.CLOSED_EARLY
    assert len(upstream.posts) == 3


async def test_a_fresh_connection_that_closes_is_a_failure(upstream: FakeUpstream) -> None:
    upstream.push(CLOSED)
    async with calling(upstream.url) as caller:
        assert (await caller.call()).failure is Failure.CLOSED_EARLY
    assert len(upstream.posts) == 1


async def test_a_request_is_not_sent_again_once_an_answer_has_begun(upstream: FakeUpstream) -> None:
    async with calling(upstream.url) as caller:
        upstream.push(HELLO, Answer((b"HTTP/1.1 2", Close())))
        await caller.call()
        assert (await caller.call()).failure is Failure.CLOSED_EARLY
    assert len(upstream.posts) == 2


@pytest.mark.parametrize(
    "answer",
    [
        Answer((*HELLO.steps, b"more than it said")),
        reply(b"hello", headers=[("connection", "close")]),
        Answer((b"HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello",)),
        Answer(
            (
                b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
                b"5\r\nhello\r\n0\r\n\r\n",
            )
        ),
        Answer(
            (
                b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
            )
        ),
    ],
)
async def test_a_connection_that_may_be_out_of_step_is_not_used_again(
    upstream: FakeUpstream, answer: Answer
) -> None:
    async with calling(upstream.url) as caller:
        upstream.push(answer.joined(), HELLO)
        assert (await caller.call()).body == b"hello"
        assert (await caller.call()).body == b"hello"
    assert upstream.connections == 2


async def test_bytes_that_nobody_asked_for_end_an_idle_connection(upstream: FakeUpstream) -> None:
    async with calling(upstream.url) as caller:
        upstream.push(Answer((*HELLO.steps, Pause(0.05), b"HTTP/1.1 408 Request Timeout\r\n\r\n")))
        await caller.call()
        await caller.until(lambda: not caller.origin.open_connections)
        assert (await caller.call()).status is not None


async def test_http_10_with_keep_alive_is_kept(upstream: FakeUpstream) -> None:
    answer = Answer((b"HTTP/1.0 200 OK\r\nconnection: Keep-Alive\r\ncontent-length: 5\r\n\r\nhello",))
    async with calling(upstream.url) as caller:
        upstream.push(answer, answer)
        await caller.call()
        await caller.call()
    assert upstream.connections == 1


async def test_interim_answers_are_read_over(upstream: FakeUpstream) -> None:
    upstream.push(HELLO.after(CONTINUE, EARLY_HINTS).in_pieces(9))
    async with calling(upstream.url) as caller:
        assert (await caller.call()).body == b"hello"


async def test_chunks_split_anywhere(upstream: FakeUpstream) -> None:
    text = "Grüße aus 東京\r\n\r\n".encode()
    for at in range(1, len(text)):
        upstream.push(reply(rechunked(text, at), framing=Framing.CHUNKED))
    async with calling(upstream.url) as caller:
        for _ in range(1, len(text)):
            assert (await caller.call()).body == text


async def test_idle_connections_are_closed_after_a_while(upstream: FakeUpstream) -> None:
    async with calling(upstream.url, keep_alive=0.1) as caller:
        await caller.call()
        assert caller.origin.open_connections == 1
        await caller.until(lambda: not caller.origin.open_connections)
        await upstream.wait_until(lambda: not upstream.open_connections, "the connection has ended")


async def test_calls_wait_in_turn_for_a_connection(upstream: FakeUpstream) -> None:
    upstream.respond = lambda request: reply(request.body).delayed(0.01)
    async with calling(upstream.url, max_connections=2) as caller:
        waiting = [caller.submit(REQUEST.replace(b"{}", b"%02d" % number))[0] for number in range(20)]
        assert caller.origin.waiting == 18
        for collector in waiting:
            await collector.wait()
        assert [collector.body for collector in waiting] == [b"%02d" % number for number in range(20)]
    assert upstream.connections == 2
    assert [request.body for request in upstream.posts] == sorted(request.body for request in upstream.posts)


async def test_the_queue_is_bounded(upstream: FakeUpstream) -> None:
    upstream.push(HANG)
    async with calling(upstream.url, max_connections=1, max_waiting=1) as caller:
        caller.submit()
        queued, ticket = caller.submit()
        assert (await caller.call()).failure is Failure.BUSY
        ticket.cancel()
        assert caller.origin.waiting == 0
        assert queued.endings == 0
        again, _ = caller.submit()
        assert again.endings == 0


async def test_a_queued_call_has_its_limit_of_time(upstream: FakeUpstream) -> None:
    upstream.push(HANG)
    async with calling(upstream.url, max_connections=1) as caller:
        caller.submit()
        assert (await caller.call(deadline=0.1)).failure is Failure.TOTAL_TIMEOUT


async def test_a_lost_connection_makes_room_for_the_next_in_the_queue(upstream: FakeUpstream) -> None:
    async with calling(upstream.url, max_connections=1) as caller:
        upstream.push(Answer((Pause(0.05), Close())), HELLO)
        first, _ = caller.submit()
        second, _ = caller.submit()
        await first.wait()
        await second.wait()
    assert (first.failure, second.body) == (Failure.CLOSED_EARLY, b"hello")


async def test_cancelling_closes_the_connection(upstream: FakeUpstream) -> None:
    upstream.push(HANG)
    async with calling(upstream.url) as caller:
        collector, ticket = caller.submit()
        await upstream.wait_for(1)
        ticket.cancel()
        await upstream.wait_until(lambda: upstream.posts[0].left_early, "the client has left")
        assert collector.endings == 0
        assert (await caller.call()).status is not None


async def test_a_connection_made_for_a_call_that_left_serves_the_next(upstream: FakeUpstream) -> None:
    async with calling(upstream.url) as caller:
        collector, ticket = caller.submit()
        ticket.cancel()
        await caller.until(lambda: upstream.connections == 1)
        assert (await caller.call()).status is not None
        assert collector.endings == 0
    assert upstream.connections == 1


async def test_time_limits(upstream: FakeUpstream) -> None:
    async with calling(upstream.url, first_byte_timeout=0.1, idle_timeout=0.15) as caller:
        upstream.push(
            HANG, Answer((*reply(b"hello").steps[:1], b"he", Hang())), HELLO.in_pieces(20, gap=0.05)
        )
        assert (await caller.call()).failure is Failure.FIRST_BYTE_TIMEOUT
        assert (await caller.call()).failure is Failure.IDLE_TIMEOUT
        assert (await caller.call()).body == b"hello"
        upstream.push(HELLO.in_pieces(2, gap=0.05))
        assert (await caller.call(deadline=0.2)).failure is Failure.TOTAL_TIMEOUT


async def test_a_server_that_accepts_and_says_nothing_in_tls() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        async with calling(url, connect_timeout=0.1) as caller:
            assert (await caller.call()).failure is Failure.CONNECT_TIMEOUT


async def test_an_endpoint_may_be_waited_for_less_long() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with calling(f"https://127.0.0.1:{silent.getsockname()[1]}") as caller:
            collector = Collector(timeouts=Timeouts(connect=0.1))
            caller.client.submit(caller.address, REQUEST, collector)
            await collector.wait()
            assert collector.failure is Failure.CONNECT_TIMEOUT


async def test_nobody_listens() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        async with calling(f"http://127.0.0.1:{unused.getsockname()[1]}") as caller:
            got = await caller.call()
    assert got.failure is Failure.UNREACHABLE
    assert got.detail


async def test_localhost_is_found_on_whichever_family_listens(upstream: FakeUpstream) -> None:
    async with calling(f"http://localhost:{upstream.port}") as caller:
        assert (await caller.call()).status is not None


async def test_stopping_ends_every_call(upstream: FakeUpstream) -> None:
    upstream.push(HANG)
    async with calling(upstream.url, max_connections=1) as caller:
        busy, _ = caller.submit()
        queued, _ = caller.submit()
        await upstream.wait_for(1)
        await caller.client.stop()
        await busy.wait()
        await queued.wait()
    assert (busy.failure, queued.failure) == (Failure.STOPPED, Failure.STOPPED)
    assert (busy.endings, queued.endings) == (1, 1)


async def test_stopping_ends_a_call_whose_connection_is_being_made() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with calling(f"https://127.0.0.1:{silent.getsockname()[1]}") as caller:
            collector, _ = caller.submit()
            await asyncio.sleep(0)
            await caller.client.stop()
            await collector.wait()
    assert (collector.failure, collector.endings) == (Failure.STOPPED, 1)


async def test_tls_with_a_name_and_with_an_address() -> None:
    certificate = Certificate()
    async with FakeUpstream(certificate=certificate) as upstream:
        for url in (upstream.url, upstream.url.replace("127.0.0.1", "localhost")):
            async with calling(url, tls=certificate.client_context()) as caller:
                assert (await caller.call()).status is not None


async def test_a_certificate_that_is_not_trusted_is_refused() -> None:
    async with FakeUpstream(certificate=Certificate()) as upstream, calling(upstream.url) as caller:
        got = await caller.call()
        assert got.failure is Failure.UNREACHABLE
        assert "TLS" in got.detail
        assert upstream.posts == []


async def test_a_certificate_for_another_name_is_refused() -> None:
    certificate = Certificate()
    async with (
        FakeUpstream(certificate=certificate, host="127.0.0.2") as upstream,
        calling(upstream.url, tls=certificate.client_context()) as caller,
    ):
        got = await caller.call()
        assert (got.failure, upstream.posts) == (Failure.UNREACHABLE, [])


async def test_a_large_answer_is_paused_and_read_on(upstream: FakeUpstream) -> None:
    upstream.push(reply([b"x" * 65536] * 256, framing=Framing.CHUNKED))
    async with calling(upstream.url, idle_timeout=0.1) as caller:
        collector, ticket = caller.submit()
        await caller.until(lambda: collector.pieces > 0)
        assert ticket.connection is not None
        ticket.connection.pause()
        await asyncio.sleep(0.3)
        assert collector.endings == 0
        ticket.connection.resume()
        await collector.wait()
    assert collector.body == b"x" * 65536 * 256


async def test_a_server_that_answers_before_it_has_read_the_request(upstream: FakeUpstream) -> None:
    """The rest of the request is still on its way: the connection may not be used again."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 2\r\n\r\nno")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, calling(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}") as caller:
        large = b"POST / HTTP/1.1\r\nhost: up\r\ncontent-length: 30000000\r\n\r\n" + b"x" * 30_000_000
        got = await caller.call(large)
        assert (got.status, got.body) == (413, b"no")
        await caller.until(lambda: not caller.origin.open_connections)


async def test_answers_in_json_come_whole(upstream: FakeUpstream) -> None:
    upstream.push(json_reply({"a": "ü" * 100_000}))
    async with calling(upstream.url) as caller:
        got = await caller.call()
    assert got.head is not None
    assert got.head.json
    assert len(got.body) == got.head.length
