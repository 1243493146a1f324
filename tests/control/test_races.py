"""Changes that meet: one wins, the others are told why, and nothing is left half done."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from tests.control.house import House, Person
from tests.control.model_server import ModelServer

MANY = 8


async def together(house: House, who: Person, *calls: tuple[str, str, Any]) -> Counter[int]:
    """How often each status came when all are sent at once."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(house.api(method, path, who, body)) for method, path, body in calls]
    return Counter(task.result().status_code for task in tasks)


@pytest.fixture
async def admin(house: House) -> Person:
    """Who does everything."""
    return await house.admin()


async def test_one_name_is_given_once(house: House, admin: Person) -> None:
    endpoint_id = await house.endpoint("http://127.0.0.1:9/v1")
    for path, body, status in (
        ("/groups", {"name": "a"}, 201),
        ("/users", {"username": "a", "email": "a@example.com"}, 201),
        ("/users/current/api-keys", {"name": "a"}, 201),
        ("/endpoints", {"name": "a", "url": "http://127.0.0.1:9/v1", "sync": False}, 201),
        ("/models", {"model_name": "a", "hosted_on": str(endpoint_id)}, 200),
    ):
        found = await together(house, admin, *[("POST", path, body)] * MANY)
        assert found == {status: 1, 409: MANY - 1}, path


async def test_what_is_deleted_at_once_is_deleted_once(house: House, admin: Person) -> None:
    group_id, person = await house.group(), await house.person()
    key_id, _ = await house.key(admin)
    endpoint_id = await house.endpoint("http://127.0.0.1:9/v1")
    for path in (
        f"/groups/{group_id}",
        f"/users/{person.id}",
        f"/users/current/api-keys/{key_id}",
        f"/endpoints/{endpoint_id}",
    ):
        found = await together(house, admin, *[("DELETE", path, None)] * MANY)
        assert found == {204: 1, 404: MANY - 1}, path


async def test_memberships_can_be_repeated_at_once(house: House, admin: Person) -> None:
    group_id, person = await house.group(), await house.person()
    path = f"/groups/{group_id}/users/{person.id}"
    for method in ("POST", "DELETE"):
        assert await together(house, admin, *[(method, path, None)] * MANY) == {204: MANY}


async def test_synchronizations_take_turns(house: House, admin: Person, model_server: ModelServer) -> None:
    endpoint_id = await house.endpoint(model_server.url)
    path = f"/endpoints/{endpoint_id}/synchronize"
    assert await together(house, admin, *[("POST", path, None)] * MANY) == {200: MANY}
    assert (await house.api("GET", "/models", admin)).json()["total_count"] == 3


async def test_joining_a_group_that_goes_away_is_no_fault(house: House, admin: Person) -> None:
    for _ in range(5):
        group_id, person = await house.group(), await house.person()
        found = await together(
            house,
            admin,
            ("DELETE", f"/groups/{group_id}", None),
            *[("POST", f"/groups/{group_id}/users/{person.id}", None)] * MANY,
        )
        assert set(found) <= {204, 400, 404}
        own = (await house.api("GET", f"/users/{person.id}/groups", admin)).json()
        assert [group["name"] for group in own] == ["Everyone"]


async def test_changes_of_different_fields_of_a_model_all_stay(house: House, admin: Person) -> None:
    await house.endpoint("http://127.0.0.1:9/v1", "a")
    path = f"/models/{await house.model('a')}"
    wanted: dict[str, Any] = {
        "display_name": "A",
        "description": "the first",
        "capacity": 7,
        "throughput": 3.5,
        "sanitize_responses": True,
        "trusted": True,
        "requests_per_minute": 60,
        "capabilities": ["vision"],
    }
    found = await together(house, admin, *[("PATCH", path, {name: wanted[name]}) for name in wanted])
    assert found == {200: len(wanted)}
    after = (await house.api("GET", path, admin)).json()
    assert {name: after[name] for name in wanted} == wanted


async def test_rules_that_point_at_each_other_can_be_set_at_once(house: House, admin: Person) -> None:
    await house.endpoint("http://127.0.0.1:9/v1", "a", "b")
    path = {name: f"/models/{await house.model(name)}" for name in "ab"}
    for _ in range(5):
        rules = {
            other: [{"api_key_purpose": "batch", "action": {"type": "redirect", "target": name}}]
            for name, other in ("ab", "ba")
        }
        calls = [("PATCH", path[name], {"traffic_routing_rules": rules[name]}) for name in "ab"]
        assert await together(house, admin, *calls) == {200: 2}
        none: list[tuple[str, str, Any]] = [
            ("PATCH", path[name], {"traffic_routing_rules": []}) for name in "ab"
        ]
        assert await together(house, admin, *none) == {200: 2}


async def test_a_change_of_a_model_is_made_whole_or_not_at_all(house: House, admin: Person) -> None:
    await house.endpoint("http://127.0.0.1:9/v1", "a", "b")
    path = f"/models/{await house.model('a')}"
    tariff = {"name": "new", "input_price_per_token": "1", "output_price_per_token": "1"}
    rule = {"api_key_purpose": "batch", "action": {"type": "deny"}}
    change = {"alias": "b", "tariffs": [tariff], "traffic_routing_rules": [rule]}
    assert (await house.api("PATCH", path, admin, change)).status_code == 409
    after = (await house.api("GET", f"{path}?include=pricing", admin)).json()
    assert (after["alias"], after["tariffs"], after["traffic_routing_rules"]) == ("a", [], [])
