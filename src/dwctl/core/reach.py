"""Which addresses may be called in somebody's name: whoever sets an upstream must not see the inside of a network.

A name is resolved, its addresses are checked, and exactly one of those is connected to: a name that says something else
a moment later (DNS rebinding) gains nothing.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from ipaddress import ip_address
from typing import TypeVar

from dwctl.core.networks import Address, Networks, parse_address, parse_network

P = TypeVar("P", bound=asyncio.BaseProtocol)


class NotAllowed(OSError):
    """The address is none that may be called."""

    def __init__(self, host: str, address: str, setting: str) -> None:
        where = host if host == address else f"{host} ({address})"
        super().__init__(f"{where} may not be called: gateway.upstream.{setting} excludes it")


class Reach:
    """The rule. `private` says whether addresses count that the internet does not route, such as 127.0.0.1."""

    def __init__(self, denied: Networks, *, private: bool) -> None:
        self._denied = denied
        self._private = private
        self._everywhere = private and not denied

    def excludes(self, address: Address) -> str | None:
        """The setting that excludes an address; None when it may be called."""
        if address in self._denied:
            return "denied_networks"
        if not self._private and (not address.is_global or address.is_multicast):
            return "allow_private"
        return None

    async def addresses(self, host: str, port: int) -> list[str]:
        """The addresses of a host that may be called, in order. Raises `NotAllowed` when there is none, or OSError."""
        texts = [host]
        if not _is_literal(host):
            loop = asyncio.get_running_loop()
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            texts = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        refusal: NotAllowed | None = None
        allowed = []
        for text in texts:
            address = parse_address(f"[{text}]" if ":" in text else text)
            setting = "denied_networks" if address is None else self.excludes(address)
            if setting is None:
                allowed.append(text)
            else:
                refusal = refusal or NotAllowed(host, text, setting)
        if not allowed:
            raise refusal or OSError(f"{host} has no address")
        return allowed

    async def connect(self, make: Callable[[], P], host: str, port: int, context: ssl.SSLContext | None) -> P:
        """A connection to the first of a host's addresses that takes it; raises what connecting raises."""
        loop = asyncio.get_running_loop()
        if self._everywhere:
            _, made = await loop.create_connection(make, host, port, ssl=context)
            return made
        *others, last = await self.addresses(host, port)
        name = host if context is not None else None
        for address in others:
            try:
                _, made = await loop.create_connection(make, address, port, ssl=context, server_hostname=name)
            except OSError:
                continue
            return made
        _, made = await loop.create_connection(make, last, port, ssl=context, server_hostname=name)
        return made


def _is_literal(host: str) -> bool:
    """Whether it is an address as it stands; resolvers know more ways of writing one."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def reach_of(denied: tuple[str, ...], *, private: bool) -> Reach:
    """The rule that settings say; raises ValueError for what is no network."""
    return Reach(Networks(map(parse_network, denied)), private=private)


EVERYWHERE = Reach(Networks(()), private=True)
"""No rule."""
