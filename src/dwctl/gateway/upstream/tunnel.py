"""A connection to a model server that becomes a tunnel: asks for the upgrade, then passes bytes. Callbacks only."""

import asyncio
from typing import Protocol, cast

from dwctl.gateway.upstream.connection import Failure
from dwctl.gateway.upstream.response import HeadReader, ResponseError
from dwctl.gateway.upstream.response_head import Head
from dwctl.wire.chunks import ChunkError, Chunks

MAX_DENIAL = 64 * 1024
"""Bytes of an answer that is no upgrade; what comes after is left out."""


class Near(Protocol):
    """Who asked for it."""

    def opened(self, head: Head) -> None:
        """101."""
        ...

    def denied(self, head: Head, body: bytes) -> None:
        """Another answer; the connection is of no more use."""
        ...

    def came(self, data: bytes) -> None:
        """The server has sent this."""
        ...

    def gone(self, failure: Failure, detail: str) -> None:
        """The connection is lost."""
        ...

    def far_writable(self, ready: bool) -> None:
        """The server reads too slowly, or has caught up."""
        ...


class TunnelConnection(asyncio.Protocol):
    """The protocol object."""

    def __init__(self, near: Near, request: bytes, max_head_bytes: int) -> None:
        self._near = near
        self._request = request
        self._max_head_bytes = max_head_bytes
        self._buffer = b""
        self._head: Head | None = None
        self._open = False
        self._chunks: Chunks | None = None
        self._body = b""
        self._done = False
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the interface without the base class.
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if self._done:
            return
        if self._open:
            self._near.came(data)
            return
        self._buffer += data
        if self._head is None:
            self._read_head()
        else:
            self._read_denial()

    def connection_lost(self, _: Exception | None) -> None:
        if self._done:
            return
        if self._head is not None and not self._open:
            self._deny(self._head)
            return
        self._done = True
        self._near.gone(Failure.CUT if self._open else Failure.CLOSED_EARLY, "")

    def pause_writing(self) -> None:
        self._near.far_writable(ready=False)

    def resume_writing(self) -> None:
        self._near.far_writable(ready=True)

    def send(self, data: bytes) -> None:
        """Raw bytes to the server."""
        if self.transport is not None:
            self.transport.write(data)

    def read(self, *, on: bool) -> None:
        """Read on, or not for now."""
        transport = self.transport
        if transport is not None and not transport.is_closing():
            if on:
                transport.resume_reading()
            else:
                transport.pause_reading()

    def close(self) -> None:
        """Send what is still to be sent, then end."""
        self._done = True
        if self.transport is not None:
            self.transport.close()

    def _read_head(self) -> None:
        """The final head; what comes before it, such as 103, is read over."""
        while True:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0 and len(self._buffer) <= self._max_head_bytes:
                return
            if end < 0 or end > self._max_head_bytes:
                self._garbage("its head is too large")
                return
            try:
                head = HeadReader().read(self._buffer[:end])
            except ResponseError as error:
                self._garbage(str(error))
                return
            self._buffer = self._buffer[end + 4 :]
            if head.status == 101:
                self._open = True
                rest, self._buffer = self._buffer, b""
                self._near.opened(head)
                if rest and not self._done:
                    self._near.came(rest)
                return
            if head.status >= 200:
                self._head = head
                self._chunks = Chunks() if head.chunked else None
                self._read_denial()
                return

    def _read_denial(self) -> None:
        """An answer that is no upgrade: until it is whole, or large enough."""
        head = self._head
        if head is None:
            return
        data, self._buffer = self._buffer, b""
        ended = False
        if self._chunks is not None:
            try:
                data, _ = self._chunks.feed(data)
            except ChunkError as error:
                self._garbage(str(error))
                return
            ended = self._chunks.ended
        self._body += data
        if head.length is not None:
            ended = len(self._body) >= head.length
        if ended or len(self._body) > MAX_DENIAL:
            self._deny(head)

    def _deny(self, head: Head) -> None:
        self.close()
        self._near.denied(head, self._body[:MAX_DENIAL])

    def _garbage(self, detail: str) -> None:
        self.close()
        self._near.gone(Failure.GARBAGE, detail)
