"""An answer that is sent page by page, as fast as its client reads."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

from litestar.response import Response
from litestar.response.base import ASGIResponse
from litestar.types import HTTPResponseStartEvent, Receive, Scope, Send


class _Sent(ASGIResponse):
    def __init__(self, pages: AsyncIterator[bytes], headers: dict[str, str]) -> None:
        super().__init__()
        self._pages = pages
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it; a client that leaves ends it, and that is no fault."""
        del scope, receive
        begin: HTTPResponseStartEvent = {
            "type": "http.response.start",
            "status": 200,
            "headers": [(name.encode(), value.encode()) for name, value in self._headers.items()],
        }
        async with aclosing(self._whole(begin)) as events:
            async for event in events:
                try:
                    await send(event)
                except OSError:
                    # The way in which a server says that the client has left (ASGI 2.4).
                    return

    async def _whole(self, begin: HTTPResponseStartEvent) -> AsyncGenerator[Any, None]:
        yield begin
        async for page in self._pages:
            yield {"type": "http.response.body", "body": page, "more_body": True}
        yield {"type": "http.response.body", "body": b"", "more_body": False}


class Download(Response[None]):
    """What a route returns for it."""

    def __init__(self, pages: AsyncIterator[bytes], media_type: str, headers: dict[str, str]) -> None:
        super().__init__(None, headers=headers | {"content-type": media_type})
        self._pages = pages

    def to_asgi_response(self, *_: Any, **__: Any) -> ASGIResponse:
        """Everything that it needs is known here."""
        return _Sent(self._pages, dict(self.headers))
