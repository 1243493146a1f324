"""Settings of authentication (contract: `auth.*`, spec/platform §10)."""

from typing import Literal

import msgspec

from dwctl.core.settings import Duration
from dwctl.identity.principal import STANDARD, Role


class PasswordSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Passwords: length in characters, cost of Argon2id."""

    min_length: int = 8
    max_length: int = 64
    argon2_memory_kib: int = 19456
    argon2_iterations: int = 2
    argon2_parallelism: int = 1


class SessionSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The session cookie."""

    timeout: Duration = Duration(86400)
    cookie_name: str = "dwctl_session"
    cookie_secure: bool | None = None
    """Unset: only over https."""
    cookie_same_site: Literal["strict", "lax", "none"] = "strict"
    cookie_domain: str | None = None


class NativeSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Accounts with a password."""

    enabled: bool = True
    allow_registration: bool = False
    password: PasswordSettings = PasswordSettings()
    session: SessionSettings = SessionSettings()


class CorsSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which other origins a browser may call us from."""

    allowed_origins: tuple[str, ...] = ()
    allow_credentials: bool = True
    max_age: int = 3600
    exposed_headers: tuple[str, ...] = ("location",)


class SecuritySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Tokens and origins."""

    jwt_expiry: Duration = Duration(86400)
    cors: CorsSettings = CorsSettings()


class AuthSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who may sign in, and how."""

    native: NativeSettings = NativeSettings()
    default_user_roles: tuple[Role, ...] = (STANDARD,)
    """Roles of people who register themselves."""
    security: SecuritySettings = SecuritySettings()
