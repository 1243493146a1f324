"""Organizations: who sees and leads them, members, their keys, and what goes with them."""

import asyncio
from typing import Any
from uuid import UUID

import httpx
import pytest

from tests.control.house import House, Person

KEYS = {
    *("id", "name", "email", "display_name", "created_at", "updated_at", "member_count", "role"),
    "low_balance_threshold",
}
MONEY = {"credit_balance", "exact_credit_balance", "balance_is_low", "budget"}
ACME: dict[str, Any] = {"name": "acme", "email": "office@example.org"}


class Place:
    """One organization, and calls about it."""

    def __init__(self, house: House, ident: str) -> None:
        self._house = house
        self.ident = ident

    async def call(self, method: str, who: Person, rest: str = "", body: Any = None) -> httpx.Response:
        """About it."""
        return await self._house.api(method, f"/organizations/{self.ident}{rest}", who, body)

    async def add(self, who: Person, person: Person, role: str = "member") -> httpx.Response:
        """Add a member."""
        return await self.call("POST", who, "/members", {"user_id": str(person.id), "role": role})

    async def roles(self, who: Person) -> dict[UUID, str]:
        """Members as somebody sees them."""
        return {UUID(m["user_id"]): m["role"] for m in (await self.call("GET", who, "/members")).json()}

    async def keys(self, method: str, who: Person, rest: str = "", body: Any = None) -> httpx.Response:
        """About its keys."""
        return await self._house.api(method, f"/users/{self.ident}/api-keys{rest}", who, body)


@pytest.fixture
async def owner(house: House) -> Person:
    """Whose it is."""
    return await house.person()


@pytest.fixture
async def acme(house: House, owner: Person) -> Place:
    """An organization."""
    made = await house.api("POST", "/organizations", owner, ACME)
    assert made.status_code == 201, made.text
    return Place(house, made.json()["id"])


async def test_from_beginning_to_end(house: House, owner: Person, acme: Place) -> None:
    shown = (await acme.call("GET", owner)).json()
    assert set(shown) == KEYS | MONEY
    assert (shown["name"], shown["role"], shown["member_count"]) == ("acme", "owner", 1)
    assert (shown["exact_credit_balance"], shown["budget"]) == ("0", None)
    changed = await acme.call(
        "PATCH", owner, body={"display_name": "Acme Inc.", "low_balance_threshold": "5"}
    )
    assert changed.status_code == 200
    assert (changed.json()["display_name"], changed.json()["low_balance_threshold"]) == ("Acme Inc.", 5.0)
    own = [{"id": acme.ident, "name": "acme", "role": "owner"}]
    assert (await house.api("GET", "/users/current/organizations", owner)).json() == own
    assert (await house.api("GET", "/users/current?include=organizations", owner)).json()[
        "organizations"
    ] == own
    manager = await house.manager()
    assert (await house.api("GET", "/organizations", manager)).json()["total_count"] == 1
    assert (await acme.call("DELETE", manager)).status_code == 204
    for who in (owner, manager):
        assert (await acme.call("GET", who)).status_code == 404
    assert (await house.api("GET", "/organizations", owner)).json()["data"] == []
    assert (await house.api("GET", "/users/current/organizations", owner)).json() == []
    assert (await house.api("POST", "/organizations", owner, ACME)).status_code == 201


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": " "}, "name: "),
        ({"name": "x" * 256}, "name: "),
        ({"email": "nobody"}, "email: "),
        ({"display_name": "x" * 2049}, "display_name: "),
    ],
)
async def test_what_cannot_be_is_refused_by_its_field(
    house: House, owner: Person, change: dict[str, Any], said: str
) -> None:
    answer = await house.api("POST", "/organizations", owner, ACME | change)
    assert (answer.status_code, answer.text.startswith(said)) == (400, True), answer.text


async def test_names_are_taken_once_and_nobody_has_more_than_three(
    house: House, owner: Person, acme: Place
) -> None:
    assert (await house.api("POST", "/organizations", owner, ACME)).status_code == 409
    async with asyncio.TaskGroup() as tasks:
        made = [
            tasks.create_task(house.api("POST", "/organizations", owner, ACME | {"name": f"o{n}"}))
            for n in range(4)
        ]
    assert sorted(task.result().status_code for task in made) == [201, 201, 400, 400]
    other = await house.person()
    await house.api("POST", "/organizations", other, ACME | {"name": "fourth"})
    listed = (await house.api("GET", "/organizations", other)).json()["data"]
    refused = await Place(house, listed[0]["id"]).add(other, owner)
    assert (refused.status_code, "at most 3" in refused.text) == (400, True)


async def test_only_managers_make_one_for_somebody_else(house: House, owner: Person) -> None:
    other = await house.person()
    wanted = ACME | {"owner_id": str(other.id)}
    assert (await house.api("POST", "/organizations", owner, wanted)).status_code == 403
    manager = await house.manager()
    made = (await house.api("POST", "/organizations", manager, wanted)).json()
    assert made["role"] is None
    assert await Place(house, made["id"]).roles(other) == {other.id: "owner"}
    nobody = ACME | {"name": "b", "owner_id": str(UUID(int=404))}
    assert (await house.api("POST", "/organizations", manager, nobody)).status_code == 404


async def test_who_leads_changes_members(house: House, owner: Person, acme: Place) -> None:
    admin, member, stranger = await house.person(), await house.person(), await house.person()
    assert (await acme.add(owner, admin, "admin")).status_code == 201
    assert (await acme.add(admin, member)).status_code == 201
    assert (await acme.add(admin, member)).status_code == 409
    assert (await acme.add(member, stranger)).status_code == 403
    assert (await acme.add(stranger, stranger)).status_code == 404
    assert (await acme.call("PATCH", member, body={"display_name": "x"})).status_code == 403
    assert await acme.roles(member) == {owner.id: "owner", admin.id: "admin", member.id: "member"}
    assert set((await acme.call("GET", member)).json()) == KEYS

    async def set_role(who: Person, whom: Person, role: str) -> int:
        return (await acme.call("PATCH", who, f"/members/{whom.id}", {"role": role})).status_code

    assert await set_role(admin, member, "owner") == 403
    assert await set_role(admin, owner, "member") == 403
    assert (await acme.call("DELETE", admin, f"/members/{owner.id}")).status_code == 403
    assert await set_role(owner, stranger, "admin") == 404
    assert await set_role(owner, member, "boss") == 400
    assert await set_role(owner, admin, "owner") == 200
    assert (await acme.call("POST", owner, "/leave")).status_code == 204
    assert (await acme.call("POST", admin, "/leave")).status_code == 400
    assert await acme.roles(admin) == {admin.id: "owner", member.id: "member"}


async def test_two_owners_who_leave_at_once_leave_one(house: House, owner: Person, acme: Place) -> None:
    other = await house.person()
    await acme.add(owner, other, "owner")
    async with asyncio.TaskGroup() as tasks:
        left = [tasks.create_task(acme.call("POST", who, "/leave")) for who in (owner, other)]
    assert sorted(task.result().status_code for task in left) == [204, 400]
    roles = await acme.roles(await house.manager())
    assert list(roles.values()) == ["owner"]


async def test_its_budget_is_set_by_who_may_change_credits(house: House, owner: Person, acme: Place) -> None:
    budget = {"budget": {"amount": "5", "period": "month"}}
    assert (await acme.call("PATCH", owner, body=budget)).status_code == 403
    billing = await house.person("BillingManager")
    assert (await acme.call("PATCH", billing, body=budget)).status_code == 200
    assert (await acme.call("PATCH", billing, body=budget | {"display_name": "x"})).status_code == 404
    shown = (await acme.call("GET", owner)).json()["budget"]
    assert (shown["amount"], shown["spent"]) == ("5", "0")
    for wrong in ({"amount": "-1", "period": "month"}, {"amount": "1", "period": "year"}):
        assert (await acme.call("PATCH", billing, body={"budget": wrong})).status_code == 400


async def test_members_have_keys_of_it_and_see_their_own(house: House, owner: Person, acme: Place) -> None:
    member, stranger = await house.person(), await house.person()
    await acme.add(owner, member)
    ours = (await acme.keys("POST", owner, body={"name": "a"})).json()
    theirs = (await acme.keys("POST", member, body={"name": "b"})).json()
    assert (theirs["user_id"], theirs["created_by"]) == (acme.ident, str(member.id))
    assert {key["id"] for key in (await acme.keys("GET", member)).json()["data"]} == {theirs["id"]}
    manager = await house.manager()
    assert (await acme.keys("GET", manager)).json()["total_count"] == 2
    for method, body in (("GET", None), ("PATCH", {"budget": None}), ("DELETE", None)):
        assert (await acme.keys(method, member, f"/{ours['id']}", body)).status_code == 404
    assert (await acme.keys("POST", stranger, body={"name": "c"})).status_code == 403
    for_owner = {"name": "d", "member_id": str(owner.id)}
    assert (await acme.keys("POST", member, body=for_owner)).status_code == 403
    assert (await acme.keys("POST", manager, body=for_owner)).json()["created_by"] == str(owner.id)
    not_a_member = {"name": "e", "member_id": str(stranger.id)}
    assert (await acme.keys("POST", manager, body=not_a_member)).status_code == 400
    person = await house.api(
        "POST", "/users/current/api-keys", member, {"name": "f", "member_id": str(member.id)}
    )
    assert person.status_code == 400


async def test_whoever_goes_loses_the_keys_that_they_made(house: House, owner: Person, acme: Place) -> None:
    member = await house.person()
    await acme.add(owner, member)
    ours = (await acme.keys("POST", owner, body={"name": "a"})).json()["id"]
    theirs = (await acme.keys("POST", member, body={"name": "b"})).json()["id"]
    own, _ = await house.key(member)
    assert {ours, theirs, str(own)} <= await house.routed()
    assert (await acme.call("DELETE", owner, f"/members/{member.id}")).status_code == 204
    assert {ours, theirs, str(own)} & await house.routed() == {ours, str(own)}
    assert (await acme.call("DELETE", await house.manager())).status_code == 204
    assert {ours, str(own)} & await house.routed() == {str(own)}


async def test_a_deleted_person_belongs_to_nothing(house: House, owner: Person, acme: Place) -> None:
    member = await house.person()
    await acme.add(owner, member)
    assert (await house.api("DELETE", f"/users/{member.id}", await house.manager())).status_code == 204
    assert await acme.roles(owner) == {owner.id: "owner"}
    assert (await acme.call("GET", owner)).json()["member_count"] == 1
