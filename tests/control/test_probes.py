"""Whether the process lives and can work: for load balancers and people."""

import asyncio
from typing import Any

import httpx
import pytest

from dwctl.control.app import CHECK_WITHIN, Check, build_app
from dwctl.server.settings import Settings, config_of
from tests.control.house import House

CONFIG = config_of(Settings())


async def ask(
    house: House, checks: dict[str, Check], method: str = "GET", within: float = CHECK_WITHIN
) -> httpx.Response:
    """The answer of `/readyz` with these checks."""
    application: Any = build_app(
        plane=house.plane,
        config=CONFIG,
        cors=house.settings.security.cors,
        version="1.2.3",
        checks=checks,
        metrics=None,
        ai_routes=[],
        check_within=within,
    )
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://dwctl.test") as client:
        return await client.request(method, "/readyz")


async def well() -> str | None:
    """A check that passes."""
    return None


async def ill() -> str | None:
    """A check that fails."""
    return "the disk is full"


@pytest.mark.parametrize("path", ["/healthz", "/health"])
async def test_the_process_answers(house: House, path: str) -> None:
    answer = await house.call("GET", path)
    assert (answer.status_code, answer.text) == (200, "OK")
    assert answer.headers["content-type"].startswith("text/plain")
    head = await house.call("HEAD", path)
    assert (head.status_code, head.content) == (200, b"")


async def test_health_needs_no_database(house: House) -> None:
    await house.database.close()
    for path in ("/healthz", "/health"):
        assert (await house.call("GET", path)).status_code == 200


async def test_ready_when_every_check_passes(house: House) -> None:
    answer = await ask(house, {"database": well, "recording": well})
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "checks": {"database": "ok", "recording": "ok"}}


async def test_not_ready_says_what_is_missing(house: House) -> None:
    answer = await ask(house, {"database": well, "recording": ill})
    assert answer.status_code == 503
    assert answer.json() == {
        "status": "unavailable",
        "checks": {"database": "ok", "recording": "the disk is full"},
    }
    assert (await ask(house, {"recording": ill}, "HEAD")).status_code == 503


async def test_a_check_that_hangs_is_given_up(house: House) -> None:
    async def hang() -> str | None:
        await asyncio.Event().wait()
        return None

    answer = await ask(house, {"database": hang}, within=0.01)
    assert answer.status_code == 503
    assert answer.json()["checks"] == {"database": "no answer within 0.01 s"}


async def test_metrics_are_there_only_when_switched_on(house: House) -> None:
    on = await house.call("GET", "/internal/metrics")
    assert (on.status_code, on.text) == (200, "up 1\n")
    assert on.headers["content-type"].startswith("text/plain; version=0.0.4")
    application: Any = build_app(
        plane=house.plane,
        config=CONFIG,
        cors=house.settings.security.cors,
        version="1.2.3",
        checks={},
        metrics=None,
        ai_routes=[],
    )
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://dwctl.test") as client:
        assert (await client.get("/internal/metrics")).status_code == 404


async def test_metrics_ask_for_their_token(house: House) -> None:
    async def page() -> bytes:
        return b"up 1\n"

    application: Any = build_app(
        plane=house.plane,
        config=CONFIG,
        cors=house.settings.security.cors,
        version="1.2.3",
        checks={},
        metrics=page,
        metrics_token="secret",
        ai_routes=[],
    )
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://dwctl.test") as client:
        told = {
            given: (await client.get("/internal/metrics", headers={"authorization": given})).status_code
            for given in ("", "Bearer secret", "bearer secret", "Bearer wrong", "Basic secret")
        }
    assert told == {
        "": 401,
        "Bearer secret": 200,
        "bearer secret": 200,
        "Bearer wrong": 401,
        "Basic secret": 401,
    }


async def test_an_absent_database_is_503_with_a_time_to_wait(house: House) -> None:
    person = await house.person()
    await house.database.close()
    answer = await house.api("GET", "/users/current", person)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
    assert answer.json() == {
        "error": "unavailable",
        "message": "the database is not connected",
        "retry_after_seconds": 30,
    }
