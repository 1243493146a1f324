"""`/ai/v1/realtime`: a WebSocket passed through to a model server (decision 0025), metered on the way (0033).

The gateway reads the handshake (who it is, which model, what the server answers) and what the server tells of usage;
all else passes as it came. A session is one row without bodies.
"""

import asyncio

from dwctl.gateway.realtime_session import RealtimeSession
from dwctl.gateway.realtime_shared import PATH, Shared
from dwctl.wire.exchange import Exchange
from dwctl.wire.tunnel import Line


class Realtime(Shared):
    """One for each process. Implements `Upgrades`."""

    def takes(self, path: bytes) -> bool:
        """The one path."""
        return path == PATH

    def open(self, exchange: Exchange, line: Line) -> RealtimeSession:
        """Begin a session, in the next turn of the loop."""
        session = RealtimeSession(self, exchange, line)
        asyncio.get_running_loop().call_soon(session.begin)
        return session
