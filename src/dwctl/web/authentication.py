"""Who is asking: found out by a guard, before anything else of a request is read.

Which keys a route takes belongs to the route, never to the text of the path: `//admin/api/…` and `/admin/api/…`
lead to the same handler.
"""

from collections.abc import Collection
from typing import Any, TypeAlias

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency, Provide
from litestar.handlers import BaseRouteHandler
from litestar.types import Guard

from dwctl.core.errors import Forbidden, Unauthenticated
from dwctl.identity.authenticate import Authenticator
from dwctl.identity.principal import Principal
from dwctl.web.origin import allowed_origin
from dwctl.web.peer import peer_of

Who: TypeAlias = NamedDependency[Principal]
"""The parameter `principal` of a route below a guarded router."""


def guard(authenticator: Authenticator, purposes: Collection[str], origins: Collection[str]) -> Guard:
    """Let only people and their keys through; with a session, only pages of ours or of `origins` may act."""

    async def authenticate(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        found = await authenticator.principal(
            connection.headers, connection.cookies, purposes, peer_of(connection)
        )
        if found is None:
            raise Unauthenticated("Not authenticated")
        method = connection.scope.get("method", "GET")
        if found.key_id is None and not allowed_origin(str(method), connection.headers, origins):
            raise Forbidden("This origin may not act with a session")
        connection.scope["user"] = found

    return authenticate


def principal_dependency() -> dict[str, Provide]:
    """For a guarded router: what the guard found."""

    async def principal(request: Request[Principal, Any, Any]) -> Principal:
        return request.user

    return {"principal": Provide(principal)}
