"""Budgets through the admin API: what is shown, who may set which, and what the gateway then reads."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pytest

from dwctl.core.ids import new_id
from dwctl.usage.budgets.windows import Budget
from tests.control.house import House, Person

OWN = "/users/current/api-keys"
MONTH = {"amount": "10", "period": "month"}


async def set_key(house: House, who: Person, owner: Person, key_id: UUID, budget: Any) -> httpx.Response:
    """A change of a key's budget."""
    return await house.api("PATCH", f"/users/{owner.id}/api-keys/{key_id}", who, {"budget": budget})


async def set_own(house: House, who: Person, budget: Any) -> httpx.Response:
    """A change of one's own budget."""
    return await house.api("PATCH", "/users/current", who, {"budget": budget})


async def shown(house: House, who: Person, key_id: UUID) -> Any:
    """The budget of a key as its owner sees it."""
    return (await house.api("GET", f"{OWN}/{key_id}", who)).json()["budget"]


async def routed(house: House, key_id: UUID) -> tuple[Budget, ...] | None:
    """The budgets of a key as the gateway reads them."""
    (found,) = [known async for chunk in house.routing.keys([str(key_id)]) for _, known in chunk]
    return None if found.budgets is None else found.budgets.all


async def charge(house: House, person: Person, key_id: UUID, cost: str) -> None:
    """A priced call, now."""
    await house.request(person, key_id, tariff_id=new_id(), cost=Decimal(cost))


def next_month() -> str:
    """When a month's budget resets, as it is told."""
    today = datetime.now(UTC).date().replace(day=1)
    return f"{(today + timedelta(days=31)).replace(day=1)}T00:00:00Z"


async def test_a_key_shows_how_its_budget_stands(house: House) -> None:
    person = await house.person()
    made = await house.api("POST", OWN, person, {"name": "a", "budget": {"amount": 10.5, "period": "month"}})
    key_id = UUID(made.json()["id"])
    budget = {
        "amount": "10.5",
        "period": "month",
        "spent": "0",
        "remaining": "10.5",
        "resets_at": next_month(),
        "ceiling": None,
    }
    assert (made.status_code, made.json()["budget"]) == (201, budget)
    other, _ = await house.key(person)
    await charge(house, person, key_id, "4.25")
    await charge(house, person, other, "1")
    expected = {**budget, "spent": "4.25", "remaining": "6.25"}
    assert await shown(house, person, key_id) == expected
    listed = (await house.api("GET", OWN, person)).json()["data"]
    assert {key["id"]: key["budget"] for key in listed} == {str(key_id): expected, str(other): None}
    await charge(house, person, key_id, "7")
    assert (await shown(house, person, key_id))["remaining"] == "0"
    assert (await shown(house, person, key_id))["spent"] == "11.25"


async def test_another_period_shows_what_was_spent_in_it(house: House) -> None:
    person = await house.person()
    key_id, _ = await house.key(person)
    await charge(house, person, key_id, "2")
    for period in ("day", "week", "month", "total"):
        changed = await set_key(house, person, person, key_id, {"amount": "3", "period": period})
        assert changed.status_code == 200, changed.text
        budget = changed.json()["budget"]
        assert (budget["spent"], budget["remaining"], budget["period"]) == ("2", "1", period)
        assert (budget["resets_at"] is None) == (period == "total")


async def test_absent_stays_and_null_clears(house: House) -> None:
    person = await house.person()
    key_id, _ = await house.key(person)
    await set_key(house, person, person, key_id, MONTH)
    untouched = await house.api("PATCH", f"{OWN}/{key_id}", person, {})
    assert untouched.json()["budget"]["amount"] == "10"
    assert (await set_key(house, person, person, key_id, None)).json()["budget"] is None
    assert await shown(house, person, key_id) is None


async def test_what_an_administrator_sets_the_owner_may_only_lower(house: House) -> None:
    person, admin = await house.person(), await house.admin()
    key_id, _ = await house.key(person)
    made = await set_key(house, admin, person, key_id, MONTH)
    assert (made.status_code, made.json()["budget"]["ceiling"]) == (200, "10")
    for wanted in ({"amount": "10.000000001", "period": "month"}, {"amount": "1", "period": "day"}, None):
        refused = await set_key(house, person, person, key_id, wanted)
        assert refused.status_code == 403, wanted
        assert "An administrator has limited this key to 10 per month" in refused.text
    for amount in ("4", "10", "0", "7"):
        lowered = await set_key(house, person, person, key_id, {"amount": amount, "period": "month"})
        assert (lowered.status_code, lowered.json()["budget"]["amount"]) == (200, amount)
        assert lowered.json()["budget"]["ceiling"] == "10"
    assert (await set_key(house, admin, person, key_id, None)).json()["budget"] is None
    freed = await set_key(house, person, person, key_id, {"amount": "99", "period": "day"})
    assert (freed.status_code, freed.json()["budget"]["ceiling"]) == (200, None)


async def test_a_key_made_by_an_administrator_has_a_ceiling(house: House) -> None:
    person, admin = await house.person(), await house.admin()
    body = {"name": "a", "budget": {"amount": "3", "period": "total"}}
    made = (await house.api("POST", f"/users/{person.id}/api-keys", admin, body)).json()
    assert made["budget"]["ceiling"] == "3"
    raised = await set_key(house, person, person, UUID(made["id"]), {"amount": "4", "period": "total"})
    assert raised.status_code == 403
    assert "limited this key to 3 in total" in raised.text


async def test_whose_budget_it_is(house: House) -> None:
    person, foreign, admin = await house.person(), await house.person(), await house.admin()
    billing, manager = await house.person("BillingManager"), await house.manager()
    key_id, _ = await house.key(person)
    assert (await set_key(house, foreign, person, key_id, MONTH)).status_code == 403
    assert (await set_key(house, foreign, foreign, key_id, MONTH)).status_code == 404
    # Whoever may see no key of others may change none; their account they may bind.
    assert (await set_key(house, billing, person, key_id, MONTH)).status_code == 403
    assert (await set_own(house, person, MONTH)).status_code == 403
    path = f"/users/{person.id}"
    for who, status in ((foreign, 403), (billing, 200), (manager, 200), (admin, 200)):
        answer = await house.api("PATCH", path, who, {"budget": MONTH})
        assert answer.status_code == status, answer.text
    mixed = await house.api("PATCH", path, billing, {"budget": MONTH, "display_name": "x"})
    assert mixed.status_code == 403
    assert (await house.api("PATCH", f"/users/{new_id()}", admin, {"budget": MONTH})).status_code == 404


async def test_an_account_shows_how_its_budget_stands(house: House) -> None:
    person, admin = await house.person(), await house.admin()
    assert "budget" not in (await house.api("GET", "/users/current", person)).json()
    assert (await house.api("GET", "/users/current?include=billing", person)).json()["budget"] is None
    changed = await house.api("PATCH", f"/users/{person.id}", admin, {"budget": MONTH})
    budget = {
        "amount": "10",
        "period": "month",
        "spent": "0",
        "remaining": "10",
        "resets_at": next_month(),
    }
    assert changed.json()["budget"] == budget
    for _ in range(2):
        key_id, _ = await house.key(person)
        await charge(house, person, key_id, "1.5")
    expected = {**budget, "spent": "3", "remaining": "7"}
    assert (await house.api("GET", "/users/current?include=billing", person)).json()["budget"] == expected
    listed = (await house.api("GET", "/users?include=billing", admin)).json()["data"]
    assert {user["id"]: user["budget"] for user in listed}[str(person.id)] == expected
    cleared = await house.api("PATCH", f"/users/{person.id}", admin, {"budget": None})
    assert cleared.json()["budget"] is None


@pytest.mark.parametrize(
    ("budget", "says"),
    [
        ({"amount": "-1", "period": "day"}, "budget.amount: expected a number above 0"),
        ({"amount": "1e13", "period": "day"}, "budget.amount: expected a number above 0"),
        ({"amount": "0.0000000000000001", "period": "day"}, "budget.amount: expected at most 15 decimals"),
        ({"amount": "NaN", "period": "day"}, "amount"),
        ({"amount": "x", "period": "day"}, "amount"),
        ({"amount": "1", "period": "year"}, "period"),
        ({"amount": "1"}, "period"),
        ({"period": "day"}, "amount"),
        ("10", "budget"),
    ],
)
async def test_a_wrong_budget_names_its_field(house: House, budget: Any, says: str) -> None:
    admin = await house.admin()
    key_id, _ = await house.key(admin)
    for answer in (
        await house.api("POST", OWN, admin, {"name": "a", "budget": budget}),
        await set_key(house, admin, admin, key_id, budget),
        await set_own(house, admin, budget),
    ):
        assert answer.status_code == 400, answer.text
        assert says in answer.text


async def test_the_gateway_reads_both_budgets_the_narrow_one_first(house: House) -> None:
    person, admin = await house.person(), await house.admin()
    key_id, _ = await house.key(person)
    assert await routed(house, key_id) is None
    await set_key(house, person, person, key_id, {"amount": "5", "period": "day"})
    await house.api("PATCH", f"/users/{person.id}", admin, {"budget": MONTH})
    own = Budget(scope="key", id=str(key_id), name="key-3", amount=Decimal(5), period="day")
    whole = Budget(scope="account", id=str(person.id), name="person-1", amount=Decimal(10), period="month")
    assert await routed(house, key_id) == (own, whole)
    await set_key(house, person, person, key_id, None)
    assert await routed(house, key_id) == (whole,)
