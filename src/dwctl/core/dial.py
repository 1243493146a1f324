"""New connections to servers that people have named: resolve, judge each address, connect to just that one.

The address that was judged is the address that is connected to, so nobody gets round the rules with a name that means
something else a moment later. Behind a proxy it is the proxy that resolves: only what is an address by itself can be
judged here, and names are a matter of the proxy's own rules. A connection that is used again costs none of this.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

from dwctl.core.proxies import Proxies, Proxy
from dwctl.core.reach import NetworkSettings, NotAllowed, Reach, literal

MAX_PROXY_HEAD = 16 * 1024
"""Bytes of a proxy's answer to CONNECT."""
P = TypeVar("P", bound=asyncio.BaseProtocol)
Found = tuple[int, int, int, str, Any]
"""What `getaddrinfo` gives: family, kind, protocol, canonical name, address."""
Resolver = Callable[[str, int], Awaitable[list[Found]]]
"""The addresses of a host and port. Raises `OSError`, or `ValueError` for what cannot be a name."""


async def by_system(host: str, port: int) -> list[Found]:
    """As the system resolves names."""
    return [*await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)]


class Dialer:
    """Connects."""

    def __init__(
        self,
        reach: Reach | None = None,
        *,
        proxies: Proxies | None = None,
        tls: ssl.SSLContext | None = None,
        resolver: Resolver = by_system,
    ) -> None:
        self._reach = reach or Reach(NetworkSettings())
        self._proxies = proxies or Proxies()
        self._tls = tls
        self._resolver = resolver

    def way(self, address: tuple[str, str, int]) -> Proxy | None:
        """The proxy on the way to (scheme, host, port)."""
        return self._proxies.way(*address)

    def judge_name(self, host: str) -> None:
        """For a server behind a proxy; raises `NotAllowed`."""
        address = literal(host)
        refusal = None if address is None else self._reach.refusal(address)
        if refusal is not None:
            raise NotAllowed(refusal)

    async def resolve(self, host: str, port: int) -> list[Found]:
        """The addresses of a server that may be connected to, at least one.

        Raises `NotAllowed` when it has only others, `OSError` when it has none, `ValueError` for what cannot be a
        name.
        """
        found = await self._resolver(host, port)
        refusals = [self._reach.refusal(each[4][0]) for each in found]
        may = [each for each, refusal in zip(found, refusals, strict=True) if refusal is None]
        if not may:
            raise NotAllowed(next(filter(None, refusals), f"{host} has no address"))
        return may

    async def connect(
        self, address: tuple[str, str, int], make: Callable[[], P], *, forwards: bool = False
    ) -> P:
        """A connection to (scheme, host, port), with TLS for `https`; a proxy makes a tunnel for it.

        `forwards`: what is sent over plain HTTP is written for the proxy, so that none is needed. Raises as `resolve`
        does, and `ssl.SSLError`; `OSError` when the proxy says no.
        """
        scheme, host, port = address
        proxy = self.way(address)
        tls = self._context() if scheme == "https" else None
        if proxy is None:
            return (await _first(make, await self.resolve(host, port), tls, host))[1]
        self.judge_name(host)
        try:
            # Where the proxy is was decided by whoever runs this, not by those who set endpoints.
            found = await self._resolver(proxy.host, proxy.port)
            if forwards and tls is None:
                return (await _first(make, found))[1]
            transport, tunnel = await _first(lambda: _Tunnel(proxy, host, port), found)
        except OSError as error:
            raise OSError(f"the proxy {proxy.name}: {error.strerror or error}") from error
        try:
            await tunnel.made
            return await _go_on(transport, make(), tls, host)
        except BaseException:
            transport.abort()
            raise

    def _context(self) -> ssl.SSLContext:
        """The system's certificates, host names verified; made when it is first needed."""
        if self._tls is None:
            self._tls = ssl.create_default_context()
            self._tls.set_alpn_protocols(["http/1.1"])
        return self._tls


async def _first(
    make: Callable[[], P], found: list[Found], tls: ssl.SSLContext | None = None, name: str | None = None
) -> tuple[asyncio.Transport, P]:
    """A connection to the first address that accepts one; raises what the last one raised."""
    loop = asyncio.get_running_loop()
    last: OSError | None = None
    for *_, address in found:
        try:
            # An address is not resolved again. The scope belongs to it: the interface of a link-local one.
            place = f"{address[0]}%{address[3]}" if len(address) > 3 and address[3] else address[0]
            made = await loop.create_connection(
                make, place, address[1], ssl=tls, server_hostname=name if tls is not None else None
            )
        except ssl.SSLError:
            raise
        except OSError as error:
            last = error
        else:
            return made
    raise last or OSError("there is no address")


async def _go_on(transport: asyncio.Transport, protocol: P, tls: ssl.SSLContext | None, name: str) -> P:
    """Give a connection that is open to its protocol, after TLS if need be."""
    if transport.is_closing():
        raise OSError("the connection was lost")
    if tls is None:
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        transport.resume_reading()
        return protocol
    secure = await asyncio.get_running_loop().start_tls(transport, protocol, tls, server_hostname=name)
    if secure is None:
        raise OSError("the connection was lost")
    protocol.connection_made(secure)
    return protocol


class _Tunnel(asyncio.Protocol):
    """Asks a proxy for a tunnel (RFC 9110 §9.3.6)."""

    def __init__(self, proxy: Proxy, host: str, port: int) -> None:
        server = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        shown = "" if proxy.authorization is None else f"proxy-authorization: {proxy.authorization}\r\n"
        self._request = f"CONNECT {server} HTTP/1.1\r\nhost: {server}\r\n{shown}\r\n".encode("ascii")
        self._name = proxy.name
        self._head = b""
        self._transport: asyncio.Transport | None = None
        self.made: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Whether there is one; raises `OSError`."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the interface without the base class.
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._head += data
        head, end, rest = self._head.partition(b"\r\n\r\n")
        if not end and len(head) <= MAX_PROXY_HEAD:
            return
        version, _, status = head.partition(b" ")
        if not end or not version.startswith(b"HTTP/1.") or not status[:3].isdigit():
            self._end("did not answer in HTTP")
        elif status[:1] != b"2":
            self._end(f"made no tunnel: it answered {status[:3].decode()}")
        elif rest:
            # The server behind it speaks only when it is spoken to.
            self._end("said more than that there is a tunnel")
        elif not self.made.done() and self._transport is not None:
            self._transport.pause_reading()
            self.made.set_result(None)

    def connection_lost(self, _: Exception | None) -> None:
        self._end("closed the connection instead of making a tunnel")

    def _end(self, what: str) -> None:
        if not self.made.done():
            self.made.set_exception(OSError(f"the proxy {self._name} {what}"))
