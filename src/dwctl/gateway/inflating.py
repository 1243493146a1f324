"""Decompressing bodies without holding the event loop: small ones at once, others in a thread."""

import asyncio
import logging
from collections.abc import Callable

from dwctl.gateway.inflate import INLINE_BYTES, TooLarge, inflate
from dwctl.gateway.uploads.upload import too_large
from dwctl.wire.errors import Refused
from dwctl.wire.exchange import Exchange

logger = logging.getLogger(__name__)


class Inflating:
    """One body; ends in one call of `go_on`, with an error when there is no plain body."""

    __slots__ = ("_exchange", "_go_on", "_left", "_limit")

    def __init__(
        self, exchange: Exchange, limit: int, go_on: Callable[[Exchange, BaseException | None], None]
    ) -> None:
        self._exchange = exchange
        self._limit = limit
        self._go_on = go_on
        self._left = False

    def begin(self, coding: str) -> None:
        """Decompress what the exchange has as its body, and put the plain one in its place."""
        exchange = self._exchange
        data = exchange.body
        if len(data) <= INLINE_BYTES:
            try:
                exchange.body = inflate(data, coding, min(self._limit, INLINE_BYTES))
            except TooLarge:
                if self._limit <= INLINE_BYTES:
                    raise Refused(too_large(self._limit)) from None
            else:
                self._go_on(exchange, None)
                return
        exchange.on_abort = self._abort
        loop = asyncio.get_running_loop()
        loop.run_in_executor(None, inflate, data, coding, self._limit).add_done_callback(self._done)

    def _abort(self) -> None:
        """The client has left; the thread's work is for nobody."""
        self._left = True

    def _done(self, future: asyncio.Future[bytes]) -> None:
        error = None if future.cancelled() else future.exception()
        if self._left or future.cancelled():
            return
        self._exchange.on_abort = None
        if error is None:
            self._exchange.body = future.result()
        elif isinstance(error, TooLarge):
            error = Refused(too_large(self._limit))
        self._go_on(self._exchange, error)
