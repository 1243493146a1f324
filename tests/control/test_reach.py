"""Endpoints where none may be: refused with the field and the setting, and nobody there is asked."""

import pytest

from dwctl.core.reach import reach_of
from dwctl.db.postgres import Database
from tests.control.house import House, Person
from tests.control.model_server import ModelServer

EXCLUDED = "may not be called: gateway.upstream.allow_private excludes it"


@pytest.fixture
def house(database: Database) -> House:
    """A control plane for the internet's model servers alone."""
    return House(database, reach=reach_of((), private=False))


@pytest.fixture
async def manager(house: House) -> Person:
    """Who runs the platform."""
    return await house.manager()


@pytest.mark.parametrize("more", [{}, {"skip_fetch": True, "model_filter": ["a"]}, {"sync": False}])
async def test_an_endpoint_inside_is_not_made(
    house: House, manager: Person, model_server: ModelServer, more: dict[str, object]
) -> None:
    wanted = {"name": "inside", "url": model_server.url, **more}
    answer = await house.api("POST", "/endpoints", manager, wanted)
    assert (answer.status_code, answer.text) == (400, f"url: 127.0.0.1 {EXCLUDED}")
    assert (await house.api("GET", "/endpoints", manager)).json() == []


async def test_nor_is_one_moved_or_asked(house: House, manager: Person, model_server: ModelServer) -> None:
    outside = {"name": "outside", "url": "http://8.8.8.8/v1", "skip_fetch": True, "model_filter": ["a"]}
    made = (await house.api("POST", "/endpoints", manager, outside)).json()
    inside = {"url": model_server.url.replace("127.0.0.1", "localhost")}
    answer = await house.api("PATCH", f"/endpoints/{made['id']}", manager, inside)
    assert answer.status_code == 400
    assert answer.text.startswith("url: localhost (")
    assert answer.text.endswith(EXCLUDED)
    asked = {"type": "new", "url": model_server.url}
    found = (await house.api("POST", "/endpoints/validate", manager, asked)).json()
    assert (found["status"], found["error"]) == ("error", f"127.0.0.1 {EXCLUDED}")
