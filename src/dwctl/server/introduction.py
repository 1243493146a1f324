"""Reading ahead of a connection whose it is, from proxies that are trusted.

It is read from the bare socket, before TLS and by the worker that will serve the connection, and not a byte beyond it.
"""

import asyncio
import logging
import socket

from dwctl.core.metrics import Metrics
from dwctl.core.networks import Networks, parse_address
from dwctl.server.proxy_header import ProxyHeaderError, read_header

logger = logging.getLogger(__name__)


class NotIntroduced(Exception):
    """The connection is not to be served."""


class Introductions:
    """For a port on which every connection begins with a header."""

    def __init__(self, trusted: Networks, within: float, metrics: Metrics) -> None:
        self._trusted = trusted
        self._within = within
        self._told = False
        self._refused = metrics.counter(
            "dwctl_connections_not_introduced_total",
            "Connections closed because no trusted proxy said whose they are.",
        )

    async def client(self, accepted: socket.socket) -> tuple[str, int] | None:
        """Whose connection it is; None: the proxy's own. Raises `NotIntroduced`, and `OSError` when it is lost.

        Whoever may connect to a Unix socket is trusted.
        """
        peer = "the Unix socket"
        try:
            if accepted.family != socket.AF_UNIX:
                peer = str(accepted.getpeername()[0])
                address = parse_address(peer)
                if address is None or address not in self._trusted:
                    raise ProxyHeaderError("it is in none of gateway.trusted_proxies")
            async with asyncio.timeout(self._within):
                return await _read(accepted)
        except (TimeoutError, ProxyHeaderError) as error:
            self._count(peer, str(error) or "its PROXY header did not arrive in time")
            raise NotIntroduced from error

    def _count(self, peer: str, reason: str) -> None:
        """Told once: whoever can connect could fill the log."""
        self._refused.inc()
        if not self._told:
            self._told = True
            logger.warning("a connection from %s is closed: %s; later ones are only counted", peer, reason)


async def _read(accepted: socket.socket) -> tuple[str, int] | None:
    loop = asyncio.get_running_loop()
    data = b""
    while True:
        found = read_header(data)
        if not isinstance(found, int):
            return found.client
        try:
            piece = accepted.recv(found)
        except (BlockingIOError, InterruptedError):
            piece = await loop.sock_recv(accepted, found)
        if not piece:
            raise ProxyHeaderError("it ended within its PROXY header")
        data += piece
