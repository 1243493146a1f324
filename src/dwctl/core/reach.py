"""Which addresses may be connected to on behalf of people who name servers. Pure.

A server named by its host is judged by what that name means at the moment of each connection, not of its creation: a
name that means another address later gets nowhere (core/dial.py).
"""

import socket
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, IPv6Network

import msgspec

from dwctl.core.networks import Address, Networks, parse_address, parse_network

LOOPBACK = ("127.0.0.0/8", "::1", "0.0.0.0/8", "::")
"""The unspecified address is this machine too, where one connects to it."""
LINK_LOCAL = (
    *("169.254.0.0/16", "fe80::/10"),
    # Where clouds tell a machine its credentials, outside of the link-local networks.
    *("fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "168.63.129.16", "192.0.0.192"),
)
PRIVATE = (
    *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "198.18.0.0/15"),
    # Of protocols, of many at once, and of nobody.
    *("192.0.0.0/24", "224.0.0.0/4", "240.0.0.0/4", "ff00::/8"),
    # Site-local addresses (RFC 3879), and a translator of a network's own (RFC 8215).
    *("fc00::/7", "fec0::/10", "64:ff9b:1::/48"),
)
_CLASSES = (("loopback", LOOPBACK), ("link_local", LINK_LOCAL), ("private", PRIVATE))
_TRANSLATED = (IPv6Network("64:ff9b::/96"), IPv6Network("::ffff:0:0:0/96"))
"""Prefixes of translators (RFC 6052, RFC 2765 §2.1): the IPv4 address follows."""
_COMPATIBLE = IPv6Network("::/96")


class NetworkSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which addresses model servers may have. `denied` goes before `allowed`, and that before the rest."""

    private: bool = True
    """Addresses of private networks."""
    loopback: bool = True
    """This machine."""
    link_local: bool = False
    """Link-local addresses, those of clouds' metadata services among them."""
    allowed: tuple[str, ...] = ()
    """Networks that are allowed whatever the three above say."""
    denied: tuple[str, ...] = ()
    """Networks that never are."""


class NotAllowed(Exception):
    """An address that may not be connected to; says which and why."""


class Reach:
    """Judges addresses."""

    __slots__ = ("_allowed", "_classes", "_denied")

    def __init__(self, settings: NetworkSettings) -> None:
        self._denied = Networks(map(parse_network, settings.denied))
        self._allowed = Networks(map(parse_network, settings.allowed))
        switches = {
            "loopback": settings.loopback,
            "link_local": settings.link_local,
            "private": settings.private,
        }
        self._classes = tuple(
            (name, Networks(map(parse_network, members)), switches[name]) for name, members in _CLASSES
        )

    def refusal(self, text: str) -> str | None:
        """Why an address may not be connected to; None when it may. What is no address may not."""
        address = parse_address(text)
        if address is None:
            return f"{text} is no address"
        for meant in _meanings(address):
            why = self._refusal(meant)
            if why is not None:
                return f"{text} {why}"
        return None

    def _refusal(self, address: Address) -> str | None:
        if address in self._denied:
            return "is in a network of gateway.upstream.networks.denied"
        if address in self._allowed:
            return None
        for name, networks, may in self._classes:
            # The first class decides: a metadata service in a private network is no private server.
            if address in networks:
                return None if may else f"is not allowed by gateway.upstream.networks.{name}"
        return None


def literal(host: str) -> str | None:
    """The address that a host is by itself, without asking anybody; None for a name.

    Resolvers take `127.1`, `0x7f000001` and `2130706433` for addresses too, and `localhost` is one by its meaning
    (RFC 6761 §6.3).
    """
    bare = host.rstrip(".").lower()
    if bare == "localhost" or bare.endswith(".localhost"):
        return "127.0.0.1"
    if parse_address(bare) is not None:
        return bare
    try:
        return socket.inet_ntoa(socket.inet_aton(bare))
    except (OSError, UnicodeError):
        return None


def _meanings(address: Address) -> Iterator[Address]:
    """An address, and the IPv4 address that a translator on the way makes of it."""
    yield address
    if not isinstance(address, IPv6Address):
        return
    if any(address in each for each in _TRANSLATED) or (address in _COMPATIBLE and int(address) > 1):
        yield IPv4Address(int(address) & 0xFFFFFFFF)
    elif address.sixtofour is not None:
        yield address.sixtofour
    elif address.teredo is not None:
        yield from address.teredo
