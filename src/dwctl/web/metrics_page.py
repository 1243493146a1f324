"""The page of metrics on the common port, and who may read it."""

import hmac
from collections.abc import Awaitable, Callable
from typing import Any

from litestar import Request, get
from litestar.response import Response
from litestar.types import ControllerRouterHandler

CONTENT_TYPE = "text/plain; version=0.0.4"
REFUSED = "Send the token of metrics.bearer_token.\n"
Page = Callable[[], Awaitable[bytes]]


def admits(token: str | None, authorization: str) -> bool:
    """Whether who sends this header may read; without a token everybody may."""
    if token is None:
        return True
    scheme, _, given = authorization.partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode())


def metrics_route(page: Page, token: str | None) -> ControllerRouterHandler:
    """`GET /internal/metrics`."""

    @get("/internal/metrics", include_in_schema=False)
    async def metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
        """The Prometheus text format."""
        if not admits(token, request.headers.get("authorization", "")):
            return Response(
                REFUSED.encode(),
                status_code=401,
                media_type=CONTENT_TYPE,
                headers={"www-authenticate": "Bearer"},
            )
        return Response(await page(), media_type=CONTENT_TYPE)

    return metrics
