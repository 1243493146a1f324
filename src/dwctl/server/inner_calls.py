"""Calls of models that the control plane makes for a person: the gateway's pipeline on an ASGI request."""

from typing import Any
from urllib.parse import quote

import msgspec

from dwctl.gateway.caller import caller_of
from dwctl.routing.snapshot import Routing
from dwctl.server.asgi import Receive, Send
from dwctl.server.mounted import MountedExchange, serve
from dwctl.wire.cors import NO_CORS
from dwctl.wire.exchange import Handler


class InnerCalls:
    """Implements `Inference`."""

    def __init__(self, handler: Handler, routing: Routing, *, max_body_bytes: int) -> None:
        self._handler = handler
        self._routing = routing
        self._max_body_bytes = max_body_bytes

    def claims(self, method: str, path: str) -> bool:
        """Whether the gateway answers it."""
        return self._handler.claims(method.encode("ascii"), _quoted(path))

    def knows(self, key_digest: bytes) -> bool:
        """Whether the key is in the snapshot."""
        return key_digest in self._routing.snapshot.keys

    async def run(self, path: str, key_digest: bytes, scope: Any, receive: Receive, send: Send) -> None:
        """One call."""
        # Which pages may read the answer is said by the application around us.
        headers = [pair for pair in scope["headers"] if pair[0] != b"origin"]
        scope = {**scope, "raw_path": _quoted(path), "headers": headers}
        exchange = MountedExchange(scope, b"")
        caller = caller_of(exchange, NO_CORS)
        exchange.memo.facts = msgspec.structs.replace(caller, digest=key_digest)
        await serve(self._handler, exchange, self._max_body_bytes, receive, send)


def _quoted(path: str) -> bytes:
    return quote(path).encode("ascii")
