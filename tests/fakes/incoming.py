"""Reading requests strictly, as they come to a fake upstream: what a lenient server would forgive is an error here."""

import asyncio
import re
from typing import Any

import msgspec

MAX_HEAD = 1 << 20
MAX_BODY = 256 << 20
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class Malformed(Exception):
    """The client sent something that HTTP/1.1 does not allow (RFC 9112)."""


class Request(msgspec.Struct, kw_only=True):
    """One request as it was seen, and what became of its answer."""

    method: str
    target: str
    """Path and query as sent."""
    headers: list[tuple[str, str]]
    """In order; names in lower case."""
    body: bytes
    connection: int
    """Which connection of this upstream it came on, counted from 1."""
    answered: bool = False
    """Every step of the answer was carried out."""
    left_early: bool = False
    """The client went away before the last step."""
    ended_at: float | None = None
    """When it was answered or its client left (`time.monotonic`)."""

    @property
    def path(self) -> str:
        """The target without the query."""
        return self.target.partition("?")[0]

    def header(self, name: str) -> str | None:
        """The value of a header; several are an error of the test's."""
        values = [value for key, value in self.headers if key == name]
        if len(values) > 1:
            raise AssertionError(f"{name} was sent {len(values)} times: {values}")
        return values[0] if values else None

    def json(self) -> Any:
        """The body, decoded."""
        return msgspec.json.decode(self.body)


async def read_request(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: int
) -> Request | None:
    """The next request, or None when the client has ended the connection between two.

    Raises `Malformed`, or `asyncio.IncompleteReadError` when it ended inside one.
    """
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None
    method, target, headers = _parse_head(head)
    request = Request(method=method, target=target, headers=headers, body=b"", connection=connection)
    if request.header("host") is None:
        raise Malformed("no Host header")
    if (request.header("expect") or "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.body = await _read_body(reader, request)
    return request


def _parse_head(head: bytes) -> tuple[str, str, list[tuple[str, str]]]:
    lines = head[:-4].decode("latin-1").split("\r\n")
    words = lines[0].split(" ")
    if len(words) != 3 or words[2] != "HTTP/1.1" or not words[1].startswith("/"):
        raise Malformed(f"request line {lines[0]!r}")
    headers = []
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon or not _NAME.fullmatch(name) or _CONTROL.search(value):
            raise Malformed(f"header line {line!r}")
        headers.append((name.lower(), value.strip(" \t")))
    return words[0], words[1], headers


async def _read_body(reader: asyncio.StreamReader, request: Request) -> bytes:
    length, coding = request.header("content-length"), request.header("transfer-encoding")
    if length is not None and coding is not None:
        raise Malformed("both Content-Length and Transfer-Encoding")
    if coding is not None:
        if coding.lower() != "chunked":
            raise Malformed(f"Transfer-Encoding {coding!r}")
        return await _read_chunks(reader)
    if length is None:
        return b""
    if not length.isascii() or not length.isdigit() or int(length) > MAX_BODY:
        raise Malformed(f"Content-Length {length!r}")
    return await reader.readexactly(int(length))


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    chunks: list[bytes] = []
    while True:
        line = await reader.readuntil(b"\r\n")
        try:
            size = int(line.partition(b";")[0], 16)
        except ValueError as error:
            raise Malformed(f"chunk size {line!r}") from error
        if not size:
            break
        chunks.append(await reader.readexactly(size))
        if await reader.readexactly(2) != b"\r\n":
            raise Malformed("a chunk does not end with CRLF")
    while await reader.readuntil(b"\r\n") != b"\r\n":
        pass
    return b"".join(chunks)
