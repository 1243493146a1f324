"""Connections that begin with whose they are, on real sockets."""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from dwctl.core.errors import SetupError
from dwctl.core.metrics import Metrics
from dwctl.core.networks import Networks, parse_network
from dwctl.core.settings import Duration
from dwctl.server.limits import ListenerSettings
from dwctl.server.listener import Listener
from dwctl.server.settings import read
from dwctl.wire.exchange import Exchange
from tests.fakes.certificates import Certificate
from tests.server.test_proxy_header import binary, binary_of, line

DEADLINE = 20.0
GET = b"GET /ai/x HTTP/1.1\r\nhost: x\r\n\r\n"
V1 = line("TCP4 203.0.113.7 192.0.2.1 4711 443")
LOCAL = ("127.0.0.0/8",)


class Mirror:
    """Tells each client its address."""

    uploads: frozenset[bytes] = frozenset()

    def claims(self, method: bytes, path: bytes) -> bool:
        return True

    def upload(self, exchange: Exchange) -> None:
        raise AssertionError(exchange.path)

    def handle(self, exchange: Exchange) -> None:
        body = exchange.client_host.encode()
        exchange.finish(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))


class House:
    """A port that wants to be told whose each connection is."""

    def __init__(self, trusted: tuple[str, ...], settings: dict[str, Any]) -> None:
        self.metrics = Metrics()
        self.listener = Listener(
            host="127.0.0.1",
            port=0,
            settings=ListenerSettings(proxy_protocol=True, **settings),
            handler=Mirror(),
            application=_nobody,
            metrics=self.metrics,
            trusted=Networks(map(parse_network, trusted)),
        )
        self.unix = settings.get("unix_socket")

    @property
    def refused(self) -> float:
        """Connections that were closed for their header."""
        found = self.metrics.registry.get_sample_value("dwctl_connections_not_introduced_total")
        assert found is not None
        return found

    async def connect(self, *, unix: bool = False) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A client that has said nothing yet."""
        if unix:
            return await asyncio.open_unix_connection(self.unix)
        return await asyncio.open_connection("127.0.0.1", int(self.listener.address.rpartition(":")[2]))

    async def closed(self, data: bytes) -> None:
        """The port ends a connection that begins so without a byte."""
        reader, writer = await self.connect()
        with contextlib.suppress(ConnectionError):
            writer.write(data)
            async with asyncio.timeout(DEADLINE):
                assert await reader.read() == b""
        writer.close()


async def _nobody(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError(scope)


@asynccontextmanager
async def house(*trusted: str, **settings: Any) -> AsyncIterator[House]:
    """A running one."""
    made = House(trusted, settings)
    await made.listener.start()
    yield made
    await made.listener.stop()


async def told(reader: asyncio.StreamReader) -> str:
    """The address that an answer tells."""
    async with asyncio.timeout(DEADLINE):
        head = await reader.readuntil(b"\r\n\r\n")
        return (await reader.readexactly(int(head.rpartition(b"content-length: ")[2]))).decode()


@pytest.mark.parametrize(
    ("header", "client"),
    [
        (V1, "203.0.113.7"),
        (line("TCP6 2001:db8::7 ::1 4711 443"), "2001:db8::7"),
        (line("UNKNOWN"), "127.0.0.1"),
        (binary_of("203.0.113.8", "192.0.2.1", 4711, b"\x04\x00\x01x"), "203.0.113.8"),
        (binary_of("2001:db8::8", "::1", 4711), "2001:db8::8"),
        (binary(0x20, 0x00, b""), "127.0.0.1"),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_the_client_is_whom_the_header_names(header: bytes, client: str, size: int) -> None:
    async with house(*LOCAL) as made:
        reader, writer = await made.connect()
        writer.transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        data = header + GET
        for at in range(0, len(data), size):
            writer.write(data[at : at + size])
            await asyncio.sleep(0)
        assert await told(reader) == client
        writer.write(GET)
        assert await told(reader) == client
        writer.close()
        assert made.refused == 0


async def test_tls_comes_behind_the_header(tmp_path: Path) -> None:
    certificate = Certificate()
    chain, key = tmp_path / "tls.pem", tmp_path / "tls.key"
    certificate.write(chain, key)
    async with house(*LOCAL, certificate=str(chain), private_key=str(key)) as made:
        reader, writer = await made.connect()
        writer.write(V1)
        async with asyncio.timeout(DEADLINE):
            await writer.start_tls(certificate.client_context(), server_hostname="localhost")
        writer.write(GET)
        assert await told(reader) == "203.0.113.7"
        writer.close()
        # TLS at once is no header.
        with pytest.raises((ssl.SSLError, ConnectionError)):
            async with asyncio.timeout(DEADLINE):
                await asyncio.open_connection(
                    "localhost",
                    int(made.listener.address.rpartition(":")[2]),
                    ssl=certificate.client_context(),
                )


async def test_whoever_may_use_the_unix_socket_is_trusted(data_dir: Path) -> None:
    async with house(unix_socket=str(data_dir / "s")) as made:
        reader, writer = await made.connect(unix=True)
        writer.write(V1 + GET)
        assert await told(reader) == "203.0.113.7"
        writer.close()
        await made.closed(V1 + GET)
        assert made.refused == 1


@pytest.mark.parametrize(
    "data", [GET, b"PROXY TCP4 nonsense nonsense 1 1\r\n" + GET, line("UNKNOWN " + "x" * 100), V1[:-5]]
)
async def test_what_is_no_header_ends_the_connection_and_is_told_once(
    data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with house(*LOCAL, head_timeout=Duration(0.2)) as made:
        with caplog.at_level(logging.WARNING, "dwctl"):
            await made.closed(data)
            await made.closed(data)
        assert made.refused == 2
    assert len([each for each in caplog.records if "a connection from 127.0.0.1" in each.message]) == 1


async def test_those_who_are_not_trusted_are_not_read() -> None:
    async with house("10.0.0.0/8") as made:
        await made.closed(V1 + GET)
        assert made.refused == 1


async def test_silence_has_the_time_of_a_head() -> None:
    async with house(*LOCAL, head_timeout=Duration(0.2)) as made:
        await made.closed(b"")
        await made.closed(V1[:20])
        assert made.refused == 2


async def test_connections_that_have_not_said_whose_they_are_count() -> None:
    async with house(*LOCAL, max_connections=1) as made:
        reader, writer = await made.connect()
        async with asyncio.timeout(DEADLINE):
            while made.listener.load == 0:
                await asyncio.sleep(0.005)
        await made.closed(V1 + GET)
        writer.write(V1 + GET)
        assert await told(reader) == "203.0.113.7"
        writer.close()


def test_somebody_must_be_trusted() -> None:
    flag = {"DWCTL_LISTENER__PROXY_PROTOCOL": "true"}
    with pytest.raises(SetupError, match=r"listener\.proxy_protocol: expected with gateway\.trusted_proxies"):
        read(None, flag, {})
    read(None, flag | {"DWCTL_GATEWAY__TRUSTED_PROXIES": '["10.0.0.0/8"]'}, {})
    read(None, flag | {"DWCTL_LISTENER__UNIX_SOCKET": "/run/dwctl.sock"}, {})
