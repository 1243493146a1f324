"""Session tokens: they hold for their time, for their key, and unchanged."""

import base64
from typing import Any
from uuid import UUID

import jwt
import msgspec
import pytest

from dwctl.identity.sessions import Sessions
from tests.fakes.clock import FakeClock

KEY = "a secret key for tests, 32 bytes and more"
SIGNING = b"dwctl session:" + KEY.encode()
WHO = UUID(int=7)
LIFETIME = 3600.0


def unpadded(content: bytes) -> str:
    """As in a token."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def test_a_token_holds_until_its_end() -> None:
    clock = FakeClock()
    sessions = Sessions(KEY, LIFETIME, clock)
    token = sessions.sign(WHO)
    session = sessions.read(token)
    assert session is not None
    assert (session.user_id, session.issued_at.timestamp()) == (WHO, clock.now())
    clock.advance(LIFETIME - 1)
    assert sessions.read(token) is not None
    clock.advance(1)
    assert sessions.read(token) is None


def test_claims_are_the_contract_s() -> None:
    clock = FakeClock()
    token = Sessions(KEY, LIFETIME, clock).sign(WHO)
    assert jwt.get_unverified_header(token)["alg"] == "HS256"
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims == {"sub": str(WHO), "iat": clock.now(), "exp": clock.now() + LIFETIME}


def test_another_key_signs_other_tokens() -> None:
    clock = FakeClock()
    token = Sessions("another key, of 32 bytes and more too", LIFETIME, clock).sign(WHO)
    assert Sessions(KEY, LIFETIME, clock).read(token) is None


def test_every_changed_part_is_noticed() -> None:
    clock = FakeClock()
    sessions = Sessions(KEY, LIFETIME, clock)
    head, claims, signature = sessions.sign(WHO).split(".")
    other_claims = unpadded(
        msgspec.json.encode({"sub": str(UUID(int=8)), "iat": clock.now(), "exp": clock.now() + LIFETIME})
    )
    unsigned = unpadded(b'{"alg":"none","typ":"JWT"}')
    swapped = "B" if signature[0] == "A" else "A"
    for token in (
        f"{head}.{other_claims}.{signature}",
        f"{head}.{claims}.{swapped}{signature[1:]}",
        f"{head}.{claims}.",
        f"{head}.{claims}",
        f"{unsigned}.{claims}.",
        f"{unsigned}.{claims}.{signature}",
        "",
        "...",
        "nonsense",
        "\x00",
        "ä.ö.ü",
    ):
        assert sessions.read(token) is None, token


@pytest.mark.parametrize(
    "changed",
    [
        {"sub": None},
        {"iat": None},
        {"exp": None},
        {"sub": "somebody"},
        {"iat": "yesterday"},
        {"exp": [1]},
        {"iat": 1_800_000_061.0},
        {"exp": 1_800_000_000.0},
    ],
)
def test_claims_that_make_no_session(changed: dict[str, Any]) -> None:
    clock = FakeClock(1_800_000_000.0)
    claims = {"sub": str(WHO), "iat": clock.now(), "exp": clock.now() + LIFETIME} | changed
    given = {name: value for name, value in claims.items() if value is not None}
    assert Sessions(KEY, LIFETIME, clock).read(jwt.encode(given, SIGNING, algorithm="HS256")) is None


def test_a_clock_that_is_a_little_behind_is_forgiven() -> None:
    clock = FakeClock(1_800_000_000.0)
    claims = {"sub": str(WHO), "iat": clock.now() + 59, "exp": clock.now() + LIFETIME}
    assert Sessions(KEY, LIFETIME, clock).read(jwt.encode(claims, SIGNING, algorithm="HS256")) is not None
