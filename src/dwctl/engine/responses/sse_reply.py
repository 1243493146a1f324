"""What a route returns that answers with a stream of events."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Any

from litestar.response import Response
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send

from dwctl.engine.responses.streams import KEEP_ALIVE

_HEADERS = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")]


class _Sent(ASGIResponse):
    def __init__(self, events: AsyncGenerator[bytes, None]) -> None:
        super().__init__()
        self._events = events
        self._ending = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send them as fast as the client reads; one that leaves ends it at once, and that is no fault."""
        del scope
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(self._send(send))
            watching = tasks.create_task(self._until_left(receive, send))
            await asyncio.wait([sending, watching], return_when=asyncio.FIRST_COMPLETED)
            watching.cancel()
            sending.cancel()

    async def _send(self, send: Send) -> None:
        # A server says so that the client has left (ASGI 2.4).
        with suppress(OSError):
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
            async with aclosing(self._events) as events:
                async for data in events:
                    await send({"type": "http.response.body", "body": data, "more_body": True})
            self._ending = True
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _until_left(self, receive: Receive, send: Send) -> None:
        """Until the client has left; one that has only ended its own side still reads, as a comment shows."""
        while (await receive())["type"] != "http.disconnect":
            pass
        if not self._ending:
            try:
                await send({"type": "http.response.body", "body": KEEP_ALIVE, "more_body": True})
            except OSError:
                return
        await asyncio.Event().wait()


class EventsReply(Response[None]):
    """The answer."""

    def __init__(self, events: AsyncGenerator[bytes, None]) -> None:
        super().__init__(None)
        self._events = events

    def to_asgi_response(self, *_: Any, **__: Any) -> ASGIResponse:
        """Everything that it needs is known here."""
        return _Sent(self._events)
