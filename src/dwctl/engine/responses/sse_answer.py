"""An exchange that is answered by a stream of events, as fast as its client reads."""

import asyncio
from collections.abc import AsyncIterable

from dwctl.wire.exchange import Exchange
from dwctl.wire.heads import date_line, status_line


class SseAnswer:
    """Used by one task, which is ended when the client leaves. `lines` are headers that the answer carries."""

    def __init__(self, exchange: Exchange, lines: bytes) -> None:
        self._exchange = exchange
        self._lines = lines
        self._ready = asyncio.Event()
        self._ready.set()

    async def send(self, events: AsyncIterable[bytes]) -> None:
        """All of it, and the end of the answer."""
        exchange = self._exchange
        exchange.on_writable = self._writable
        exchange.write(
            b"%bcontent-type: text/event-stream\r\ncache-control: no-store\r\n%b%b%b\r\n"
            % (
                status_line(200),
                date_line(),
                self._lines,
                b"transfer-encoding: chunked\r\n" if exchange.chunked_ok else b"",
            )
        )
        async for data in events:
            await self._ready.wait()
            exchange.write(b"%x\r\n%b\r\n" % (len(data), data) if exchange.chunked_ok else data)
        self._finish(b"0\r\n\r\n" if exchange.chunked_ok else b"", close=not exchange.chunked_ok)

    def cut(self) -> None:
        """There should be more, and the client sees that."""
        self._finish(b"", close=True)

    def _finish(self, last: bytes, *, close: bool) -> None:
        self._exchange.on_abort = self._exchange.on_writable = None
        self._exchange.finish(last, close=close)

    def _writable(self, ready: bool) -> None:
        if ready:
            self._ready.set()
        else:
            self._ready.clear()
