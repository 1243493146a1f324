"""A model server as far as discovery is concerned: it answers every request with what it was told."""

import asyncio
import contextlib
import json


class ModelServer:
    """HTTP/1.1, one answer for each connection."""

    def __init__(self) -> None:
        self.status = 200
        self.body = b""
        self.heads: list[str] = []
        self.silent = False
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self.lists("llama", "bge-embed", "rerank-1")

    @property
    def url(self) -> str:
        """Base address."""
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}/v1/"

    def lists(self, *models: str) -> None:
        """Answer with these models."""
        self.status = 200
        self.body = json.dumps(
            {"object": "list", "data": [{"id": name, "object": "model"} for name in models]}
        ).encode()

    def answers(self, status: int, body: bytes = b"") -> None:
        """Answer with this."""
        self.status, self.body = status, body

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def stop(self) -> None:
        """Close everything."""
        assert self._server is not None
        self._server.close()
        for writer in list(self._open):
            writer.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            self.heads.append(head.decode("latin-1"))
            if self.silent:
                await reader.read()
            else:
                writer.write(
                    b"HTTP/1.1 %d X\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
                    % (self.status, len(self.body), self.body)
                )
                await writer.drain()
        writer.close()
        self._open.discard(writer)
