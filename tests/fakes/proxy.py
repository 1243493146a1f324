"""An HTTP proxy on a real socket: tunnels by CONNECT, and requests that name their server."""

import asyncio
from typing import Self
from urllib.parse import urlsplit

from tests.fakes.incoming import MAX_HEAD


class FakeProxy:
    """Passes everything on to where it is asked for, or to `elsewhere`; remembers the heads of what it was asked.

    `wanted`: the value of Proxy-Authorization without which it answers 407. `answer`: what it says to CONNECT instead
    of making a tunnel.
    """

    def __init__(self, *, wanted: str | None = None, answer: bytes | None = None) -> None:
        self.heads: list[str] = []
        self.elsewhere: tuple[str, int] | None = None
        self.port = 0
        self._wanted = wanted
        self._answer = answer
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=MAX_HEAD)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            await self._pass_on(reader, writer)
        except* (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        method, target, lines = await self._head(reader)
        if self._wanted is not None and _values(lines, "proxy-authorization") != [self._wanted]:
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
            await reader.read()
            return
        if method == "CONNECT" and self._answer is not None:
            writer.write(self._answer)
            await reader.read()
            return
        place = urlsplit(f"//{target}" if method == "CONNECT" else target)
        assert place.hostname is not None
        host, port = self.elsewhere or (place.hostname, place.port or 80)
        far_reader, far_writer = await asyncio.open_connection(host, port)
        self._writers.add(far_writer)
        try:
            async with asyncio.TaskGroup() as group:
                if method == "CONNECT":
                    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                    group.create_task(_pump(reader, far_writer))
                else:
                    group.create_task(self._requests(reader, far_writer, method, target, lines))
                group.create_task(_pump(far_reader, writer))
        finally:
            self._writers.discard(far_writer)
            far_writer.close()

    async def _head(self, reader: asyncio.StreamReader) -> tuple[str, str, list[str]]:
        """Method, target and lines of the next request."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        self.heads.append(head)
        method, target, _ = head.partition("\r\n")[0].split(" ")
        return method, target, head.split("\r\n")[1:-2]

    async def _requests(
        self,
        reader: asyncio.StreamReader,
        far: asyncio.StreamWriter,
        method: str,
        target: str,
        lines: list[str],
    ) -> None:
        """Requests with a length, one after the other, as the server itself is to get them."""
        while True:
            place = urlsplit(target)
            assert place.scheme == "http", target
            path = place.path + (f"?{place.query}" if place.query else "")
            kept = [line for line in lines if not line.lower().startswith("proxy-")]
            far.write("\r\n".join([f"{method} {path} HTTP/1.1", *kept, "", ""]).encode("latin-1"))
            size = _values(lines, "content-length")
            if size:
                far.write(await reader.readexactly(int(size[0])))
            method, target, lines = await self._head(reader)


def _values(lines: list[str], name: str) -> list[str]:
    return [line.partition(": ")[2] for line in lines if line.lower().startswith(f"{name}:")]


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    if not writer.is_closing():
        writer.write_eof()
