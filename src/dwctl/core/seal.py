"""Secrets at rest: AES-256-GCM under a key derived from the installation's secret key.

Sealed form: one byte of version (1), 12 bytes of nonce, ciphertext with its 16-byte tag (NIST SP 800-38D). The
encryption key is HKDF-SHA256 (RFC 5869) of the secret key, so that sessions and seals never share one; and each purpose
has its own, so that what was sealed for one cannot be opened for another.
"""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

VERSION = 1
_NONCE_BYTES = 12
_LEAST_BYTES = 1 + _NONCE_BYTES + 16


class SealError(Exception):
    """What was sealed cannot be opened: another secret key, or damaged bytes."""


class Seal:
    """Seals and opens text."""

    def __init__(self, secret_key: str, purpose: str = "dwctl seal") -> None:
        derive = HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose.encode())
        self._cipher = AESGCM(derive.derive(secret_key.encode()))

    def seal(self, text: str) -> bytes:
        """The sealed form of a text; never the same twice."""
        nonce = os.urandom(_NONCE_BYTES)
        return bytes([VERSION]) + nonce + self._cipher.encrypt(nonce, text.encode(), None)

    def open(self, sealed: bytes) -> str:
        """The text; raises `SealError`."""
        if len(sealed) < _LEAST_BYTES or sealed[0] != VERSION:
            raise SealError("it is not in the form that this version seals")
        nonce, ciphertext = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            return self._cipher.decrypt(nonce, ciphertext, None).decode()
        except InvalidTag as error:
            raise SealError("the secret_key is not the one it was sealed with") from error
