"""Signing in, out, up, and changing one's password (spec/platform §1.1, §2.3)."""

from typing import Any
from uuid import UUID

from litestar import Request, Response, Router, get, post
from litestar.datastructures import Cookie
from litestar.di import NamedDependency, Provide
from litestar.params import JSONBody
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED

from dwctl.control.session.actions import SessionActions
from dwctl.control.session.structs import (
    ActiveOrganization,
    Login,
    LoginState,
    Message,
    OrganizationChoice,
    PasswordChange,
    Registration,
    SignedIn,
    State,
)
from dwctl.web.authentication import Who


@get("/login")
async def login_state(
    request: Request[Any, Any, Any], sessions: NamedDependency[SessionActions]
) -> LoginState:
    """Whether signing in with a password is on, and whether a session cookie came along."""
    return sessions.login_state(request.cookies)


@post("/login", status_code=HTTP_200_OK)
async def login(
    request: Request[Any, Any, Any], sessions: NamedDependency[SessionActions], data: JSONBody[Login]
) -> Response[SignedIn]:
    """Sign in: sets the session cookie."""
    user, token = await sessions.login(data.email, data.password, _address(request))
    return Response(SignedIn(user, "Login successful"), cookies=[_cookie(request, sessions, token)])


@get("/register")
async def registration_state(sessions: NamedDependency[SessionActions]) -> State:
    """Whether people may make their own account."""
    return sessions.registration_state


@post("/register", status_code=HTTP_201_CREATED)
async def register(
    request: Request[Any, Any, Any], sessions: NamedDependency[SessionActions], data: JSONBody[Registration]
) -> Response[SignedIn]:
    """Make an account and sign in."""
    user, token = await sessions.register(data, _address(request))
    return Response(SignedIn(user, "Registration successful"), cookies=[_cookie(request, sessions, token)])


@post("/logout", status_code=HTTP_200_OK)
async def logout(
    request: Request[Any, Any, Any], sessions: NamedDependency[SessionActions]
) -> Response[Message]:
    """Sign out: the cookies expire."""
    gone = [_cookie(request, sessions, ""), _organization_cookie(request, sessions, None)]
    return Response(Message("Logout successful"), cookies=gone)


@post("/password-change", status_code=HTTP_200_OK)
async def change_password(
    request: Request[Any, Any, Any],
    principal: Who,
    sessions: NamedDependency[SessionActions],
    data: JSONBody[PasswordChange],
) -> Response[Message]:
    """Set a new password; every other session ends."""
    token = await sessions.change_password(principal, data, _address(request))
    return Response(Message("Password changed"), cookies=[_cookie(request, sessions, token)])


@post("/session/organization", status_code=HTTP_200_OK)
async def choose_organization(
    request: Request[Any, Any, Any],
    principal: Who,
    sessions: NamedDependency[SessionActions],
    data: JSONBody[OrganizationChoice],
) -> Response[ActiveOrganization]:
    """Act for an organization from now on, or for oneself: sets or ends the cookie that says so."""
    await sessions.choose(principal, data.organization_id)
    cookie = _organization_cookie(request, sessions, data.organization_id)
    return Response(ActiveOrganization(data.organization_id), cookies=[cookie])


def _address(request: Request[Any, Any, Any]) -> str:
    return request.client.host if request.client else ""


def _cookie(request: Request[Any, Any, Any], sessions: SessionActions, token: str) -> Cookie:
    return sessions.cookie(token, https=request.url.scheme == "https")


def _organization_cookie(
    request: Request[Any, Any, Any], sessions: SessionActions, organization_id: UUID | None
) -> Cookie:
    return sessions.organization_cookie(organization_id, https=request.url.scheme == "https")


def choice_router(actions: SessionActions) -> Router:
    """The route of the admin API."""
    return Router(
        path="/",
        route_handlers=[choose_organization],
        dependencies={"sessions": Provide(lambda: actions, sync_to_thread=False)},
        tags=["session"],
    )


def public_router(actions: SessionActions) -> Router:
    """The routes for those who are not signed in."""
    return _router(actions, [login_state, login, registration_state, register, logout])


def own_router(actions: SessionActions) -> Router:
    """The routes for those who are."""
    return _router(actions, [change_password])


def _router(actions: SessionActions, handlers: list[Any]) -> Router:
    return Router(
        path="/authentication",
        route_handlers=handlers,
        dependencies={"sessions": Provide(lambda: actions, sync_to_thread=False)},
        tags=["authentication"],
    )
