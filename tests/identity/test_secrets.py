"""Keys and passwords: their form, what is kept of them, what does not match."""

import base64
import hashlib
import re

import pytest
from argon2 import extract_parameters
from argon2.low_level import Type

from dwctl.core.errors import BadRequest
from dwctl.identity.secrets import Passwords, digest, new_key, new_password
from dwctl.identity.settings import PasswordSettings

CHEAP = PasswordSettings(argon2_memory_kib=8, argon2_iterations=1)


def test_a_key_has_the_contract_s_form() -> None:
    key = new_key()
    assert re.fullmatch(r"sk-[A-Za-z0-9_-]{43}", key.secret)
    assert len(base64.urlsafe_b64decode(key.secret.removeprefix("sk-") + "=")) == 32
    assert key.digest == hashlib.sha256(key.secret.encode()).digest() == digest(key.secret)
    assert key.shown == key.secret[:10]
    assert new_key().secret != key.secret


def test_a_generated_password_fits_the_rules() -> None:
    password = new_password()
    Passwords(PasswordSettings()).check_length(password)
    assert len(password) == 18
    assert new_password() != password


async def test_passwords_are_argon2id_with_the_contract_s_cost() -> None:
    encoded = await Passwords(PasswordSettings()).hash("correct horse")
    found = extract_parameters(encoded)
    assert (found.type, found.memory_cost, found.time_cost, found.parallelism) == (Type.ID, 19456, 2, 1)
    assert "correct horse" not in encoded


async def test_matching() -> None:
    passwords = Passwords(CHEAP)
    known = await passwords.hash("correct horse")
    assert await passwords.matches("correct horse", known)
    assert not await passwords.matches("correct horse ", known)
    assert not await passwords.matches("", known)
    assert await passwords.hash("correct horse") != known


async def test_nobody_and_broken_hashes_match_nothing() -> None:
    passwords = Passwords(CHEAP)
    assert not await passwords.matches("correct horse", None)
    assert not await passwords.matches("correct horse", "")
    assert not await passwords.matches("correct horse", "$argon2id$broken")


async def test_hashes_of_other_costs_still_match() -> None:
    known = await Passwords(CHEAP).hash("correct horse")
    dearer = Passwords(PasswordSettings(argon2_memory_kib=16, argon2_iterations=2))
    assert await dearer.matches("correct horse", known)


@pytest.mark.parametrize(("length", "fits"), [(7, False), (8, True), (64, True), (65, False)])
def test_length(length: int, fits: bool) -> None:
    passwords = Passwords(CHEAP)
    if fits:
        passwords.check_length("x" * length)
    else:
        with pytest.raises(BadRequest, match=f"new_password: expected 8 to 64 characters, got {length}"):
            passwords.check_length("x" * length, "new_password")
