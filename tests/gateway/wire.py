"""A client that shows an answer as it was on the wire: every byte counts here, so no HTTP library stands between."""

import asyncio
from types import TracebackType
from typing import Any, Self, cast

import msgspec

DEADLINE = 10.0


class Answer(msgspec.Struct, frozen=True):
    """An answer, read whole."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    chunks: list[bytes]
    """The body's chunks as they were framed; empty without the chunked coding."""

    def header(self, name: str) -> str | None:
        """The one value of a field."""
        values = [value for known, value in self.headers if known == name]
        assert len(values) <= 1, f"{name} was sent {len(values)} times"
        return values[0] if values else None

    def json(self) -> Any:
        """The body, decoded."""
        return msgspec.json.decode(self.body)


class Wire:
    """One connection to a server."""

    def __init__(self, host: str, port: int) -> None:
        self._place = (host, port)
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection(*self._place, limit=1 << 26)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()

    @property
    def reader(self) -> asyncio.StreamReader:
        """What the server sends."""
        assert self._reader is not None
        return self._reader

    @property
    def writer(self) -> asyncio.StreamWriter:
        """What is sent to it."""
        assert self._writer is not None
        return self._writer

    def leave(self) -> None:
        """Break the connection off."""
        self.writer.transport.abort()

    def pause(self) -> None:
        """Read nothing for now."""
        self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        self._transport.resume_reading()

    @property
    def _transport(self) -> asyncio.Transport:
        # A socket's transport reads and writes; the annotation of StreamWriter knows of writing alone.
        return cast("asyncio.Transport", self.writer.transport)

    def send(
        self, path: str, body: bytes = b"", headers: dict[str, str] | None = None, *, version: str = "1.1"
    ) -> None:
        """A POST, or a GET without a body."""
        lines = [f"{'POST' if body else 'GET'} {path} HTTP/{version}", "host: gateway"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        if body:
            lines.append(f"content-length: {len(body)}")
        self.writer.write("\r\n".join([*lines, "", ""]).encode() + body)

    async def answer(self, *, head_only: bool = False) -> Answer:
        """Read one answer to its end."""
        async with asyncio.timeout(DEADLINE):
            head = await self.reader.readuntil(b"\r\n\r\n")
            first, *lines = head[:-4].decode("latin-1").split("\r\n")
            assert first.startswith("HTTP/1.1 "), first
            headers = []
            for line in lines:
                name, colon, value = line.partition(":")
                assert colon, line
                headers.append((name.lower(), value.strip()))
            fields = dict(headers)
            status = int(first.split(" ")[1])
            if head_only:
                return Answer(status, headers, b"", [])
            if fields.get("transfer-encoding") == "chunked":
                chunks = await self._chunks()
                return Answer(status, headers, b"".join(chunks), chunks)
            if "content-length" in fields:
                return Answer(
                    status, headers, await self.reader.readexactly(int(fields["content-length"])), []
                )
            body = b"" if status in (204, 304) else await self.reader.read()
            return Answer(status, headers, body, [])

    async def chunk(self) -> bytes:
        """One chunk of a body; empty for the last one."""
        async with asyncio.timeout(DEADLINE):
            size = int((await self.reader.readuntil(b"\r\n"))[:-2], 16)
            data = await self.reader.readexactly(size)
            assert await self.reader.readexactly(2) == b"\r\n"
            return data

    async def _chunks(self) -> list[bytes]:
        chunks: list[bytes] = []
        while chunk := await self.chunk():
            chunks.append(chunk)
        return chunks
