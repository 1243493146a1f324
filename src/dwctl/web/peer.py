"""Who is at the other end of a request's connection."""

from typing import Any

from litestar.connection import ASGIConnection

from dwctl.core.networks import Peer


def peer_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Peer:
    """The peer, with what it says of its own."""
    host = "" if connection.client is None else connection.client.host
    return Peer(host, connection.headers.getall("x-forwarded-for", []))
