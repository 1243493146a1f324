"""The ASGI application: every route that is not the gateway's."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
from litestar import HttpMethod, Litestar, Request, Router, get, route
from litestar.config.cors import CORSConfig
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme
from litestar.response import Response
from litestar.types import ControllerRouterHandler, Method
from litestar.types.internal_types import PathParameterDefinition

from dwctl.control.components import api as components_api
from dwctl.control.config import api as config_api
from dwctl.control.config.structs import Config
from dwctl.control.endpoints import api as endpoints_api
from dwctl.control.groups import api as groups_api
from dwctl.control.keys import api as keys_api
from dwctl.control.models import api as models_api
from dwctl.control.monitoring import api as monitoring_api
from dwctl.control.organizations import api as organizations_api
from dwctl.control.plane import Plane
from dwctl.control.playground import api as playground_api
from dwctl.control.requests import api as requests_api
from dwctl.control.session import api as session_api
from dwctl.control.tools import api as tools_api
from dwctl.control.transactions import api as transactions_api
from dwctl.control.users import api as users_api
from dwctl.identity.authenticate import ADMIN_PURPOSES, ANY_PURPOSE, NO_KEYS
from dwctl.identity.settings import CorsSettings
from dwctl.web.admin_document import AdminDocument
from dwctl.web.authentication import guard, principal_dependency
from dwctl.web.dashboard import Dashboard
from dwctl.web.documents import ai_document, docs_page
from dwctl.web.errors import exception_handlers
from dwctl.web.metrics_page import Page, metrics_route
from dwctl.web.security import security_headers
from dwctl.wire.inference import Inference

TITLE = "Doubleword Control Layer"
CHECK_WITHIN = 2.0
Check = Callable[[], Awaitable[str | None]]
"""Gives None when all is well, else what is wrong."""


def build_app(
    *,
    plane: Plane,
    config: Config,
    cors: CorsSettings,
    version: str,
    checks: dict[str, Check],
    metrics: Page | None,
    ai_routes: Sequence[ControllerRouterHandler],
    metrics_token: str | None = None,
    inference: Inference | None = None,
    dashboard: Dashboard | None = None,
    check_within: float = CHECK_WITHIN,
) -> Litestar:
    """Put the routes together; metrics ask for their token, if there is one. Other paths are the dashboard's.

    A check of `/readyz` that takes longer than `check_within` seconds has failed.
    """
    admin = _guarded(
        plane,
        cors,
        ADMIN_PURPOSES,
        "/admin/api/v1",
        [
            groups_api.router(plane.groups),
            users_api.router(plane.users),
            session_api.choice_router(plane.sessions),
            organizations_api.router(plane.organizations),
            keys_api.router(plane.keys),
            endpoints_api.router(plane.endpoints),
            models_api.router(plane.models),
            components_api.router(plane.components),
            requests_api.router(plane.requests),
            transactions_api.router(plane.transactions),
            monitoring_api.router(plane.monitoring),
            tools_api.router(plane.tools),
            config_api.router(config),
        ],
    )
    own = _guarded(plane, cors, ANY_PURPOSE, "/", [session_api.own_router(plane.sessions)])
    handlers: list[ControllerRouterHandler] = [
        admin,
        own,
        session_api.public_router(plane.sessions),
        *ai_routes,
        *_operations(checks, check_within),
        *_documents(version),
    ]
    if inference is not None:
        calls = playground_api.router(plane.playground, inference)
        handlers.append(_guarded(plane, cors, NO_KEYS, "/admin/api/v1/ai", [calls]))
    if metrics is not None:
        handlers.append(metrics_route(metrics, metrics_token))
    return Litestar(
        route_handlers=handlers,
        exception_handlers=exception_handlers(None if dashboard is None else dashboard.answer),
        cors_config=_cors(cors),
        openapi_config=_openapi(version, plane.authenticator.cookie_name),
        after_request=security_headers,
        logging_config=None,
        debug=False,
        request_max_body_size=2 * 1024 * 1024,
    )


def _guarded(
    plane: Plane,
    cors: CorsSettings,
    purposes: frozenset[str],
    path: str,
    handlers: list[ControllerRouterHandler],
) -> Router:
    """Routes for known people only."""
    return Router(
        path=path,
        route_handlers=handlers,
        guards=[guard(plane.authenticator, purposes, cors.allowed_origins)],
        dependencies=principal_dependency(),
        security=[{"apiKey": []}, {"session": []}] if purposes else [{"session": []}],
    )


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


def _openapi(version: str, cookie_name: str) -> OpenAPIConfig:
    return OpenAPIConfig(
        title=f"{TITLE}: admin API",
        version=version,
        path="/admin/openapi.json",
        operation_id_creator=_operation_id,
        components=Components(
            security_schemes={
                "apiKey": SecurityScheme(
                    type="http", scheme="bearer", description="An API key of purpose `platform`, `sk-…`."
                ),
                "session": SecurityScheme(
                    type="apiKey",
                    name=cookie_name,
                    security_scheme_in="cookie",
                    description="The cookie that POST /authentication/login sets.",
                ),
            }
        ),
        render_plugins=[AdminDocument()],
    )


def _operation_id(
    handler: HTTPRouteHandler, method: Method, path: list[str | PathParameterDefinition]
) -> str:
    """`list_groups` is `listGroups`: every handler has one method and one path."""
    del method, path
    first, *rest = handler.handler_name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _operations(checks: dict[str, Check], within: float) -> list[ControllerRouterHandler]:
    reading = [HttpMethod.GET, HttpMethod.HEAD]

    @route(["/healthz", "/health"], http_method=reading, media_type="text/plain", include_in_schema=False)
    async def health() -> str:
        """The process answers."""
        return "OK"

    @route("/readyz", http_method=reading, include_in_schema=False)
    async def ready() -> Response[dict[str, Any]]:
        """Everything that a request needs is there; else 503 and what is missing."""
        found = {name: await _outcome(check, within) for name, check in checks.items()}
        ok = not any(found.values())
        told = {name: "ok" if text is None else text for name, text in found.items()}
        body = {"status": "ok" if ok else "unavailable", "checks": told}
        return Response(body, status_code=200 if ok else 503)

    return [health, ready]


async def _outcome(check: Check, within: float) -> str | None:
    try:
        async with asyncio.timeout(within):
            return await check()
    except TimeoutError:
        return f"no answer within {within:g} s"


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
