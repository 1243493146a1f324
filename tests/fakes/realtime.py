"""A model server that speaks WebSocket: echoes what it is sent, or misbehaves as a test tells it."""

import asyncio
from typing import Self

from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Ping, Request, TextMessage


class RealtimeServer:
    """`async with RealtimeServer() as server:`. Its `answer`, when set, is sent raw in place of an upgrade."""

    def __init__(self, answer: bytes | None = None) -> None:
        self.answer = answer
        self.subprotocol: str | None = None
        self.asked: Request | None = None
        self.heads: list[bytes] = []
        self.closes: asyncio.Queue[int | None] = asyncio.Queue()
        """How each connection ended: the code of the client's close, None without one."""
        self.reading = asyncio.Event()
        """Cleared, nothing more is read."""
        self.reading.set()
        self.received = 0
        self.port = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1024)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.drop()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    @property
    def url(self) -> str:
        """The base URL, as endpoints have it."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def open_connections(self) -> int:
        """How many stand now."""
        return len(self._writers)

    def raw(self, data: bytes) -> None:
        """Send bytes as they are on every connection."""
        for writer in list(self._writers):
            writer.write(data)

    def drop(self) -> None:
        """Break every connection off."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            self.closes.put_nowait(await self._talk(reader, writer))
        except ConnectionError:
            self.closes.put_nowait(None)
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int | None:
        protocol = WSConnection(ConnectionType.SERVER)
        first = True
        while True:
            await self.reading.wait()
            data = await reader.read(65536)
            if not data:
                return None
            if first:
                self.heads.append(data.partition(b"\r\n\r\n")[0])
                first = False
            self.received += len(data)
            if self.answer is not None:
                writer.write(self.answer)
                await writer.drain()
                return None
            protocol.receive_data(data)
            for event in protocol.events():
                if isinstance(event, Request):
                    self.asked = event
                    writer.write(protocol.send(AcceptConnection(subprotocol=self.subprotocol)))
                elif isinstance(event, TextMessage) and event.data == "goodbye":
                    writer.write(protocol.send(CloseConnection(code=4000, reason="as asked")))
                elif isinstance(event, TextMessage | BytesMessage):
                    writer.write(protocol.send(event))
                elif isinstance(event, Ping):
                    writer.write(protocol.send(event.response()))
                elif isinstance(event, CloseConnection):
                    if protocol.state.name != "CLOSED":
                        writer.write(protocol.send(event.response()))
                    return int(event.code)
            await writer.drain()
