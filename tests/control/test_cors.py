"""Pages of other origins: none unless configured, and then only those."""

import httpx
import pytest

from dwctl.db.postgres import Database
from dwctl.identity.settings import AuthSettings, CorsSettings, NativeSettings, SecuritySettings
from tests.control.house import ADMIN, CHEAP, House

CONSOLE = "https://console.example"
EVIL = "https://evil.example"
KEYS = f"{ADMIN}/users/current/api-keys"


def with_cors(database: Database, cors: CorsSettings) -> House:
    """The control plane with these origins."""
    settings = AuthSettings(native=NativeSettings(password=CHEAP), security=SecuritySettings(cors=cors))
    return House(database, settings)


@pytest.fixture
def open_house(database: Database) -> House:
    """For the console."""
    return with_cors(database, CorsSettings(allowed_origins=(CONSOLE,)))


async def preflight(house: House, origin: str, path: str = KEYS) -> httpx.Response:
    """What a browser asks before a page may call."""
    return await house.call(
        "OPTIONS",
        path,
        headers={
            "origin": origin,
            "access-control-request-method": "POST",
            "access-control-request-headers": "content-type, authorization",
        },
    )


async def test_without_settings_no_other_page_gets_anything(house: House) -> None:
    for answer in (
        await preflight(house, CONSOLE),
        await house.call("GET", "/healthz", headers={"origin": CONSOLE}),
    ):
        assert not [name for name in answer.headers if name.startswith("access-control-")]


async def test_a_configured_page_may_ask_before_it_calls_a_model(open_house: House) -> None:
    answer = await preflight(open_house, CONSOLE, "/ai/v1/chat/completions")
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == CONSOLE
    assert (
        "access-control-allow-origin"
        not in (await preflight(open_house, EVIL, "/ai/v1/chat/completions")).headers
    )


async def test_a_configured_page_may_ask_first(open_house: House) -> None:
    answer = await preflight(open_house, CONSOLE)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == CONSOLE
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert answer.headers["access-control-max-age"] == "3600"
    assert answer.headers["vary"] == "Origin"
    assert {"GET", "POST", "PATCH", "DELETE"} <= set(
        answer.headers["access-control-allow-methods"].split(", ")
    )
    allowed = answer.headers["access-control-allow-headers"].lower().split(", ")
    assert {"content-type", "authorization"} <= set(allowed)


async def test_other_pages_are_not_let_in(open_house: House) -> None:
    for origin in (EVIL, f"{CONSOLE}.evil.example", "http://console.example", "null"):
        assert "access-control-allow-origin" not in (await preflight(open_house, origin)).headers
        answer = await open_house.call("GET", "/healthz", headers={"origin": origin})
        assert "access-control-allow-origin" not in answer.headers


async def test_a_configured_page_acts_with_a_session(open_house: House) -> None:
    person = await open_house.person()
    for origin, status in ((CONSOLE, 201), (EVIL, 403)):
        answer = await open_house.call("POST", KEYS, person, {"name": origin}, headers={"origin": origin})
        assert answer.status_code == status
    made = await open_house.call("POST", KEYS, person, {"name": "b"}, headers={"origin": CONSOLE})
    assert made.headers["access-control-allow-origin"] == CONSOLE
    assert made.headers["access-control-expose-headers"] == "location"


async def test_errors_can_be_read_too(open_house: House) -> None:
    for path in (KEYS, f"{ADMIN}/nothing"):
        answer = await open_house.call("GET", path, headers={"origin": CONSOLE})
        assert answer.status_code in (401, 404)
        assert answer.headers["access-control-allow-origin"] == CONSOLE


async def test_every_page_without_sessions(database: Database) -> None:
    cors = CorsSettings(allowed_origins=("*",), allow_credentials=False, exposed_headers=("x-a", "x-b"))
    house = with_cors(database, cors)
    answer = await house.call("GET", "/healthz", headers={"origin": EVIL})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-expose-headers"] == "x-a, x-b"
    assert "access-control-allow-credentials" not in answer.headers
    person = await house.person()
    acted = await house.call("POST", KEYS, person, {"name": "a"}, headers={"origin": EVIL})
    assert acted.status_code == 403
