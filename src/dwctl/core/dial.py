"""New connections to servers that people have named: resolve, judge each address, connect to just that one.

The address that was judged is the address that is connected to, so nobody gets round the rules with a name that means
something else a moment later. What is named here costs a connection that is used again nothing.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from dwctl.core.reach import NetworkSettings, NotAllowed, Reach

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
        tls: ssl.SSLContext | None = None,
        resolver: Resolver = by_system,
    ) -> None:
        self._reach = reach or Reach(NetworkSettings())
        self._tls = tls
        self._resolver = resolver

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

    async def connect(self, address: tuple[str, str, int], make: Callable[[], P]) -> P:
        """A connection to (scheme, host, port), with TLS for `https`.

        Raises as `resolve` does, and `ssl.SSLError`.
        """
        scheme, host, port = address
        return await self._speak(await self._reach_out(await self.resolve(host, port)), scheme, host, make)

    async def _reach_out(self, found: list[Found]) -> socket.socket:
        """A connected socket to the first address that answers; raises what the last one raised."""
        loop = asyncio.get_running_loop()
        last: OSError | None = None
        for family, kind, protocol, _, address in found:
            made = socket.socket(family, kind, protocol)
            try:
                made.setblocking(False)
                made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                await loop.sock_connect(made, address)
            except OSError as error:
                made.close()
                last = error
            except BaseException:
                made.close()
                raise
            else:
                return made
        raise last or OSError("there is no address")

    async def _speak(self, made: socket.socket, scheme: str, host: str, make: Callable[[], P]) -> P:
        """Give a connected socket to a protocol, after TLS if need be."""
        try:
            secure = scheme == "https"
            _, protocol = await asyncio.get_running_loop().create_connection(
                make,
                sock=made,
                ssl=self._context() if secure else None,
                server_hostname=host if secure else None,
            )
        except BaseException:
            made.close()
            raise
        return protocol

    def _context(self) -> ssl.SSLContext:
        """The system's certificates, host names verified; made when it is first needed."""
        if self._tls is None:
            self._tls = ssl.create_default_context()
            self._tls.set_alpn_protocols(["http/1.1"])
        return self._tls
