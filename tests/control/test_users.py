"""People: shapes, who may see and change whom, roles, and what deleting somebody takes along."""

from typing import Any
from uuid import UUID

import pytest

from dwctl.identity.principal import NIL
from tests.control.house import House, Person

KEYS = {
    *(
        "id",
        "username",
        "email",
        "display_name",
        "avatar_url",
        "is_admin",
        "roles",
        "created_at",
        "updated_at",
    ),
    *("last_login", "auth_source", "external_user_id", "user_type", "has_payment_provider_id"),
    *("batch_notifications_enabled", "low_balance_threshold", "auto_topup_amount", "auto_topup_threshold"),
    *("auto_topup_monthly_limit", "has_auto_topup_payment_method"),
}
NOBODY = UUID("00000000-0000-4000-8000-000000000404")
ANNA: dict[str, Any] = {"username": "anna", "email": "anna@example.com"}


@pytest.fixture
async def manager(house: House) -> Person:
    """Who runs the platform."""
    return await house.manager()


async def test_a_person_from_beginning_to_end(house: House, manager: Person) -> None:
    made = await house.api(
        "POST", "/users", manager, {**ANNA, "display_name": "Anna", "roles": ["RequestViewer"], "more": 1}
    )
    assert made.status_code == 201
    user = made.json()
    assert set(user) == KEYS
    assert (user["username"], user["email"], user["display_name"]) == ("anna", "anna@example.com", "Anna")
    assert user["roles"] == ["RequestViewer", "StandardUser"]
    assert (user["is_admin"], user["user_type"], user["auth_source"]) == (False, "individual", "native")
    assert user["last_login"] is None
    path = f"/users/{user['id']}"
    assert (await house.api("GET", path, manager)).json() == user
    gone = await house.api("DELETE", path, manager)
    assert (gone.status_code, gone.content) == (204, b"")
    for method in ("GET", "PATCH", "DELETE"):
        answer = await house.api(method, path, manager, {} if method == "PATCH" else None)
        assert (answer.status_code, answer.text) == (404, f"User with ID {user['id']} not found")
    again = await house.api("POST", "/users", manager, ANNA)
    assert again.status_code == 201
    assert again.json()["id"] != user["id"]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"username": "anna"}, "email: expected, but it is not there"),
        ({"email": "anna@example.com"}, "username: expected, but it is not there"),
        ({**ANNA, "username": " "}, "username: expected 1 to 255 characters that are not all blank"),
        ({**ANNA, "username": "x" * 256}, "username: expected 1 to 255 characters that are not all blank"),
        ({**ANNA, "email": "anna"}, "email: expected an address such as name@example.com"),
        ({**ANNA, "email": "a b@example.com"}, "email: expected an address such as name@example.com"),
        ({**ANNA, "email": "a\0@example.com"}, "email: expected text without NUL characters"),
        ({**ANNA, "email": f"{'a' * 255}@b"}, "email: expected an address such as name@example.com"),
        (
            {**ANNA, "display_name": "x" * 2049},
            "display_name: expected at most 2048 characters, got 2049",
        ),
        ({**ANNA, "avatar_url": 1}, "avatar_url: expected str | null, got int"),
    ],
)
async def test_wrong_bodies_name_the_field(
    house: House, manager: Person, body: dict[str, object], text: str
) -> None:
    answer = await house.api("POST", "/users", manager, body)
    assert (answer.status_code, answer.text) == (400, text)


async def test_unknown_roles_are_refused_with_those_there_are(house: House, manager: Person) -> None:
    for method, path, body in (
        ("POST", "/users", {**ANNA, "roles": ["StandardUser", "King"]}),
        ("PATCH", f"/users/{manager.id}", {"roles": ["StandardUser", "King"]}),
    ):
        answer = await house.api(method, path, manager, body)
        assert answer.status_code == 400
        assert answer.text.startswith("roles[1]: expected one of ")
        assert "BatchAPIUser" in answer.text
        assert answer.text.endswith("got 'King'")


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"username": "other"}, "email"),
        ({"username": "other", "email": "ANNA@Example.com"}, "email"),
        ({"email": "other@example.com"}, "username"),
    ],
)
async def test_taken_names_are_conflicts(
    house: House, manager: Person, changed: dict[str, str], field: str
) -> None:
    await house.api("POST", "/users", manager, ANNA)
    answer = await house.api("POST", "/users", manager, {**ANNA, **changed})
    assert answer.status_code == 409
    assert answer.json() == {"message": f"A user with this {field} already exists.", "resource": "user"}


async def test_lists_hold_people_only_and_are_searched(house: House, manager: Person) -> None:
    await house.api("POST", "/users", manager, {**ANNA, "display_name": "Zebra"})
    gone = await house.person()
    await house.api("DELETE", f"/users/{gone.id}", manager)
    page = (await house.api("GET", "/users", manager)).json()
    assert set(page) == {"data", "total_count", "skip", "limit"}
    assert [user["username"] for user in page["data"]] == ["anna", "person-1"]
    assert all(set(user) == KEYS for user in page["data"])
    for search, count in (("ZEBRA", 1), ("anna@", 1), ("person-", 1), ("%25", 0), ("system", 0)):
        found = (await house.api("GET", f"/users?search={search}", manager)).json()
        assert (found["total_count"], len(found["data"])) == (count, count), search


async def test_pages_from_both_ends(house: House, manager: Person) -> None:
    people = [manager, *[await house.person() for _ in range(4)]]
    last_first = [str(person.id) for person in reversed(people)]

    async def ids(query: str) -> list[str]:
        page = (await house.api("GET", f"/users?{query}", manager)).json()
        assert page["total_count"] == 5
        return [user["id"] for user in page["data"]]

    assert await ids("limit=2") == last_first[:2]
    assert await ids("skip=4&limit=2") == last_first[4:]
    assert await ids("skip=5") == []
    assert await ids("skip=-1&limit=0") == last_first[:1]
    assert await ids("limit=9999") == last_first


async def test_lists_can_hold_groups(house: House, manager: Person) -> None:
    person = await house.person()
    group_id = await house.group(person)
    page = (await house.api("GET", "/users?include=groups,billing,unheard", manager)).json()
    groups = {user["id"]: [group["id"] for group in user["groups"]] for user in page["data"]}
    assert groups == {str(person.id): [str(group_id), str(NIL)], str(manager.id): [str(NIL)]}


async def test_one_s_own_account(house: House) -> None:
    person = await house.person()
    current = await house.api("GET", "/users/current", person)
    assert (current.status_code, current.json()["id"]) == (200, str(person.id))
    assert set(current.json()) == KEYS | {"active_organization_id"}
    by_its_id = (await house.api("GET", f"/users/{person.id}", person)).json()
    assert by_its_id | {"active_organization_id": None} == current.json()
    assert set(by_its_id) == KEYS
    with_slash = await house.api("GET", "/users/current/?include=organizations", person)
    assert with_slash.json()["organizations"] == []
    by_id = await house.api("GET", f"/users/{person.id}?include=organizations", person)
    assert by_id.json()["organizations"] == []


async def test_others_are_for_those_who_may(house: House, manager: Person) -> None:
    person, foreign = await house.person(), await house.person()
    billing = await house.person("BillingManager")
    path = f"/users/{person.id}"
    for who, status in ((manager, 200), (billing, 200), (foreign, 403)):
        assert (await house.api("GET", path, who)).status_code == status
        assert (await house.api("GET", "/users", who)).status_code == status
    for method, where, body, action in (
        ("GET", path, None, "Read"),
        ("GET", f"/users/{NOBODY}", None, "Read"),
        ("PATCH", path, {"display_name": "x"}, "Update"),
        ("DELETE", path, None, "Delete"),
        ("DELETE", f"/users/{foreign.id}", None, "Delete"),
        ("POST", "/users", ANNA, "Create"),
    ):
        answer = await house.api(method, where, foreign, body)
        assert (answer.status_code, answer.text) == (403, f"Insufficient permissions to {action} Users")
    assert (await house.api("GET", f"/users/{NOBODY}", manager)).status_code == 404


async def test_absent_stays_and_null_clears(house: House) -> None:
    person = await house.person()
    path = f"/users/{person.id}"
    first = await house.api("PATCH", path, person, {"display_name": "Anna", "avatar_url": "/a.png", "x": 1})
    assert first.status_code == 200
    kept = (await house.api("PATCH", path, person, {"avatar_url": "/b.png"})).json()
    assert (kept["display_name"], kept["avatar_url"]) == ("Anna", "/b.png")
    cleared = (await house.api("PATCH", path, person, {"display_name": None})).json()
    assert (cleared["display_name"], cleared["avatar_url"]) == (None, "/b.png")
    unchanged = (await house.api("PATCH", path, person, {})).json()
    assert (unchanged["display_name"], unchanged["avatar_url"]) == (None, "/b.png")
    own = await house.api("PATCH", "/users/current", person, {"display_name": "Me"})
    assert own.json()["display_name"] == "Me"
    too_long = await house.api("PATCH", path, person, {"avatar_url": "x" * 2049})
    assert too_long.text == "avatar_url: expected at most 2048 characters, got 2049"


async def test_names_and_addresses_cannot_be_changed(house: House) -> None:
    person = await house.person()
    wanted = {"email": "other@example.com", "username": "other", "is_admin": True, "id": str(NOBODY)}
    answer = await house.api("PATCH", f"/users/{person.id}", person, wanted)
    assert answer.status_code == 200
    assert answer.json()["email"] == person.email
    assert answer.json()["is_admin"] is False


async def test_roles_are_for_those_who_may_change_everybody(house: House, manager: Person) -> None:
    person = await house.person("BatchAPIUser")
    path = f"/users/{person.id}"
    for roles in ([], ["StandardUser"], ["PlatformManager"]):
        refused = await house.api("PATCH", path, person, {"display_name": "x", "roles": roles})
        assert refused.status_code == 403
        assert "roles" in refused.text
    shown = (await house.api("GET", path, person)).json()
    assert (shown["display_name"], shown["roles"]) == (None, ["BatchAPIUser", "StandardUser"])
    given = await house.api("PATCH", path, manager, {"roles": ["RequestViewer"]})
    assert given.json()["roles"] == ["RequestViewer", "StandardUser"]
    taken = await house.api("PATCH", path, manager, {"roles": []})
    assert taken.json()["roles"] == ["StandardUser"]


async def test_new_roles_count_at_once(house: House, manager: Person) -> None:
    person = await house.person()
    assert (await house.api("GET", "/users", person)).status_code == 403
    await house.api("PATCH", f"/users/{person.id}", manager, {"roles": ["PlatformManager"]})
    assert (await house.api("GET", "/users", person)).status_code == 200
    await house.api("PATCH", f"/users/{person.id}", manager, {"roles": []})
    assert (await house.api("GET", "/users", person)).status_code == 403


async def test_nobody_deletes_themselves(house: House, manager: Person) -> None:
    answer = await house.api("DELETE", f"/users/{manager.id}", manager)
    assert answer.status_code == 400
    assert "cannot delete your own account" in answer.text


async def test_the_system_account_is_hidden_and_protected(house: House, manager: Person) -> None:
    assert (await house.api("GET", f"/users/{NIL}", manager)).status_code == 404
    for method, body in (("PATCH", {"display_name": "x"}), ("DELETE", None)):
        answer = await house.api(method, f"/users/{NIL}", manager, body)
        assert answer.status_code == 403
        assert "system account" in answer.text


async def test_only_administrators_delete_administrators(house: House, manager: Person) -> None:
    first, second = await house.admin(), await house.admin()
    assert (await house.api("DELETE", f"/users/{first.id}", manager)).status_code == 403
    assert (await house.api("DELETE", f"/users/{first.id}", second)).status_code == 204


async def test_deleting_somebody_ends_keys_sessions_and_memberships(house: House, manager: Person) -> None:
    person = await house.person("PlatformManager", password="long enough")
    group_id = await house.group(person)
    _, platform = await house.key(person, "platform")
    realtime_id, _ = await house.key(person)
    assert str(realtime_id) in await house.routed()
    assert (await house.api("DELETE", f"/users/{person.id}", manager)).status_code == 204
    for credential in (person, platform):
        assert (await house.api("GET", "/users/current", credential)).status_code == 401
    assert str(realtime_id) not in await house.routed()
    assert (await house.api("GET", f"/groups/{group_id}/users", manager)).json() == []
    assert (await house.api("GET", f"/users/{person.id}/api-keys", manager)).status_code == 404
    login = {"email": person.email, "password": "long enough"}
    assert (await house.call("POST", "/authentication/login", body=login)).status_code == 401
    row = await house.database.fetch_value(
        "select row_to_json(u)::text from users u where id = $1", person.id
    )
    assert person.email not in row
    assert "person-" not in row


async def test_nothing_of_a_password_is_ever_shown(house: House, manager: Person) -> None:
    person = await house.person(password="long enough")
    for who, path in ((person, "/users/current"), (manager, f"/users/{person.id}"), (manager, "/users")):
        answer = await house.api("GET", path, who)
        assert "password" not in answer.text
        assert "argon2" not in answer.text
