"""For whom a session acts: the person, or an organization that they have chosen (spec/platform §2.5)."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from dwctl.core.ids import new_id
from tests.control.house import ADMIN, House, Person
from tests.control.test_session import cookie

CHOICE = "/session/organization"
FORM = {"purpose": (None, "user_data"), "file": ("a.txt", "text")}


def acting(person: Person, organization: object) -> dict[str, str]:
    """The headers of a session that acts for an organization."""
    return {**person.headers, "x-organization-id": str(organization)}


@pytest.fixture
async def owner(house: House) -> Person:
    """Who leads it."""
    return await house.person("BatchAPIUser")


@pytest.fixture
async def acme(house: House, owner: Person) -> UUID:
    """An organization."""
    return await house.organization(owner)


@pytest.fixture
async def member(house: House, owner: Person, acme: UUID) -> Person:
    """Who belongs to it and does not lead it."""
    person = await house.person("BatchAPIUser")
    body = {"user_id": str(person.id)}
    assert (await house.api("POST", f"/organizations/{acme}/members", owner, body)).status_code == 201
    return person


async def active(house: House, who: Person | dict[str, str]) -> Any:
    """For which organization they act, as the server says."""
    return (await house.api("GET", "/users/current", who)).json()["active_organization_id"]


async def test_a_choice_is_remembered_until_it_is_taken_back(
    house: House, member: Person, acme: UUID
) -> None:
    assert await active(house, member) is None
    answer = await house.api("POST", CHOICE, member, {"organization_id": str(acme)})
    assert (answer.status_code, answer.json()) == (200, {"active_organization_id": str(acme)})
    morsel = cookie(answer, "dw_active_org")
    assert (morsel["path"], morsel["samesite"], morsel["max-age"]) == ("/", "strict", "2592000")
    assert morsel["httponly"]
    headers = {"cookie": f"{member.headers['cookie']}; dw_active_org={morsel.value}"}
    assert await active(house, headers) == str(acme)
    taken_back = await house.api("POST", CHOICE, headers, {"organization_id": None})
    assert taken_back.json() == {"active_organization_id": None}
    assert (cookie(taken_back, "dw_active_org").value, cookie(taken_back, "dw_active_org")["max-age"]) == (
        "",
        "0",
    )


async def test_only_members_choose_it_and_others_choices_do_not_count(
    house: House, owner: Person, member: Person, acme: UUID
) -> None:
    stranger = await house.manager()
    refused = await house.api("POST", CHOICE, stranger, {"organization_id": str(acme)})
    assert (refused.status_code, str(acme) in refused.text) == (403, True)
    for who in (acting(stranger, acme), acting(member, stranger.id), acting(member, "nonsense")):
        assert await active(house, who) is None
    # The header goes before the cookie.
    headers = {**acting(member, ""), "cookie": f"{member.headers['cookie']}; dw_active_org={acme}"}
    assert await active(house, headers) is None
    assert await active(house, acting(member, acme)) == str(acme)
    await house.api("DELETE", f"/organizations/{acme}/members/{member.id}", owner)
    assert await active(house, acting(member, acme)) is None


async def test_it_ends_with_the_organization(house: House, owner: Person, acme: UUID) -> None:
    assert (await house.api("DELETE", f"/organizations/{acme}", await house.admin())).status_code == 204
    assert await active(house, acting(owner, acme)) is None


async def test_a_key_acts_for_its_own_account(house: House, member: Person, acme: UUID) -> None:
    _, key = await house.key(member, "platform")
    assert await active(house, {**key, "x-organization-id": str(acme)}) is None


async def test_files_are_the_organizations(house: House, owner: Person, member: Person, acme: UUID) -> None:
    made = await house.call("POST", "/ai/v1/files", acting(member, acme), form=FORM)
    assert made.status_code == 201, made.text
    path = f"/ai/v1/files/{made.json()['id']}"
    row = await house.database.fetch_row(
        "select owner_id, creator_id from files where id = $1", UUID(made.json()["id"])
    )
    assert row is not None
    assert tuple(row) == (acme, member.id)
    assert (await house.call("GET", path, acting(owner, acme))).status_code == 200
    assert (await house.call("GET", path, member)).status_code == 404
    own = await house.call("POST", "/ai/v1/files", member, form=FORM)
    assert (
        await house.call("GET", f"/ai/v1/files/{own.json()['id']}", acting(member, acme))
    ).status_code == 404


async def test_managers_do_not_see_all_files_for_an_organization(
    house: House, owner: Person, acme: UUID
) -> None:
    manager = await house.manager()
    await house.api("POST", f"/organizations/{acme}/members", owner, {"user_id": str(manager.id)})
    made = await house.call("POST", "/ai/v1/files", owner, form=FORM)
    path = f"/ai/v1/files/{made.json()['id']}"
    assert (await house.call("GET", path, manager)).status_code == 200
    assert (await house.call("GET", path, acting(manager, acme))).status_code == 404


async def test_models_are_those_of_the_organizations_groups(
    house: House, owner: Person, member: Person, acme: UUID
) -> None:
    await house.endpoint("http://127.0.0.1:9/v1", "a", "b")
    admin = await house.admin()
    for name, account in (("a", acme), ("b", member.id)):
        group = await house.group(models=[await house.model(name)])
        joined = await house.api("POST", f"/groups/{group}/users/{account}", admin)
        assert joined.status_code == 204, joined.text

    async def shown(who: Person | dict[str, str]) -> list[str]:
        page = (await house.api("GET", "/models?accessible=true", who)).json()
        return [model["alias"] for model in page["data"]]

    assert await shown(acting(member, acme)) == ["a"]
    assert await shown(member) == ["b"]


async def test_calls_from_pages_are_the_organizations(house: House, member: Person, acme: UUID) -> None:
    path = f"{ADMIN}/ai/v1/chat/completions"
    answer = await house.call("POST", path, acting(member, acme), {"model": "m", "messages": []})
    assert answer.status_code == 503
    row = await house.database.fetch_row("select user_id, created_by, purpose from api_keys where hidden")
    assert row is not None
    assert tuple(row) == (acme, member.id, "playground")


async def test_who_leads_sees_its_ledger_and_its_calls(
    house: House, owner: Person, member: Person, acme: UUID
) -> None:
    made = await house.api("POST", f"/users/{acme}/api-keys", owner, {"name": "k"})
    key_id = UUID(made.json()["id"])
    fields: dict[str, Any] = {"owner_id": str(acme), "tariff_id": new_id(), "cost": Decimal(1)}
    ident = await house.request(member, key_id, **fields)
    (entry,) = (await house.api("GET", "/transactions", acting(owner, acme))).json()["data"]
    assert (entry["user_id"], entry["source_id"]) == (str(acme), str(ident))
    one = f"/transactions/{entry['id']}"
    assert (await house.api("GET", one, acting(owner, acme))).status_code == 200
    (call,) = (await house.api("GET", "/requests", acting(owner, acme))).json()["entries"]
    assert call["id"] == f"resp_{ident}"
    assert (await house.api("GET", f"/requests/{ident}", acting(owner, acme))).status_code == 200
    # As themselves they have their own, and nothing of it.
    for who in (owner, member):
        assert (await house.api("GET", "/transactions", who)).json()["data"] == []
        assert (await house.api("GET", "/requests", who)).json()["entries"] == []
        assert (await house.api("GET", one, who)).status_code == 404
    for path in ("/transactions", f"/transactions?user_id={acme}", "/requests"):
        assert (await house.api("GET", path, acting(member, acme))).status_code == 403, path
    assert (await house.api("GET", one, acting(member, acme))).status_code == 404
