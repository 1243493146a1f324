"""Groups and memberships: shapes, rules of Everyone, both sides of a membership, what deleting one takes along."""

from uuid import UUID

import pytest

from dwctl.identity.principal import NIL
from tests.control.house import House, Person
from tests.control.model_server import ModelServer

KEYS = {"id", "name", "description", "created_by", "created_at", "updated_at", "source"}
NOBODY = UUID("00000000-0000-4000-8000-000000000404")


@pytest.fixture
async def manager(house: House) -> Person:
    """Who runs the platform."""
    return await house.manager()


async def test_a_group_from_its_making_to_its_end(house: House, manager: Person) -> None:
    made = await house.api("POST", "/groups", manager, {"name": "  research ", "description": "People"})
    assert made.status_code == 201
    group = made.json()
    assert set(group) == KEYS
    assert (group["name"], group["description"], group["source"]) == ("research", "People", "native")
    assert group["created_by"] == str(manager.id)
    path = f"/groups/{group['id']}"
    assert (await house.api("GET", path, manager)).json() == group
    changed = await house.api("PATCH", path, manager, {"name": "lab"})
    assert changed.status_code == 200
    assert (changed.json()["name"], changed.json()["description"]) == ("lab", "People")
    assert changed.json()["updated_at"] > group["updated_at"]
    gone = await house.api("DELETE", path, manager)
    assert (gone.status_code, gone.content) == (204, b"")
    for method in ("GET", "PATCH", "DELETE"):
        answer = await house.api(method, path, manager, {"name": "x"} if method == "PATCH" else None)
        assert (answer.status_code, answer.text) == (404, f"Group with ID {group['id']} not found")


async def test_absent_stays_and_null_clears(house: House, manager: Person) -> None:
    made = await house.api("POST", "/groups", manager, {"name": "a", "description": "b", "unknown": [1]})
    path = f"/groups/{made.json()['id']}"
    assert (await house.api("PATCH", path, manager, {})).json()["description"] == "b"
    assert (await house.api("PATCH", path, manager, {"other": 1})).json()["description"] == "b"
    assert (await house.api("PATCH", path, manager, {"description": None})).json()["description"] is None
    refused = await house.api("PATCH", path, manager, {"name": None})
    assert (refused.status_code, refused.text) == (400, "name: expected str, got null")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, "name: expected, but it is not there"),
        ({"name": 7}, "name: expected str, got int"),
        ({"name": "  "}, "name: expected 1 to 255 characters that are not all blank"),
        ({"name": "x" * 256}, "name: expected 1 to 255 characters that are not all blank"),
        ({"name": "a\0b"}, "name: expected text without NUL characters"),
        ({"name": "a", "description": []}, "description: expected str | null, got array"),
        ([], "body: expected object, got array"),
    ],
)
async def test_wrong_bodies_name_the_field(house: House, manager: Person, body: object, text: str) -> None:
    answer = await house.api("POST", "/groups", manager, body)
    assert (answer.status_code, answer.text) == (400, text)


async def test_a_taken_name_is_a_conflict_in_json(house: House, manager: Person) -> None:
    await house.api("POST", "/groups", manager, {"name": "taken"})
    other = (await house.api("POST", "/groups", manager, {"name": "other"})).json()["id"]
    expected = {"message": "A group with the name 'taken' already exists.", "resource": "group"}
    for answer in (
        await house.api("POST", "/groups", manager, {"name": "taken"}),
        await house.api("PATCH", f"/groups/{other}", manager, {"name": "taken"}),
    ):
        assert (answer.status_code, answer.json()) == (409, expected)
        assert answer.headers["content-type"] == "application/json"


async def test_pages_from_both_ends(house: House, manager: Person) -> None:
    for number in range(12):
        await house.api("POST", "/groups", manager, {"name": f"group {number}", "description": "Numbered"})
    first = (await house.api("GET", "/groups", manager)).json()
    assert set(first) == {"data", "total_count", "skip", "limit"}
    assert (len(first["data"]), first["total_count"], first["skip"], first["limit"]) == (10, 13, 0, 10)
    assert first["data"][0]["name"] == "group 11"
    last = (await house.api("GET", "/groups?skip=10&limit=50", manager)).json()
    assert [group["name"] for group in last["data"]] == ["group 1", "group 0", "Everyone"]
    past = (await house.api("GET", "/groups?skip=13", manager)).json()
    assert (past["data"], past["total_count"]) == ([], 13)
    clamped = (await house.api("GET", "/groups?skip=-5&limit=1000", manager)).json()
    assert (clamped["skip"], clamped["limit"], len(clamped["data"])) == (0, 101, 13)


async def test_search_is_by_name_and_description_and_has_no_wildcards(house: House, manager: Person) -> None:
    await house.api("POST", "/groups", manager, {"name": "100% sure", "description": "Blue team"})
    await house.api("POST", "/groups", manager, {"name": "1000 ships"})

    async def found(search: str) -> list[str]:
        page = (await house.api("GET", f"/groups?search={search}", manager)).json()
        assert page["total_count"] == len(page["data"])
        return [group["name"] for group in page["data"]]

    assert await found("BLUE") == ["100% sure"]
    assert await found("100%25") == ["100% sure"]
    assert await found("100") == ["1000 ships", "100% sure"]
    assert await found("nothing") == []


async def test_lists_can_hold_members_and_models(house: House, manager: Person) -> None:
    person = await house.person()
    await house.endpoint("http://127.0.0.1:9/v1", "llama")
    model_id = await house.model("llama")
    group_id = await house.group(person, models=[model_id])
    page = (await house.api("GET", "/groups?include=users,models,unheard_of", manager)).json()
    ours, everyone = page["data"]
    assert set(ours) == {*KEYS, "users", "models"}
    assert ours["id"] == str(group_id)
    (member,) = ours["users"]
    assert member["id"] == str(person.id)
    assert member["email"] == person.email
    assert set(member) == {"id", "username", "email", "display_name", "avatar_url"}
    assert ours["models"] == [
        {
            "id": str(model_id),
            "alias": "llama",
            "model_name": "llama",
            "display_name": None,
            "model_type": "CHAT",
        }
    ]
    assert {user["id"] for user in everyone["users"]} == {str(person.id), str(manager.id)}
    assert everyone["models"] == []
    plain = (await house.api("GET", "/groups", manager)).json()["data"][0]
    assert set(plain) == KEYS


@pytest.mark.parametrize("side", ["group", "user"])
async def test_membership_is_the_same_from_both_sides(house: House, manager: Person, side: str) -> None:
    person, group_id = await house.person(), await house.group()

    def path(user: UUID = person.id, group: UUID = group_id) -> str:
        return f"/groups/{group}/users/{user}" if side == "group" else f"/users/{user}/groups/{group}"

    async def members() -> list[str]:
        listed: list[str] = (await house.api("GET", f"/groups/{group_id}/users", manager)).json()
        return listed

    for _ in range(2):
        assert (await house.api("POST", path(), manager)).status_code == 204
        assert await members() == [str(person.id)]
    for _ in range(2):
        assert (await house.api("DELETE", path(), manager)).status_code == 204
        assert await members() == []
    for method in ("POST", "DELETE"):
        unknown = await house.api(method, path(user=NOBODY), manager)
        assert (unknown.status_code, unknown.text) == (404, f"User with ID {NOBODY} not found")
        unknown = await house.api(method, path(group=NOBODY), manager)
        assert (unknown.status_code, unknown.text) == (404, f"Group with ID {NOBODY} not found")
        system = await house.api(method, path(user=NIL), manager)
        assert system.status_code == 404


async def test_a_person_sees_their_groups_with_everyone_last(house: House, manager: Person) -> None:
    person, foreign = await house.person(), await house.person()
    await house.group(person)
    own = await house.api("GET", f"/users/{person.id}/groups", person)
    assert [group["name"] for group in own.json()] == ["group-4", "Everyone"]
    assert all("created_by" not in group for group in own.json())
    assert (await house.api("GET", "/users/current/groups", person)).json() == own.json()
    seen = (await house.api("GET", f"/users/{person.id}/groups", manager)).json()
    assert [set(group) for group in seen] == [KEYS, KEYS]
    refused = await house.api("GET", f"/users/{person.id}/groups", foreign)
    assert (refused.status_code, refused.text) == (403, "Insufficient permissions to Read Groups")
    assert (await house.api("GET", f"/users/{NOBODY}/groups", manager)).status_code == 404


async def test_everyone_is_virtual_and_cannot_be_changed(house: House, manager: Person) -> None:
    person = await house.person()
    path = f"/groups/{NIL}"
    everyone = await house.api("GET", path, manager)
    assert (everyone.status_code, everyone.json()["name"]) == (200, "Everyone")
    members = (await house.api("GET", f"{path}/users", manager)).json()
    assert set(members) == {str(person.id), str(manager.id)}
    for method, where, body in (
        ("PATCH", path, {"name": "x"}),
        ("PATCH", path, {"description": None}),
        ("DELETE", path, None),
        ("POST", f"{path}/users/{person.id}", None),
        ("DELETE", f"{path}/users/{person.id}", None),
        ("POST", f"/users/{person.id}/groups/{NIL}", None),
        ("DELETE", f"/users/{person.id}/groups/{NIL}", None),
    ):
        answer = await house.api(method, where, manager, body)
        assert answer.status_code == 403, f"{method} {where}"
        assert "Everyone" in answer.text
        assert answer.headers["content-type"].startswith("text/plain")
    assert (await house.api("GET", path, manager)).json() == everyone.json()


async def test_everyone_can_be_given_models(house: House, manager: Person) -> None:
    person = await house.person()
    await house.endpoint("http://127.0.0.1:9/v1", "llama")
    model_id = await house.model("llama")
    path = f"/groups/{NIL}/models/{model_id}"
    assert (await house.api("GET", f"/models/{model_id}", person)).status_code == 404
    assert (await house.api("POST", path, manager)).status_code == 204
    assert (await house.api("GET", f"/models/{model_id}", person)).status_code == 200
    assert (await house.api("DELETE", path, manager)).status_code == 204
    assert (await house.api("GET", f"/models/{model_id}", person)).status_code == 404


async def test_models_of_a_group(house: House, manager: Person) -> None:
    person, group_id = await house.person(), await house.group()
    await house.endpoint("http://127.0.0.1:9/v1", "llama")
    model_id = await house.model("llama")
    await house.api("POST", f"/groups/{group_id}/users/{person.id}", manager)

    async def reachable() -> list[str]:
        page = (await house.api("GET", "/models", person)).json()
        return [model["alias"] for model in page["data"]]

    path = f"/groups/{group_id}/models/{model_id}"
    assert await reachable() == []
    for _ in range(2):
        assert (await house.api("POST", path, manager)).status_code == 204
    assert await reachable() == ["llama"]
    assert (await house.api("GET", f"/groups/{group_id}/models", manager)).json() == [str(model_id)]
    assert (await house.api("GET", f"/models/{model_id}/groups", manager)).json() == [str(group_id)]
    for _ in range(2):
        assert (await house.api("DELETE", path, manager)).status_code == 204
    assert await reachable() == []
    for method in ("POST", "DELETE"):
        unknown = await house.api(method, f"/groups/{group_id}/models/{NOBODY}", manager)
        assert (unknown.status_code, unknown.text) == (404, f"Model with ID {NOBODY} not found")
        unknown = await house.api(method, f"/groups/{NOBODY}/models/{model_id}", manager)
        assert (unknown.status_code, unknown.text) == (404, f"Group with ID {NOBODY} not found")
    for where in (f"/groups/{NOBODY}/models", f"/groups/{NOBODY}/users", f"/models/{NOBODY}/groups"):
        assert (await house.api("GET", where, manager)).status_code == 404


async def test_deleting_a_group_takes_access_and_memberships(house: House, manager: Person) -> None:
    person = await house.person()
    await house.endpoint("http://127.0.0.1:9/v1", "llama")
    model_id = await house.model("llama")
    group_id = await house.group(person, models=[model_id])
    assert (await house.api("GET", f"/models/{model_id}", person)).status_code == 200
    assert (await house.api("DELETE", f"/groups/{group_id}", manager)).status_code == 204
    assert (await house.api("GET", f"/models/{model_id}", person)).status_code == 404
    assert (await house.api("GET", f"/models/{model_id}/groups", manager)).json() == []
    own = (await house.api("GET", "/users/current/groups", person)).json()
    assert [group["name"] for group in own] == ["Everyone"]


async def test_deleted_models_and_people_leave_their_groups(
    house: House, manager: Person, model_server: ModelServer
) -> None:
    person = await house.person()
    await house.endpoint(model_server.url, "llama")
    model_id = await house.model("llama")
    group_id = await house.group(person, models=[model_id])
    await house.api("DELETE", f"/models/{model_id}", manager)
    await house.api("DELETE", f"/users/{person.id}", manager)
    assert (await house.api("GET", f"/groups/{group_id}/models", manager)).json() == []
    assert (await house.api("GET", f"/groups/{group_id}/users", manager)).json() == []
    assert (await house.api("POST", f"/groups/{group_id}/models/{model_id}", manager)).status_code == 404


async def test_readers_of_people_see_members_but_not_groups(house: House) -> None:
    billing, group_id = await house.person("BillingManager"), await house.group()
    assert (await house.api("GET", f"/groups/{group_id}/users", billing)).status_code == 200
    for path in ("/groups", f"/groups/{group_id}", f"/groups/{group_id}/models"):
        answer = await house.api("GET", path, billing)
        assert (answer.status_code, answer.text) == (403, "Insufficient permissions to Read Groups")


@pytest.mark.parametrize(
    ("method", "path", "text"),
    [
        ("POST", "/groups", "Create Groups"),
        ("PATCH", "/groups/{group}", "Update Groups"),
        ("DELETE", "/groups/{group}", "Delete Groups"),
        ("POST", "/groups/{group}/users/{user}", "Update Groups"),
        ("POST", "/users/{user}/groups/{group}", "Update Users"),
        ("DELETE", "/groups/{group}/models/{user}", "Update Groups"),
        ("GET", "/groups/{group}/users", "Read Users"),
    ],
)
async def test_refusals_name_what_is_missing(house: House, method: str, path: str, text: str) -> None:
    person, group_id = await house.person(), await house.group()
    body = {"name": "x"} if path.count("/") <= 2 and method in ("POST", "PATCH") else None
    answer = await house.api(method, path.format(group=group_id, user=person.id), person, body)
    assert (answer.status_code, answer.text) == (403, f"Insufficient permissions to {text}")
