"""Which addresses may be called in somebody's name: whoever sets an upstream must not see the inside of a network.

A name is resolved, its addresses are checked, and exactly one of those is connected to: a name that says something else
a moment later (DNS rebinding) gains nothing.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from ipaddress import IPv4Address, ip_address
from typing import TypeVar

from dwctl.core.networks import Address, Networks, parse_address, parse_network

P = TypeVar("P", bound=asyncio.BaseProtocol)
_LOCAL = (parse_network("fec0::/10"), parse_network("64:ff9b:1::/48"))
"""Site-local addresses (RFC 3879) and translation of a network's own (RFC 8215)."""
_CARRIERS = tuple(
    (parse_network(text), shift)
    for text, shift in (
        ("::ffff:0:0/96", 0),  # mapped, RFC 4291 §2.5.5.2
        ("::ffff:0:0:0/96", 0),  # translated, RFC 2765 §2.1
        ("64:ff9b::/96", 0),  # NAT64, RFC 6052
        ("2002::/16", 80),  # 6to4, RFC 3056
        ("::/96", 0),  # compatible, RFC 4291 §2.5.5.1
    )
)
"""Networks of IPv6 addresses that have an IPv4 address in them, and how many bits follow it."""


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
        carried = _carried(address)
        every = (address,) if carried is None else (address, carried)
        if any(each in self._denied for each in every):
            return "denied_networks"
        if not self._private and not all(map(_is_routed, every)):
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


def _is_routed(address: Address) -> bool:
    """Whether the internet routes it to one machine."""
    return address.is_global and not address.is_multicast and not any(address in each for each in _LOCAL)


def _carried(address: Address) -> IPv4Address | None:
    """The IPv4 address within an IPv6 address, which a translator or a tunnel would connect to."""
    value = int(address)
    if value <= 1:
        # No address, and loopback: they only look like it.
        return None
    for network, shift in _CARRIERS:
        if address in network:
            return IPv4Address(value >> shift & 0xFFFFFFFF)
    return None


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
