"""A set of IP networks that answers at once whether an address is in it, however many there are. Pure."""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import msgspec

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class Networks:
    """Networks by version and length of prefix: a look-up costs as many steps as there are different lengths."""

    __slots__ = ("_by_length",)

    def __init__(self, networks: Iterable[Network]) -> None:
        found: dict[tuple[int, int], set[int]] = {}
        for network in networks:
            shift = network.max_prefixlen - network.prefixlen
            prefix = int(network.network_address) >> shift
            found.setdefault((network.version, shift), set()).add(prefix)
        self._by_length = tuple(
            (version, shift, frozenset(known)) for (version, shift), known in found.items()
        )

    def __bool__(self) -> bool:
        return bool(self._by_length)

    def __contains__(self, address: Address) -> bool:
        value = int(address)
        return any(
            version == address.version and value >> shift in known
            for version, shift, known in self._by_length
        )


def parse_network(text: str) -> Network:
    """A network such as `10.0.0.0/8`, or one address; raises ValueError for anything else, host bits included."""
    return ip_network(text)


def parse_address(text: str) -> Address | None:
    """An address as peers and proxies write it; None when it is none.

    With or without a port, with or without brackets and a scope (RFC 7239 §6); an IPv4 address within IPv6 is that
    IPv4 address.
    """
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped
    return found


class Peer(msgspec.Struct, frozen=True):
    """Who is at the other end of a connection, and for whom it says to speak."""

    host: str
    forwarded: Sequence[str] = ()
    """Values of `X-Forwarded-For`, line by line."""

    def address(self, trusted: Networks) -> Address | None:
        """The client's address; None when nobody who is trusted tells one.

        `X-Forwarded-For` is read from its end, where the nearest proxy wrote: each trusted one vouches for the address
        before its own. What stands further to the left a client can have made up.
        """
        address = parse_address(self.host)
        if not trusted or address is None or address not in trusted:
            return address
        for entry in reversed(",".join(self.forwarded).split(",")) if self.forwarded else ():
            address = parse_address(entry)
            if address is None or address not in trusted:
                return address
        return address
