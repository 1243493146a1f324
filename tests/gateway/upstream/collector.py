"""One who waits for an upstream's answer and keeps what it is told."""

import asyncio
import math

from dwctl.gateway.upstream.connection import Failure
from dwctl.gateway.upstream.response_head import Head
from dwctl.routing.snapshot import Timeouts

DEADLINE = 10.0


class Collector:
    """Implements `Receiver`."""

    def __init__(self, deadline: float = math.inf, timeouts: Timeouts | None = None) -> None:
        self.deadline = deadline
        self.timeouts = timeouts
        self.head: Head | None = None
        self.body = b""
        self.pieces = 0
        self.failure: Failure | None = None
        self.detail = ""
        self.endings = 0
        self._ended = asyncio.Event()

    def on_head(self, head: Head) -> None:
        """The head."""
        assert self.head is None
        self.head = head

    def on_body(self, data: bytes) -> None:
        """Some of the body."""
        assert self.head is not None
        assert data
        self.body += data
        self.pieces += 1

    def on_quiet(self, seconds: float) -> None:
        """Silence."""

    def on_end(self) -> None:
        """Whole."""
        self._end()

    def on_whole(self, head: Head, body: bytes) -> None:
        """All at once."""
        self.on_head(head)
        if body:
            self.on_body(body)
        self.on_end()

    def on_failure(self, failure: Failure, detail: str) -> None:
        """Not whole."""
        self.failure = failure
        self.detail = detail
        self._end()

    async def wait(self) -> None:
        """Until it ends one way or the other."""
        async with asyncio.timeout(DEADLINE):
            await self._ended.wait()

    @property
    def status(self) -> int | None:
        """Of the answer that was whole."""
        return None if self.head is None or self.failure is not None else self.head.status

    def _end(self) -> None:
        self.endings += 1
        self._ended.set()
