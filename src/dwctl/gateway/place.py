"""Where a client is: the peer of the connection, or what trusted proxies say of theirs. Pure, and asked only when it
matters: of a key that is limited to networks."""

from collections.abc import Iterable

from dwctl.core.networks import Address, Networks, parse_address, parse_network
from dwctl.routing.snapshot import Allowed
from dwctl.wire.errors import Problem, Refused
from dwctl.wire.exchange import Exchange


class Places:
    """Knows which proxies are believed."""

    def __init__(self, trusted: Iterable[str]) -> None:
        self._trusted = Networks(map(parse_network, trusted))

    def address(self, exchange: Exchange) -> Address | None:
        """The client's address; None when nobody who is trusted tells one.

        `X-Forwarded-For` is read from its end, where the nearest proxy wrote: each trusted one vouches for the address
        before its own. What stands further to the left a client can have made up.
        """
        address = parse_address(exchange.client_host)
        if not self._trusted or address is None or address not in self._trusted:
            return address
        lines = [value for name, value in exchange.headers if name == b"x-forwarded-for"]
        for entry in reversed(b",".join(lines).split(b",")) if lines else ():
            address = parse_address(entry.decode("latin-1"))
            if address is None or address not in self._trusted:
                return address
        return address

    def check(self, allowed: Allowed, exchange: Exchange) -> None:
        """Refuse a client that is elsewhere than its key may be used."""
        if allowed.networks is None:
            return
        address = self.address(exchange)
        if address is None or address not in allowed.networks:
            where = "an unknown address" if address is None else str(address)
            text = f"This API key may not be used from {where}. Its owner has limited it to certain networks."
            raise Refused(Problem(status=403, message=text, code="forbidden"))
