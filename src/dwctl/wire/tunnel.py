"""The seam between port and gateway for a connection that is HTTP no more: bytes both ways (RFC 9110 §7.8)."""

from typing import Protocol

from dwctl.wire.exchange import Exchange


class Line(Protocol):
    """The client's side."""

    def send(self, data: bytes) -> None:
        """Raw bytes to the client."""
        ...

    def pause(self) -> None:
        """Read no more from it for now."""
        ...

    def resume(self) -> None:
        """Read on."""
        ...


class Session(Protocol):
    """Who has the connection from the head on."""

    def body_received(self, data: bytes) -> None:
        """The client has sent this."""
        ...

    def body_ended(self) -> None:
        """There is no body with an end."""
        ...

    def disconnected(self) -> None:
        """The client is gone."""
        ...

    def client_ended(self) -> None:
        """The client sends no more."""
        ...

    def writable(self, ready: bool) -> None:
        """The client reads too slowly, or has caught up."""
        ...

    def silent(self, seconds: float) -> None:
        """The client has sent nothing for so long; called about once a second."""
        ...

    def going_away(self) -> None:
        """The server stops."""
        ...


class Upgrades(Protocol):
    """What the gateway is to the port for upgrades."""

    def takes(self, path: bytes) -> bool:
        """Whether a WebSocket on this path is the gateway's; every other goes to the ASGI application."""
        ...

    def open(self, exchange: Exchange, line: Line) -> Session:
        """Take one. Refuses, or ends it, by `exchange.finish`, never within this call."""
        ...
