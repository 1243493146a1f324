"""Session tokens: JWT (RFC 7519), HS256, claims `sub`, `iat`, `exp` as in the contract."""

from datetime import UTC, datetime
from uuid import UUID

import jwt
import msgspec

from dwctl.core.clock import Clock


class Session(msgspec.Struct, frozen=True):
    """A token that holds."""

    user_id: UUID
    issued_at: datetime


class Sessions:
    """Signs and reads tokens with the installation's secret key."""

    def __init__(self, secret_key: str, lifetime: float, clock: Clock) -> None:
        self._key = b"dwctl session:" + secret_key.encode()
        self._lifetime = lifetime
        self._clock = clock

    def sign(self, user_id: UUID) -> str:
        """A fresh token."""
        now = self._clock.now()
        claims = {"sub": str(user_id), "iat": now, "exp": now + self._lifetime}
        return jwt.encode(claims, self._key, algorithm="HS256")

    def read(self, token: str) -> Session | None:
        """The session of a token, or None when it does not hold."""
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=["HS256"],
                options={"require": ["sub", "iat", "exp"], "verify_exp": False, "verify_iat": False},
            )
            issued, expires = float(claims["iat"]), float(claims["exp"])
            user_id = UUID(claims["sub"])
        except (jwt.InvalidTokenError, ValueError, TypeError):
            return None
        if not issued - 60 <= self._clock.now() < expires:
            return None
        return Session(user_id, datetime.fromtimestamp(issued, UTC))
