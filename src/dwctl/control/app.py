"""The ASGI application: every route that is not the gateway's."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
from litestar import Litestar, MediaType, Request, Router, get
from litestar.config.cors import CORSConfig
from litestar.di import Provide
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.response import Response
from litestar.types import ControllerRouterHandler

from dwctl.control.endpoints import api as endpoints_api
from dwctl.control.groups import api as groups_api
from dwctl.control.keys import api as keys_api
from dwctl.control.models import api as models_api
from dwctl.control.plane import Plane
from dwctl.control.session import api as session_api
from dwctl.control.users import api as users_api
from dwctl.core.errors import Forbidden, Unauthenticated
from dwctl.identity.authenticate import Authenticator
from dwctl.identity.principal import Principal
from dwctl.identity.settings import CorsSettings
from dwctl.web.documents import ai_document, docs_page
from dwctl.web.errors import exception_handlers
from dwctl.web.origin import allowed_origin
from dwctl.web.security import security_headers

TITLE = "Doubleword Control Layer"
Check = Callable[[], Awaitable[str | None]]
"""Gives None when all is well, else what is wrong."""


def build_app(
    *,
    plane: Plane,
    cors: CorsSettings,
    version: str,
    checks: dict[str, Check],
    metrics: Callable[[], bytes] | None,
    ai_routes: Sequence[ControllerRouterHandler],
) -> Litestar:
    """Put the routes together."""
    admin = Router(
        path="/admin/api/v1",
        route_handlers=[
            groups_api.router(plane.groups),
            users_api.router(plane.users),
            keys_api.router(plane.keys),
            endpoints_api.router(plane.endpoints),
            models_api.router(plane.models),
        ],
        security=[{"apiKey": []}, {"session": []}],
    )
    handlers: list[ControllerRouterHandler] = [
        admin,
        session_api.router(plane.sessions),
        *ai_routes,
        *_operations(checks),
        *_documents(version),
    ]
    if metrics is not None:
        handlers.append(_metrics(metrics))
    return Litestar(
        route_handlers=handlers,
        dependencies={"principal": Provide(_principal_of(plane.authenticator, cors))},
        exception_handlers=exception_handlers(),
        cors_config=_cors(cors),
        openapi_config=_openapi(version),
        after_request=security_headers,
        logging_config=None,
        debug=False,
        request_max_body_size=2 * 1024 * 1024,
    )


def _principal_of(
    authenticator: Authenticator, cors: CorsSettings
) -> Callable[[Request[Any, Any, Any]], Awaitable[Principal]]:
    async def principal(request: Request[Any, Any, Any]) -> Principal:
        found = await authenticator.principal(request.url.path, request.headers, request.cookies)
        if found is None:
            raise Unauthenticated("Not authenticated")
        if found.key_id is None and not allowed_origin(request.method, request.headers, cors.allowed_origins):
            raise Forbidden("This origin may not act with a session")
        return found

    return principal


def _cors(settings: CorsSettings) -> CORSConfig | None:
    if not settings.allowed_origins:
        return None
    return CORSConfig(
        allow_origins=list(settings.allowed_origins),
        allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"],
        allow_headers=["*"],
        allow_credentials=settings.allow_credentials,
        expose_headers=list(settings.exposed_headers),
        max_age=settings.max_age,
    )


def _openapi(version: str) -> OpenAPIConfig:
    return OpenAPIConfig(
        title=f"{TITLE}: admin API",
        version=version,
        path="/admin",
        render_plugins=[JsonRenderPlugin(path="/openapi.json", media_type=MediaType.JSON)],
    )


def _operations(checks: dict[str, Check]) -> list[ControllerRouterHandler]:
    @get(["/healthz", "/health"], media_type="text/plain", include_in_schema=False)
    async def health() -> str:
        """The process answers."""
        return "OK"

    @get("/readyz", include_in_schema=False)
    async def ready() -> Response[dict[str, Any]]:
        """Everything that a request needs is there; else 503 and what is missing."""
        found = {name: await check() for name, check in checks.items()}
        ok = not any(found.values())
        told = {name: "ok" if text is None else text for name, text in found.items()}
        body = {"status": "ok" if ok else "unavailable", "checks": told}
        return Response(body, status_code=200 if ok else 503)

    return [health, ready]


def _documents(version: str) -> list[ControllerRouterHandler]:
    ai_json = msgspec.json.encode(ai_document(version))
    pages = {
        "/admin/docs": docs_page(TITLE, "Admin API", "/admin/openapi.json"),
        "/ai/docs": docs_page(TITLE, "AI API", "/ai/openapi.json"),
    }

    @get("/ai/openapi.json", include_in_schema=False, media_type="application/json")
    async def ai_openapi() -> Response[bytes]:
        """The AI API's OpenAPI document."""
        return Response(ai_json, media_type="application/json")

    @get(["/admin/docs", "/ai/docs"], include_in_schema=False)
    async def docs(request: Request[Any, Any, Any]) -> Response[str]:
        """A page that shows the document."""
        page = pages[request.url.path.rstrip("/")]
        return Response(page.html, media_type="text/html", headers={"content-security-policy": page.policy})

    return [ai_openapi, docs]


def _metrics(render: Callable[[], bytes]) -> ControllerRouterHandler:
    @get("/internal/metrics", include_in_schema=False)
    async def metrics() -> Response[bytes]:
        """The Prometheus text format."""
        return Response(render(), media_type="text/plain; version=0.0.4")

    return metrics
