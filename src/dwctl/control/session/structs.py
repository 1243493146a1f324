"""Signing in and out on the wire (spec/platform §1.1)."""

from uuid import UUID

import msgspec

from dwctl.control.users.structs import User
from dwctl.web.body import Body


class Login(Body, kw_only=True):
    """Body of POST login."""

    email: str
    password: str


class Registration(Body, kw_only=True):
    """Body of POST register."""

    username: str
    email: str
    password: str
    display_name: str | None = None


class PasswordChange(Body, kw_only=True):
    """Body of POST password-change."""

    current_password: str
    new_password: str


class OrganizationChoice(Body, kw_only=True):
    """Body of POST session/organization."""

    organization_id: UUID | None
    """Null: the person's own account."""


class ActiveOrganization(msgspec.Struct, frozen=True):
    """For which organization a session acts."""

    active_organization_id: UUID | None


class State(msgspec.Struct, frozen=True):
    """Whether a way in is open."""

    enabled: bool
    message: str


class LoginState(State, frozen=True):
    """Whether signing in is on, and whether this client seems to have done so."""

    session: bool
    """Whether the request carries a session cookie; whether that still counts `GET /users/current` says. With it a page
    need not ask who somebody is whom nobody knows, and be told 401."""


class SignedIn(msgspec.Struct, frozen=True):
    """The answer to a sign-in."""

    user: User
    message: str


class Message(msgspec.Struct, frozen=True):
    """An answer in words."""

    message: str
