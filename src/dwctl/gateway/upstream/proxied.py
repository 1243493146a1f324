"""A connection to a proxy that passes plain HTTP requests on to one model server (RFC 9112 §3.2.2)."""

from collections.abc import Callable

from dwctl.core.proxies import Proxy
from dwctl.gateway.upstream.connection import Failure, Owner, Receiver, Source, UpstreamConnection
from dwctl.gateway.upstream.response_head import Head


class ProxiedConnection(UpstreamConnection):
    """Names the server in each request, and shows the proxy its credentials."""

    __slots__ = ("_lines", "_server")

    def __init__(self, owner: Owner, now: Callable[[], float], proxy: Proxy, host: str, port: int) -> None:
        super().__init__(owner, now)
        self._server = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        self._lines = (
            f"proxy-authorization: {proxy.authorization}\r\n" if proxy.authorization is not None else ""
        ).encode("ascii")

    def send(self, request: bytes, receiver: Receiver, *, reused: bool, source: Source | None = None) -> None:
        """Send a request that was written for the server itself."""
        method, _, rest = request.partition(b" ")
        line, _, rest = rest.partition(b"\r\n")
        named = b"%b %b%b\r\n%b%b" % (method, self._server.encode("ascii"), line, self._lines, rest)
        super().send(named, receiver, reused=reused, source=source)

    def _begin(self, head: Head, rest: bytes, receiver: Receiver) -> None:
        if head.status == 407:
            # It is the proxy that asks, and not for the client's credentials.
            self.fail(Failure.UNREACHABLE, "the proxy wants other credentials (407)")
        else:
            super()._begin(head, rest, receiver)
