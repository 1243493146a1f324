"""Limits of the listening port. Every one is enforced before a request reaches the gateway or the application."""

import msgspec

from dwctl.core.settings import Duration

MIB = 1024 * 1024


class ListenerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the port takes."""

    max_connections: int = 20_000
    """More are closed as soon as they come."""
    max_head_bytes: int = 64 * 1024
    """Request line and headers; more is answered with 431."""
    max_headers: int = 128
    """Header lines; more is answered with 431."""
    max_target_bytes: int = 8192
    """Path and query; more is answered with 414."""
    max_body_bytes: int = 32 * MIB
    """Body of a gateway request; more is answered with 413. Configured as `limits.requests.max_body_size`."""
    head_timeout: Duration = Duration(30)
    """From the first byte of a head to its end."""
    body_timeout: Duration = Duration(60)
    """Between two reads of a request's body; then 408."""
    keep_alive: Duration = Duration(75)
    """An idle connection is closed after this long."""
    max_websocket_message: int = 16 * MIB
    """Bytes of a WebSocket message; more closes the WebSocket with 1009."""
    websocket_ping: Duration = Duration(20)
    """A WebSocket client that is silent for this long is pinged, and given up after as long again."""
    drain: Duration = Duration(30)
    """On shutdown, how long requests under way may take to finish."""
    unix_socket: str | None = None
    """Path of a Unix socket that is listened on beside the port."""
    proxy_protocol: bool = False
    """Whether each connection begins with a PROXY header of a trusted proxy's, and is closed without one."""
    certificate: str | None = None
    """PEM file with the certificate chain: the port then speaks TLS."""
    private_key: str | None = None
    """PEM file with the key; unset: it is in the file of the certificate."""
