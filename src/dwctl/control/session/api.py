"""Signing in, out, and changing one's password (spec/platform §1.1, §2.3)."""

from typing import Any

import msgspec
from litestar import Request, Response, Router, get, post
from litestar.datastructures import Cookie
from litestar.di import Provide
from litestar.status_codes import HTTP_200_OK

from dwctl.control.session.actions import SessionActions
from dwctl.control.users.structs import User
from dwctl.identity.principal import Principal


class Login(msgspec.Struct, kw_only=True):
    """Body of POST."""

    email: str
    password: str


class LoginState(msgspec.Struct, frozen=True):
    """Whether signing in with a password is on."""

    enabled: bool
    message: str


class SignedIn(msgspec.Struct, frozen=True):
    """The answer to a sign-in."""

    user: User
    message: str


class Message(msgspec.Struct, frozen=True):
    """An answer in words."""

    message: str


class PasswordChange(msgspec.Struct, kw_only=True):
    """Body of POST."""

    current_password: str
    new_password: str


@get("/login", exclude_from_auth=True)
async def login_state(sessions: SessionActions) -> LoginState:
    """Whether signing in with a password is on."""
    return LoginState(enabled=sessions.enabled, message=sessions.state)


@post("/login", status_code=HTTP_200_OK, exclude_from_auth=True)
async def login(request: Request[Any, Any, Any], sessions: SessionActions, data: Login) -> Response[SignedIn]:
    """Sign in: sets the session cookie."""
    address = request.client.host if request.client else ""
    user, token = await sessions.login(data.email, data.password, address)
    cookie = sessions.cookie(token, https=request.url.scheme == "https")
    return Response(SignedIn(user, "Login successful"), cookies=[cookie])


@post("/logout", status_code=HTTP_200_OK, exclude_from_auth=True)
async def logout(request: Request[Any, Any, Any], sessions: SessionActions) -> Response[Message]:
    """Sign out: the cookies expire."""
    https = request.url.scheme == "https"
    gone = [sessions.cookie("", https=https), Cookie(key="dw_active_org", value="", path="/", max_age=0)]
    return Response(Message("Logout successful"), cookies=gone)


@post("/password-change", status_code=HTTP_200_OK)
async def change_password(
    request: Request[Any, Any, Any], principal: Principal, sessions: SessionActions, data: PasswordChange
) -> Response[Message]:
    """Set a new password; every other session ends."""
    token = await sessions.change_password(principal, data.current_password, data.new_password)
    cookie = sessions.cookie(token, https=request.url.scheme == "https")
    return Response(Message("Password changed"), cookies=[cookie])


def router(actions: SessionActions) -> Router:
    """All routes of this resource."""
    return Router(
        path="/authentication",
        route_handlers=[login_state, login, logout, change_password],
        dependencies={"sessions": Provide(lambda: actions, sync_to_thread=False)},
        tags=["authentication"],
    )
