"""An endpoint whose address this installation does not call is refused when it is set."""

import pytest

from dwctl.core.dial import Dialer
from dwctl.core.reach import NetworkSettings, Reach
from dwctl.db.postgres import Database
from tests.control.house import House
from tests.control.model_server import ModelServer

METADATA = "http://169.254.169.254/latest"


@pytest.mark.parametrize(
    "url", [METADATA, "http://2852039166/v1", "http://[::ffff:169.254.169.254]/v1", "http://[fd00:ec2::254]/"]
)
@pytest.mark.parametrize("more", [{}, {"sync": False}, {"skip_fetch": True, "model_filter": ["a"]}])
async def test_metadata_services_are_refused_by_default(
    house: House, url: str, more: dict[str, object]
) -> None:
    manager = await house.manager()
    answer = await house.api("POST", "/endpoints", manager, {"name": "x", "url": url, **more})
    assert answer.status_code == 400, answer.text
    assert answer.text.startswith("url: ") or '"url: ' in answer.text
    assert "is not allowed by gateway.upstream.networks.link_local" in answer.text
    assert (await house.api("GET", "/endpoints", manager)).json() == []


async def test_validation_says_so_too(house: House) -> None:
    manager = await house.manager()
    answer = await house.api("POST", "/endpoints/validate", manager, {"type": "new", "url": METADATA})
    assert answer.status_code == 400
    assert "url: 169.254.169.254: 169.254.169.254 is not allowed" in answer.text


async def test_a_change_of_the_address_is_looked_at_and_no_other(
    database: Database, model_server: ModelServer
) -> None:
    before = House(database)
    manager = await before.manager()
    made = (await before.api("POST", "/endpoints", manager, {"name": "here", "url": model_server.url})).json()
    path = f"/endpoints/{made['id']}"
    strict = House(database, dialer=Dialer(Reach(NetworkSettings(loopback=False))))
    changed = await strict.api("PATCH", path, manager, {"url": model_server.url.replace("v1", "v2")})
    assert changed.status_code == 400
    assert "url: 127.0.0.1: 127.0.0.1 is not allowed by gateway.upstream.networks.loopback" in changed.text
    assert (await strict.api("PATCH", path, manager, {"description": "Rack 4"})).status_code == 200
    assert (await strict.api("GET", path, manager)).json()["url"] == made["url"]
    asked = len(model_server.heads)
    synced = await strict.api("POST", f"{path}/synchronize", manager)
    assert synced.status_code == 400
    assert "networks.loopback" in synced.text
    assert len(model_server.heads) == asked


async def test_the_server_is_asked_by_its_name(house: House, model_server: ModelServer) -> None:
    manager = await house.manager()
    url = model_server.url.replace("127.0.0.1", "localhost")
    answer = await house.api("POST", "/endpoints", manager, {"name": "named", "url": url})
    assert answer.status_code == 201, answer.text
    host = url.removeprefix("http://").partition("/")[0]
    assert f"\r\nhost: {host}\r\n" in model_server.heads[0].lower()


async def test_a_name_that_nobody_knows_yet_may_be_set(house: House) -> None:
    manager = await house.manager()
    wanted = {"name": "later", "url": "http://not-there-yet.invalid/v1", "sync": False}
    assert (await house.api("POST", "/endpoints", manager, wanted)).status_code == 201
