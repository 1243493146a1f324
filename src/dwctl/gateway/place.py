"""Keys that are limited to networks. Pure, and where a client is is asked for such keys alone."""

from collections.abc import Iterable

from dwctl.core.networks import Networks, Peer, parse_network
from dwctl.routing.snapshot import Allowed
from dwctl.wire.errors import Problem, Refused
from dwctl.wire.exchange import Exchange


class Places:
    """Knows which proxies are believed."""

    def __init__(self, trusted: Iterable[str]) -> None:
        self._trusted = Networks(map(parse_network, trusted))

    def check(self, allowed: Allowed, exchange: Exchange) -> None:
        """Refuse a client that is elsewhere than its key may be used."""
        if allowed.networks is None:
            return
        lines = [value.decode("latin-1") for name, value in exchange.headers if name == b"x-forwarded-for"]
        address = Peer(exchange.client_host, lines).address(self._trusted)
        if address is None or address not in allowed.networks:
            where = "an unknown address" if address is None else str(address)
            text = f"This API key may not be used from {where}. Its owner has limited it to certain networks."
            raise Refused(Problem(status=403, message=text, code="forbidden"))
