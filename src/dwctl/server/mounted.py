"""The gateway as a part of the ASGI application, for servers other than our own port, such as uvicorn.

Gateway paths go to the pipeline, everything else to the application. What our port enforces before the pipeline sees
a request (limits of heads and time) is then the other server's; the limit of the body is kept here. Tests compare
both ways; `dwctl serve` uses its own port, which is several times faster.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, MutableMapping
from typing import Any

from dwctl.server.asgi import HIGH_WATER, Application, Receive, Send
from dwctl.wire.chunks import Chunks
from dwctl.wire.errors import Problem, render
from dwctl.wire.exchange import BodySink, Handler, Headers, Memo
from dwctl.wire.messages.problems import problem_for

_HOP_BY_HOP = frozenset({b"connection", b"keep-alive", b"transfer-encoding"})


class MountedExchange:
    """Implements `Exchange` over ASGI messages."""

    def __init__(self, scope: MutableMapping[str, Any], body: bytes) -> None:
        self.method = scope["method"].encode("ascii")
        self.path: bytes = scope["raw_path"].partition(b"?")[0]
        self.query: bytes = scope["query_string"]
        self.headers: Headers = [(bytes(name).lower(), bytes(value)) for name, value in scope["headers"]]
        self.body = body
        self.keep_alive = True
        # The server frames the answer anew; ours is taken off, for without it an answer could not be told from one cut.
        self.chunked_ok = True
        self.memo = Memo()
        self.client_host = (scope.get("client") or ("", 0))[0]
        self.received = time.perf_counter()
        self.on_abort: Callable[[], None] | None = None
        self.on_writable: Callable[[bool], None] | None = None
        self.ended = False
        self.cut = False
        """The answer ends before its end, which the client must see."""
        self._queue: deque[bytes] = deque()
        self._queued = 0
        self._paused = False
        self._some = asyncio.Event()

    def header(self, name: bytes) -> bytes | None:
        """The first value of a field."""
        return next((value for known, value in self.headers if known == name), None)

    def write(self, data: bytes) -> None:
        """Queue raw bytes of the answer."""
        if self.ended:
            return
        self._queue.append(data)
        self._queued += len(data)
        self._some.set()
        if self._queued > HIGH_WATER and not self._paused and self.on_writable is not None:
            self._paused = True
            self.on_writable(False)

    def finish(self, data: bytes = b"", *, close: bool = False) -> None:
        """Queue the last bytes."""
        if data:
            self.write(data)
        self.ended = True
        self.cut = close
        self._some.set()

    def abandoned(self) -> None:
        """The client has left."""
        self.ended = True
        self._some.set()
        on_abort, self.on_abort = self.on_abort, None
        if on_abort is not None:
            on_abort()

    async def take(self) -> bytes:
        """What has been written since; empty at the end."""
        while not self._queue and not self.ended:
            self._some.clear()
            await self._some.wait()
        data = b"".join(self._queue)
        self._queue.clear()
        self._queued = 0
        if self._paused:
            self._paused = False
            if self.on_writable is not None:
                self.on_writable(True)
        return data


class Mounted:
    """The ASGI application with the gateway in front."""

    def __init__(self, handler: Handler, application: Application, *, max_body_bytes: int) -> None:
        self._handler = handler
        self._application = application
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """One call of the server."""
        if scope["type"] != "http" or not self._claims(scope):
            await self._application(scope, receive, send)
            return
        await serve(self._handler, MountedExchange(scope, b""), self._max_body_bytes, receive, send)

    def _claims(self, scope: MutableMapping[str, Any]) -> bool:
        path: bytes = scope["raw_path"].partition(b"?")[0]
        return self._handler.claims(scope["method"].encode("ascii"), path)


async def serve(handler: Handler, exchange: MountedExchange, most: int, receive: Receive, send: Send) -> None:
    """Have one request answered: a form as it comes, any other after a body of at most `most` bytes."""
    upload = handler.upload(exchange) if exchange.path in handler.uploads else None
    if upload is None and not exchange.ended:
        body = await _read_body(receive, most)
        if body is None:
            await _answer(_too_large(exchange.path, most), send)
            return
        exchange.body = body
    async with asyncio.TaskGroup() as tasks:
        if upload is not None and not await _feed(upload, exchange, receive):
            return
        watching = tasks.create_task(_watch(exchange, receive))
        if upload is None and not exchange.ended:
            handler.handle(exchange)
        await _relay(exchange, send)
        watching.cancel()


async def _read_body(receive: Receive, most: int) -> bytes | None:
    """The whole body; None when it is larger than `most` bytes."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b"".join(parts)
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > most:
            return None
        if not message.get("more_body", False):
            return b"".join(parts)


def _too_large(path: bytes, most: int) -> Problem:
    """413, in the language of the path."""
    text = f"The request's body is larger than {most} bytes."
    problem = Problem(status=413, message=text, code="payload_too_large")
    return problem_for(path, problem)


async def _feed(upload: BodySink, exchange: MountedExchange, receive: Receive) -> bool:
    """The body piece by piece, until it ends or is refused; false when the client left before."""
    more = True
    while more and not exchange.ended:
        message = await receive()
        if message["type"] == "http.disconnect":
            exchange.abandoned()
            return False
        more = message.get("more_body", False)
        data = message.get("body", b"")
        if data:
            upload.feed(data)
    if not exchange.ended:
        upload.end()
    return True


async def _watch(exchange: MountedExchange, receive: Receive) -> None:
    """Until the client leaves."""
    while (await receive())["type"] != "http.disconnect":
        pass
    if not exchange.ended:
        exchange.abandoned()


async def _relay(exchange: MountedExchange, send: Send) -> None:
    """The raw answer as ASGI messages."""
    data = await exchange.take()
    while data and b"\r\n\r\n" not in data:
        more = await exchange.take()
        if not more:
            return
        data += more
    if not data:
        return
    data, chunked = await _begin(data, send)
    chunks = Chunks() if chunked else None
    while data or not exchange.ended:
        body = data if chunks is None else chunks.feed(data)[0]
        if body:
            await send({"type": "http.response.body", "body": body, "more_body": True})
        data = await exchange.take()
    if exchange.cut:
        raise ConnectionAbortedError("the answer was cut short")
    await send({"type": "http.response.body", "body": b""})


async def _answer(problem: Problem, send: Send) -> None:
    """Send an error."""
    body, _ = await _begin(render(problem), send)
    await send({"type": "http.response.body", "body": body})


async def _begin(data: bytes, send: Send) -> tuple[bytes, bool]:
    """Send the head; gives what of the body came with it, and whether the body is chunked."""
    head, _, rest = data.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    pairs = [
        (name.lower(), value.strip(b" \t")) for name, _, value in (line.partition(b":") for line in lines)
    ]
    headers = [pair for pair in pairs if pair[0] not in _HOP_BY_HOP]
    await send({"type": "http.response.start", "status": int(first.split(b" ", 2)[1]), "headers": headers})
    return rest, (b"transfer-encoding", b"chunked") in pairs
