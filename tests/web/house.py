"""A small application with the error rendering of the product, and a way to call it."""

from collections.abc import Sequence
from typing import Any

import httpx
from litestar import Litestar
from litestar.types import ControllerRouterHandler

from dwctl.web.errors import Pages, exception_handlers
from dwctl.web.security import security_headers


class Application:
    """Routes of a test."""

    def __init__(
        self, handlers: Sequence[ControllerRouterHandler] = (), *, pages: Pages | None = None
    ) -> None:
        self.asgi = Litestar(
            route_handlers=handlers,
            exception_handlers=exception_handlers(pages),
            after_request=security_headers,
            openapi_config=None,
            logging_config=None,
            debug=False,
            request_max_body_size=1000,
        )

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        """One request; `content` stands for a body that is not made of JSON here."""
        application: Any = self.asgi
        transport = httpx.ASGITransport(application, raise_app_exceptions=False)
        given = {} if content is None else {"content-type": "application/json"}
        async with httpx.AsyncClient(transport=transport, base_url="http://dwctl.test") as client:
            return await client.request(
                method, path, json=body, content=content, headers=given | (headers or {})
            )
