"""A scripted model server on real TCP, without a framework, so that it can misbehave at every byte.

In process: `async with FakeUpstream() as upstream:`; for synchronous tests, in a thread of its own:
`with upstream_in_thread() as upstream:`; by hand: `python -m tests.fakes.upstream --port 0`, which prints its URL.
What is pushed answers the next POSTs in order; everything else is answered by `respond`, a `ModelServer` by default.
"""

import argparse
import asyncio
import signal
import struct
import sys
import threading
import time
from asyncio.trsock import TransportSocket
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from socket import SO_LINGER, SOL_SOCKET
from typing import Self

from tests.fakes.answers import Answer, Close, Hang, Pause, Reset, Step
from tests.fakes.certificates import Certificate
from tests.fakes.incoming import MAX_HEAD, Malformed, Request, read_request
from tests.fakes.model import MODEL, ModelServer

Respond = Callable[[Request], Answer]
DEADLINE = 10.0


class _Link:
    """One connection."""

    def __init__(self, number: int, writer: asyncio.StreamWriter) -> None:
        self.number = number
        self.writer = writer
        self.gone = asyncio.Event()
        self.waiting: asyncio.Queue[Request | None] = asyncio.Queue()
        self.busy = False

    async def rest(self, seconds: float | None) -> None:
        """Wait, but not longer than the client stays."""
        try:
            async with asyncio.timeout(seconds):
                await self.gone.wait()
        except TimeoutError:
            return


class FakeUpstream:
    """A model server whose answers a test chooses, and which remembers every request.

    `idle_close`: seconds after which an unused kept-alive connection is closed; None keeps it.
    """

    def __init__(
        self,
        respond: Respond | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        certificate: Certificate | None = None,
        idle_close: float | None = None,
    ) -> None:
        self.respond: Respond = respond or ModelServer()
        self.requests: list[Request] = []
        self.failures: list[Exception] = []
        """What clients did against HTTP, and what went wrong in a script."""
        self.connections = 0
        """How many were accepted."""
        self.host = host
        self.port = port
        self._certificate = certificate
        self._idle_close = idle_close
        self._script: deque[Answer | Respond] = deque()
        self._links: set[_Link] = set()
        self._changed = asyncio.Event()
        self._stopping = False
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()
        if self.failures:
            raise self.failures[0]

    @property
    def url(self) -> str:
        """The base URL, with `/v1` as clients are given it."""
        return f"{'https' if self._certificate else 'http'}://{self.host}:{self.port}/v1"

    @property
    def open_connections(self) -> int:
        """How many connections stand now."""
        return len(self._links)

    @property
    def posts(self) -> list[Request]:
        """The requests without look-ups such as `GET /v1/models`."""
        return [request for request in self.requests if request.method == "POST"]

    def push(self, *answers: Answer | Respond) -> None:
        """Answer the next POSTs with these, one each."""
        self._script.extend(answers)

    def forget(self, respond: Respond | None = None) -> None:
        """Begin anew: no requests, no script, and this way of answering."""
        self.requests.clear()
        self._script.clear()
        self.respond = respond or ModelServer()

    async def start(self) -> None:
        """Listen; the port is known when this returns. After `stop` it listens on the same port again."""
        self._stopping = False
        context = self._certificate.server_context() if self._certificate else None
        self._server = await asyncio.start_server(
            self._accept,
            self.host,
            self.port,
            limit=MAX_HEAD,
            ssl=context,
            ssl_shutdown_timeout=1.0 if context else None,
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close the listener and break every connection."""
        if self._server is not None:
            self._stopping = True
            self._server.close()
            for link in self._links:
                link.writer.transport.abort()
            await self.wait_until(lambda: not self._links, "every connection has ended")
            await self._server.wait_closed()
            self._server = None

    def close_idle(self) -> None:
        """Close the kept-alive connections on which nothing is under way."""
        for link in self._links:
            if not link.busy:
                link.writer.close()

    async def wait_for(self, count: int, deadline: float = DEADLINE) -> list[Request]:
        """Wait until so many requests have been read whole; returns all."""
        await self.wait_until(lambda: len(self.requests) >= count, f"{count} requests have come", deadline)
        return self.requests

    async def wait_until(
        self, condition: Callable[[], bool], what: str = "the condition holds", deadline: float = DEADLINE
    ) -> None:
        """Wait until something holds of this upstream; looked at after each request, answer and departure."""
        try:
            async with asyncio.timeout(deadline):
                while not condition():
                    await self._changed.wait()
        except TimeoutError:
            seen = [f"{request.method} {request.target}" for request in self.requests]
            text = f"waited {deadline} s until {what}; {len(self._links)} connections, requests: {seen}"
            raise AssertionError(text) from None

    def _notice(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._stopping:
            # It was on its way when the listener closed.
            writer.transport.abort()
            return
        self.connections += 1
        link = _Link(self.connections, writer)
        self._links.add(link)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._read(link, reader))
                tasks.create_task(self._write(link))
        finally:
            writer.transport.abort()
            self._links.discard(link)
            self._notice()

    async def _read(self, link: _Link, reader: asyncio.StreamReader) -> None:
        """Take requests from the connection until the client leaves."""
        try:
            while request := await read_request(reader, link.writer, link.number):
                link.busy = True
                self.requests.append(request)
                link.waiting.put_nowait(request)
                self._notice()
        except (Malformed, AssertionError, asyncio.LimitOverrunError) as error:
            self.failures.append(error)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client left inside a request
        finally:
            link.gone.set()
            link.waiting.put_nowait(None)

    async def _write(self, link: _Link) -> None:
        """Answer the requests of a connection in order."""
        try:
            while request := await self._next(link):
                ended = await self._perform(link, request)
                request.ended_at = time.monotonic()
                self._notice()
                if ended:
                    break
                link.busy = not link.waiting.empty()
        finally:
            link.writer.close()

    async def _next(self, link: _Link) -> Request | None:
        try:
            async with asyncio.timeout(self._idle_close):
                return await link.waiting.get()
        except TimeoutError:
            return None

    async def _perform(self, link: _Link, request: Request) -> bool:
        """Carry out an answer; returns whether the connection is over."""
        for step in self._choose(request).steps:
            if link.gone.is_set():
                request.left_early = True
                return True
            try:
                over = await _take(step, link)
            except ConnectionError:
                request.left_early = True
                return True
            if over:
                request.answered = not isinstance(step, Hang)
                request.left_early = isinstance(step, Hang)
                return True
        request.answered = True
        return False

    def _choose(self, request: Request) -> Answer:
        scripted = self._script.popleft() if request.method == "POST" and self._script else self.respond
        if isinstance(scripted, Answer):
            return scripted
        try:
            return scripted(request)
        except Exception as error:
            self.failures.append(error)
            raise


async def _take(step: Step, link: _Link) -> bool:
    """One step; returns whether it ends the connection."""
    match step:
        case bytes():
            link.writer.write(step)
            await link.writer.drain()
            await asyncio.sleep(0)
        case Pause(seconds):
            await link.rest(seconds)
        case Hang():
            await link.rest(None)
            return True
        case Reset():
            _reset(link.writer)
            return True
        case Close():
            return True
    return False


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close without lingering, which sends RST in place of FIN."""
    socket: TransportSocket = writer.get_extra_info("socket")
    socket.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class UpstreamThread:
    """A `FakeUpstream` that lives in another thread; its lists may be read from here."""

    def __init__(self, upstream: FakeUpstream, loop: asyncio.AbstractEventLoop) -> None:
        self.upstream = upstream
        self._loop = loop

    @property
    def url(self) -> str:
        """The base URL, with `/v1`."""
        return self.upstream.url

    @property
    def requests(self) -> list[Request]:
        """Every request, oldest first."""
        return self.upstream.requests

    @property
    def posts(self) -> list[Request]:
        """The requests without look-ups."""
        return self.upstream.posts

    def push(self, *answers: Answer | Respond) -> None:
        """Answer the next POSTs with these, one each."""
        self.upstream.push(*answers)

    def forget(self, respond: Respond | None = None) -> None:
        """Begin anew: no requests, no script, and this way of answering."""
        self.upstream.forget(respond)

    def wait_until(self, condition: Callable[[], bool], what: str, deadline: float = DEADLINE) -> None:
        """Wait until something holds."""
        waiting = self.upstream.wait_until(condition, what, deadline)
        asyncio.run_coroutine_threadsafe(waiting, self._loop).result()


@contextmanager
def upstream_in_thread(
    respond: Respond | None = None, *, certificate: Certificate | None = None
) -> Iterator[UpstreamThread]:
    """Run one with its own loop while the block lasts; failures of scripts and clients are raised at its end."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="fake upstream", daemon=True)
    thread.start()
    upstream = FakeUpstream(respond, certificate=certificate)
    try:
        asyncio.run_coroutine_threadsafe(upstream.start(), loop).result(DEADLINE)
        try:
            yield UpstreamThread(upstream, loop)
        finally:
            asyncio.run_coroutine_threadsafe(upstream.stop(), loop).result(DEADLINE)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(DEADLINE)
        loop.close()
    if upstream.failures:
        raise upstream.failures[0]


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.fakes.upstream", description="A fake model server."
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--model", action="append", metavar="NAME", help=f"may be repeated; default {MODEL}")
    parser.add_argument("--text", default="Hello from the fake model.", help="what it answers")
    parser.add_argument("--key", help="needs 'Authorization: Bearer KEY'")
    parser.add_argument("--head-delay", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--chunk-gap", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--usage-on-finish", action="store_true", help="usage on the finish chunk")
    parser.add_argument("--no-done", action="store_true", help="streams end without [DONE]")
    return parser


async def _serve(options: argparse.Namespace) -> None:
    model = ModelServer(
        models=tuple(options.model or (MODEL,)),
        text=options.text,
        key=f"Bearer {options.key}" if options.key else None,
        head_delay=options.head_delay,
        chunk_gap=options.chunk_gap,
        usage_on_finish=options.usage_on_finish,
        done=not options.no_done,
    )
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    async with FakeUpstream(model, host=options.host, port=options.port) as upstream:
        sys.stdout.write(f"{upstream.url}\n")
        sys.stdout.flush()
        await ended.wait()


if __name__ == "__main__":
    asyncio.run(_serve(_arguments().parse_args()))
