"""An address of its own for the page of metrics (`metrics.listen`): it is then not on the port for everybody else.

It is the page of all workers, and the first one serves it.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from dwctl.core.metrics import Metrics
from dwctl.core.settings import Duration
from dwctl.server.limits import ListenerSettings
from dwctl.server.listener import Listener
from dwctl.server.settings import MetricsSettings, host_and_port
from dwctl.web.metrics_page import CONTENT_TYPE, REFUSED, Page, admits
from dwctl.wire.exchange import Exchange

PATHS = frozenset({"/metrics", "/internal/metrics"})


class _NoGateway:
    """Implements `Handler` for an address without calls."""

    uploads: frozenset[bytes] = frozenset()

    def claims(self, method: bytes, path: bytes) -> bool:
        """Nothing."""
        del method, path
        return False

    def upload(self, exchange: Exchange) -> None:
        """Nothing is taken piece by piece."""
        del exchange

    def handle(self, exchange: Exchange) -> None:
        """Nothing is claimed, so nothing comes here; if something did, its connection would end."""
        exchange.finish(b"", close=True)


class MetricsListener(Listener):
    """Service: the address of their own."""

    name = "metrics"

    def __init__(self, settings: MetricsSettings, listen: str, page: Page) -> None:
        host, port = host_and_port(listen)
        super().__init__(
            host=host,
            port=port,
            settings=ListenerSettings(drain=Duration(1)),
            handler=_NoGateway(),
            application=_application(settings.bearer_token, page),
            # What it counts itself nobody asks for.
            metrics=Metrics(),
        )


def _application(token: str | None, page: Page) -> Callable[[Any, Any, Any], Awaitable[None]]:
    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        del receive
        headers = [(b"content-type", CONTENT_TYPE.encode())]
        given = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1")
        if scope["path"] not in PATHS:
            status, body = 404, b"The metrics are at /metrics.\n"
        elif scope["method"] not in ("GET", "HEAD"):
            status, body = 405, b"Use GET.\n"
        elif not admits(token, given):
            status, body = 401, REFUSED.encode()
            headers.append((b"www-authenticate", b"Bearer"))
        else:
            status, body = 200, await page()
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return application
