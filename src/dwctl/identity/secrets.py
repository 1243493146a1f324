"""API keys and passwords: made, checked, never stored in clear."""

import asyncio
import base64
import hashlib
import secrets

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from dwctl.core.errors import BadRequest
from dwctl.identity.settings import PasswordSettings

KEY_PREFIX = "sk-"
SHOWN_CHARACTERS = 10
"""How much of a key is kept to recognize it by: the prefix and seven of 43 characters."""


class NewKey(msgspec.Struct, frozen=True):
    """A secret at the one moment that it exists in clear."""

    secret: str
    digest: bytes
    shown: str


def new_key() -> NewKey:
    """`sk-` and 32 random bytes in URL-safe base64: 46 characters."""
    text = base64.urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=").decode()
    secret = KEY_PREFIX + text
    return NewKey(secret, digest(secret), secret[:SHOWN_CHARACTERS])


def digest(secret: str) -> bytes:
    """SHA-256: enough for 256 random bits, and an equality look-up."""
    return hashlib.sha256(secret.encode()).digest()


def new_password() -> str:
    """For the administrator of a first start: 18 characters, 108 bits."""
    return base64.urlsafe_b64encode(secrets.token_bytes(13)).rstrip(b"=").decode()


class Passwords:
    """Argon2id (RFC 9106), off the event loop."""

    def __init__(self, settings: PasswordSettings) -> None:
        self._settings = settings
        self._hasher = PasswordHasher(
            time_cost=settings.argon2_iterations,
            memory_cost=settings.argon2_memory_kib,
            parallelism=settings.argon2_parallelism,
        )
        self._nobody = self._hasher.hash(secrets.token_hex(16))

    def check_length(self, password: str, field: str = "password") -> None:
        """Refuse one that is too short or too long."""
        low, high = self._settings.min_length, self._settings.max_length
        if not low <= len(password) <= high:
            raise BadRequest(f"{field}: expected {low} to {high} characters, got {len(password)}")

    async def hash(self, password: str) -> str:
        """The encoded hash."""
        return await asyncio.to_thread(self._hasher.hash, password)

    async def matches(self, password: str, known: str | None) -> bool:
        """Whether it is the password; takes as long for an account that does not exist."""
        found = await asyncio.to_thread(self._verify, known or self._nobody, password)
        return found and known is not None

    def _verify(self, known: str, password: str) -> bool:
        try:
            return self._hasher.verify(known, password)
        except (VerificationError, InvalidHashError):
            return False
