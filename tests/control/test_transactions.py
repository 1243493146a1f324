"""The ledger through the admin API: grants and removals, who sees what, and every filter."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest

from dwctl.core.ids import new_id
from dwctl.identity.settings import AuthSettings
from dwctl.requests.queue.structs import Claimed
from dwctl.usage.settings import CreditSettings
from tests.control.house import CHEAP, CHEAP_AUTH, House, Person
from tests.engine.batches.ground import Ground, Verdict, completed, failed


def wanted(person: Person, amount: Any = "5", source: str = "s", **more: Any) -> dict[str, Any]:
    """A grant, unless told otherwise."""
    return {
        "user_id": str(person.id),
        "transaction_type": "admin_grant",
        "amount": amount,
        "source_id": source,
        **more,
    }


async def billing_of(house: House, person: Person) -> tuple[float, bool]:
    """Balance and flag, as the person sees them."""
    shown = (await house.api("GET", "/users/current?include=billing", person)).json()
    return shown["credit_balance"], shown["balance_is_low"]


async def charge(house: House, person: Person, cost: str, **fields: Any) -> None:
    """A priced call of the person."""
    key_id, _ = await house.key(person)
    await house.request(person, key_id, tariff_id=new_id(), cost=Decimal(cost), **fields)


async def listed(house: House, who: Person, query: str = "") -> dict[str, Any]:
    """A page."""
    answer = await house.api("GET", f"/transactions?{query}", who)
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


async def test_grants_and_removals_move_the_balance(house: House) -> None:
    billing, person = await house.person("BillingManager"), await house.person()
    assert await billing_of(house, person) == (0, False)
    made = await house.api("POST", "/transactions", billing, wanted(person, "10.5", description="gift"))
    assert made.status_code == 201
    shown = made.json()
    assert {name: shown[name] for name in ("user_id", "amount", "source_id", "description", "batch_id")} == {
        "user_id": str(person.id),
        "amount": 10.5,
        "source_id": "s",
        "description": "gift",
        "batch_id": None,
    }
    assert shown["created_by"] == str(billing.id)
    removal = wanted(person, 0.25, "r", transaction_type="admin_removal")
    assert (await house.api("POST", "/transactions", billing, removal)).json()["exact_amount"] == "0.25"
    assert await billing_of(house, person) == (10.25, False)
    assert (shown["user_email"], shown["created_by_email"]) == (person.email, billing.email)
    path = f"/transactions/{shown['id']}"
    assert (await house.api("GET", path, billing)).json() == shown
    assert (await house.api("GET", path, person)).json() == {**shown, "created_by_email": None}


async def test_a_list_of_several_accounts_says_whose_and_by_whom(house: House) -> None:
    admin, one, two = await house.admin(), await house.person(), await house.person()
    for number, person in enumerate((one, two)):
        await house.api("POST", "/transactions", admin, wanted(person, 1, f"s{number}"))
    await charge(house, one, "0.5")
    names = [
        (each["user_email"], each["created_by_email"])
        for each in (await listed(house, admin, "all=true"))["data"]
    ]
    assert names == [(one.email, None), (two.email, admin.email), (one.email, admin.email)]
    own = (await listed(house, one))["data"]
    assert [(each["user_email"], each["created_by_email"]) for each in own] == [(one.email, None)] * 2


async def test_a_source_is_booked_once(house: House) -> None:
    admin, person = await house.admin(), await house.person()
    assert (await house.api("POST", "/transactions", admin, wanted(person))).status_code == 201
    again = await house.api("POST", "/transactions", admin, wanted(person, "7"))
    assert again.status_code == 409
    assert again.json() == {
        "message": "A transaction with the source_id 's' already exists.",
        "resource": "transaction",
    }
    assert await billing_of(house, person) == (5, False)


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"amount": 0}, "amount: expected a number above 0"),
        ({"amount": "-1"}, "amount: expected a number above 0"),
        ({"amount": "NaN"}, "amount: expected a number above 0"),
        ({"amount": "Infinity"}, "amount: expected a number above 0"),
        ({"amount": "1000000000000.1"}, "at most 1000000000000"),
        ({"amount": "999999999999.0000000000000001"}, "amount: expected at most 15 decimals"),
        ({"amount": "x"}, "amount"),
        ({"source_id": " "}, "source_id: expected 1 to 255 characters"),
        ({"source_id": "x" * 256}, "source_id: expected 1 to 255 characters"),
        ({"source_id": "dwctl:initial:x"}, "source_id: expected one that does not begin with 'dwctl:'"),
        ({"description": "x" * 2049}, "description: expected at most 2048 characters"),
        ({"transaction_type": "usage"}, "transaction_type"),
        ({"user_id": "00000000-0000-0000-0000-000000000009"}, "user_id: there is no user with ID"),
        ({"user_id": "00000000-0000-0000-0000-000000000000"}, "user_id: there is no user with ID"),
    ],
)
async def test_what_cannot_be_booked(house: House, more: dict[str, Any], text: str) -> None:
    admin, person = await house.admin(), await house.person()
    answer = await house.api("POST", "/transactions", admin, {**wanted(person), **more})
    assert answer.status_code == 400
    assert text in answer.text
    assert (await listed(house, admin, "all=true"))["total_count"] == 0


async def test_the_largest_and_the_least_amount_are_booked(house: House) -> None:
    admin, person = await house.admin(), await house.person()
    for amount in ("1000000000000", "0.000000000000001"):
        made = await house.api("POST", "/transactions", admin, wanted(person, amount, amount))
        assert made.json()["exact_amount"] == amount


async def test_who_sees_whose(house: House) -> None:
    one, two = await house.person(), await house.person("RequestViewer")
    manager, billing = await house.manager(), await house.person("BillingManager")
    entry = await house.grant(one, "1")
    await house.grant(two, "2")
    assert [each["amount"] for each in (await listed(house, one))["data"]] == [1]
    assert [each["amount"] for each in (await listed(house, one, f"user_id={one.id}"))["data"]] == [1]
    for who in (manager, billing):
        assert (await listed(house, who))["data"] == []
        assert [each["amount"] for each in (await listed(house, who, f"user_id={one.id}"))["data"]] == [1]
        everyone = await listed(house, who, f"all=true&user_id={one.id}")
        assert [each["amount"] for each in everyone["data"]] == [2, 1]
        assert everyone["page_start_balance"] == "3"
        assert (await house.api("GET", f"/transactions/{entry}", who)).status_code == 200
    for query in (f"user_id={one.id}", "all=true"):
        refused = await house.api("GET", f"/transactions?{query}", two)
        assert (refused.status_code, refused.text) == (403, "Insufficient permissions to Read Credits")
    missing = await house.api("GET", f"/transactions/{entry}", two)
    assert (missing.status_code, missing.text) == (404, f"Transaction with ID {entry} not found")


async def test_a_charge_is_shown_with_what_it_was_for(house: House) -> None:
    person = await house.person()
    ident = new_id()
    await charge(house, person, "0.000123", id=ident, model="gpt")
    (entry,) = (await listed(house, person))["data"]
    key_id = entry["api_key_id"]
    assert msgspec.convert(key_id, str)
    assert {
        name: entry[name] for name in ("id", "source_id", "transaction_type", "model", "exact_amount")
    } == {
        "id": ident,
        "source_id": ident,
        "transaction_type": "usage",
        "model": "gpt",
        "exact_amount": "0.000123",
    }
    assert entry["request_origin"] == "api"
    assert await billing_of(house, person) == (-0.000123, False)


async def test_the_key_of_a_session_is_nobodys_to_see(house: House) -> None:
    person = await house.person()
    hidden = await house.hidden_key(person)
    await house.request(person, hidden, id=(ident := new_id()), tariff_id=new_id(), cost=Decimal(1))
    (entry,) = (await listed(house, person))["data"]
    (grouped,) = (await listed(house, person, "group_batches=true"))["data"]
    alone = (await house.api("GET", f"/transactions/{entry['id']}", person)).json()
    assert (entry["source_id"], entry["api_key_id"]) == (ident, None)
    assert entry == grouped == alone


async def test_later_attempts_name_their_number(house: House) -> None:
    person, ident = await house.person(), new_id()
    await charge(house, person, "1", id=ident, attempt=2)
    (entry,) = (await listed(house, person))["data"]
    assert entry["source_id"] == f"{ident}:2"
    assert (await house.api("GET", f"/transactions/{entry['id']}", person)).json() == entry


async def test_filters(house: House) -> None:
    admin, person = await house.admin(), await house.person()
    await house.api("POST", "/transactions", admin, wanted(person, 1, "First", description="Spring gift"))
    await house.api(
        "POST", "/transactions", admin, wanted(person, 2, "second_", transaction_type="admin_removal")
    )
    await charge(house, person, "3", model="llama")

    async def found(query: str) -> list[float]:
        page = await listed(house, person, query)
        assert page["total_count"] == len(page["data"])
        return [entry["amount"] for entry in page["data"]]

    assert await found("") == [3, 2, 1]
    assert await found("transaction_types=usage") == [3]
    assert await found("transaction_types=usage,%20admin_grant") == [3, 1]
    assert await found("transaction_types=purchase") == []
    assert await found("search=spring") == [1]
    assert await found("search=FIRST") == [1]
    assert await found("search=d_") == [2]
    assert await found("search=%25") == []
    assert await found("search=llam") == [3]
    wrong = await house.api("GET", "/transactions?transaction_types=gift", person)
    assert wrong.status_code == 400
    assert "transaction_types: expected some of" in wrong.text


async def batch_of(ground: Ground, who: Person, *costs: str) -> UUID:
    """A batch with a line of each cost, all of them done."""
    batch_id = await ground.made(who, ["m"] * len(costs))
    await ground.populate(batch_id)
    for claimed in await ground.claim():
        await settle(ground, claimed, costs[claimed.line or 0])
    return batch_id


async def settle(ground: Ground, claimed: Claimed, cost: str | None, verdict: Verdict = completed) -> None:
    """A transaction for each line, as if they ended at different times."""
    outcome = await ground.outcome(claimed, verdict(claimed))
    outcome.record.cost = None if cost is None else Decimal(cost)
    await ground.queue.settle(ground.holder, [outcome])


SHOWN = (
    "id",
    "source_id",
    "transaction_type",
    "batch_id",
    "batch_sla",
    "batch_request_count",
    "exact_amount",
)


async def test_the_charges_of_a_batch_are_one_entry(house: House) -> None:
    ground, person, other = Ground(house), await house.person("BatchAPIUser"), await house.person()
    await ground.models("m")
    await house.grant(person, "10")
    first = await ground.made(person, ["m"] * 3)
    await ground.populate(first)
    one, two, three = await ground.claim()
    await settle(ground, one, "1.000000000000001")
    await charge(house, person, "0.5", model="m")
    await settle(ground, two, "2", failed)
    await settle(ground, three, None)
    second = await batch_of(ground, person, "0.25", "0.25")
    assert (await ground.post(person, first, "retry")).status_code == 200
    (again,) = await ground.claim()
    await settle(ground, again, "0.125")

    each = await listed(house, person)
    assert each["total_count"] == 7
    assert [entry["exact_amount"] for entry in each["data"]] == [
        "0.125", "0.25", "0.25", "2", "0.5", "1.000000000000001", "10"
    ]  # fmt: skip
    assert [entry["batch_id"] for entry in each["data"]] == [
        str(first), str(second), str(second), str(first), None, str(first), None
    ]  # fmt: skip
    assert {entry["batch_sla"] for entry in each["data"]} == {None, "24h"}
    assert {entry["batch_request_count"] for entry in each["data"]} == {None}

    page = await listed(house, person, "group_batches=true")
    assert page["total_count"] == 4
    assert page["page_start_balance"] == each["page_start_balance"] == "5.874999999999999"
    latest, single, earliest, grant = page["data"]
    assert {name: latest[name] for name in SHOWN} == {
        "id": str(second), "source_id": str(second), "transaction_type": "usage", "batch_id": str(second),
        "batch_sla": "24h", "batch_request_count": 2, "exact_amount": "0.5",
    }  # fmt: skip
    assert (single["batch_id"], single["exact_amount"], single["batch_request_count"]) == (None, "0.5", None)
    assert (earliest["id"], earliest["exact_amount"], earliest["batch_request_count"]) == (
        str(first), "3.125000000000001", 3
    )  # fmt: skip
    assert earliest["created_at"] == each["data"][5]["created_at"]
    assert grant["exact_amount"] == "10"

    balance, starts = Decimal(page["page_start_balance"]), []
    for skip, entry in enumerate(page["data"]):
        part = await listed(house, person, f"group_batches=true&skip={skip}&limit=1")
        assert part["data"] == [entry]
        starts.append(Decimal(part["page_start_balance"]) == balance)
        balance -= Decimal(entry["exact_amount"]) * (1 if entry["transaction_type"] == "admin_grant" else -1)
    assert starts == [True] * 4
    assert balance == 0

    assert (await house.api("GET", f"/transactions/{first}", person)).json() == earliest
    assert (await house.api("GET", f"/transactions/{first}", other)).status_code == 404
    assert (await listed(house, other, "group_batches=true"))["data"] == []
    everyone = await listed(house, await house.admin(), "group_batches=true&all=true")
    assert everyone["data"] == page["data"]


async def test_filters_of_grouped_entries(house: House) -> None:
    ground, person = Ground(house), await house.person("BatchAPIUser")
    await ground.models("m")
    await house.grant(person, "4")
    batch_id = await batch_of(ground, person, "1", "2")
    free = await batch_of(ground, person, "0")
    await charge(house, person, "0.5", model="llama")

    async def found(query: str) -> list[float]:
        page = await listed(house, person, f"group_batches=true&{query}")
        assert page["total_count"] == len(page["data"])
        return [entry["amount"] for entry in page["data"]]

    assert await found("") == [0.5, 3, 4]
    assert await found("transaction_types=usage") == [0.5, 3]
    assert await found("transaction_types=admin_grant") == [4]
    assert await found(f"search={batch_id}") == [3]
    assert await found(f"search={free}") == []
    assert await found("search=in.json") == [3]
    assert await found("search=llama") == [0.5]
    (entry,) = (await listed(house, person, f"group_batches=true&search={batch_id}"))["data"]
    at = datetime.fromisoformat(entry["created_at"])
    tick = timedelta(microseconds=1)

    def query(name: str, moment: datetime) -> str:
        return f"{name}={moment.isoformat().replace('+', '%2B')}"

    assert await found(f"{query('start_date', at)}&{query('end_date', at)}") == [3]
    assert await found(query("start_date", at + tick)) == [0.5]
    assert await found(query("end_date", at - tick)) == [4]


async def test_a_deleted_batch_was_charged_all_the_same(house: House) -> None:
    ground, person = Ground(house), await house.person("BatchAPIUser")
    await ground.models("m")
    batch_id = await batch_of(ground, person, "1", "2")
    assert (await house.call("DELETE", f"/ai/v1/batches/{batch_id}", person)).status_code == 204
    (entry,) = (await listed(house, person, "group_batches=true"))["data"]
    assert (entry["batch_id"], entry["amount"]) == (str(batch_id), 3)


async def test_a_charge_that_comes_late_is_its_batchs(house: House) -> None:
    """Its process was taken for dead, and its line is cancelled by then."""
    ground, person = Ground(house), await house.person("BatchAPIUser")
    await ground.models("m")
    batch_id = await ground.made(person, ["m"])
    await ground.populate(batch_id)
    (claimed,) = await ground.claim()
    assert await ground.queue.rescue(ground.holder, 10) == 1
    assert await ground.queue.cancel(batch_id)
    await ground.cancelled(batch_id)
    await settle(ground, claimed, "0.75")
    (entry,) = (await listed(house, person, "group_batches=true"))["data"]
    assert (entry["batch_id"], entry["amount"], entry["batch_request_count"]) == (str(batch_id), 0.75, 1)


async def test_moments_are_included(house: House) -> None:
    person = await house.person()
    for amount in ("1", "2", "3"):
        await house.grant(person, amount)
    middle = (await listed(house, person))["data"][1]["created_at"]
    at = datetime.fromisoformat(middle)
    naive = at.replace(tzinfo=None).isoformat()
    tick = timedelta(microseconds=1)

    async def found(**moments: str) -> list[float]:
        query = "&".join(f"{name}={text.replace('+', '%2B')}" for name, text in moments.items())
        return [entry["amount"] for entry in (await listed(house, person, query))["data"]]

    assert await found(start_date=middle) == [3, 2]
    assert await found(end_date=middle) == [2, 1]
    assert await found(start_date=naive, end_date=naive) == [2]
    assert await found(start_date=(at + tick).isoformat()) == [3]
    assert await found(end_date=(at - tick).isoformat()) == [1]


async def test_a_page_says_the_balance_it_starts_with(house: House) -> None:
    person = await house.person()
    await house.grant(person, "10")
    await charge(house, person, "2.5")
    await charge(house, person, "1.000000000000001")
    starts = []
    for skip in range(4):
        page = await listed(house, person, f"skip={skip}&limit=1")
        assert (page["total_count"], page["skip"], page["limit"]) == (3, skip, 1)
        starts.append(page["page_start_balance"])
    assert starts == ["6.499999999999999", "7.5", "10", "6.499999999999999"]
    assert (await listed(house, person, "transaction_types=admin_grant"))["page_start_balance"] == "10"


async def test_billing_is_shown_to_its_owner_and_to_those_who_may(house: House) -> None:
    person, other = await house.person(), await house.person()
    manager, viewer = await house.manager(), await house.person("RequestViewer")
    await house.grant(person, "3")
    assert "credit_balance" not in (await house.api("GET", "/users/current", person)).json()
    for who in (person, manager):
        shown = (await house.api("GET", f"/users/{person.id}?include=billing", who)).json()
        assert (shown["credit_balance"], shown["exact_credit_balance"]) == (3, "3")
    page = (await house.api("GET", "/users?include=billing", manager)).json()["data"]
    balances = {each["id"]: each["credit_balance"] for each in page}
    assert balances[str(person.id)] == 3
    assert balances[str(other.id)] == 0
    assert (await house.api("GET", f"/users/{person.id}?include=billing", viewer)).status_code == 403
    await charge(house, person, "0.000000000000001")
    exact = (await house.api("GET", "/users/current?include=billing", person)).json()["exact_credit_balance"]
    assert exact == "2.999999999999999"


async def test_a_balance_is_low_below_its_threshold(house: House) -> None:
    admin, person = await house.admin(), await house.person()
    await house.grant(person, "10")
    changed = await house.api("PATCH", "/users/current", person, {"low_balance_threshold": "5.5"})
    assert changed.json()["low_balance_threshold"] == 5.5
    shown = (await house.api("GET", "/users/current?include=billing", person)).json()
    assert shown["exact_low_balance_threshold"] == "5.5"
    assert await billing_of(house, person) == (10, False)
    await charge(house, person, "4.5")
    assert await billing_of(house, person) == (5.5, False)
    await charge(house, person, "0.000000000000001")
    assert (await billing_of(house, person))[1] is True
    await house.api("POST", "/transactions", admin, wanted(person, 1))
    assert (await billing_of(house, person))[1] is False
    await house.api("PATCH", "/users/current", person, {"low_balance_threshold": 100})
    assert (await billing_of(house, person))[1] is True
    await house.api("PATCH", "/users/current", person, {"display_name": "x"})
    assert (await billing_of(house, person))[1] is True
    await house.api("PATCH", "/users/current", person, {"low_balance_threshold": None})
    assert (await billing_of(house, person))[1] is False
    for wrong in ("-1", "NaN", "0.0000000000000001"):
        answer = await house.api("PATCH", "/users/current", person, {"low_balance_threshold": wrong})
        assert answer.status_code == 400
        assert "low_balance_threshold: expected" in answer.text


async def test_an_account_without_credit_may_be_low_from_the_start(house: House) -> None:
    person = await house.person()
    for threshold, low in ((0, False), (1, True)):
        await house.api("PATCH", "/users/current", person, {"low_balance_threshold": threshold})
        assert await billing_of(house, person) == (0, low)


REGISTRATION: AuthSettings = msgspec.structs.replace(
    CHEAP_AUTH, native=msgspec.structs.replace(CHEAP_AUTH.native, allow_registration=True, password=CHEAP)
)


@pytest.mark.parametrize("amount", ["0", "2.5"])
async def test_who_registers_is_granted_the_first_credit_once(database: Any, amount: str) -> None:
    credit = CreditSettings(initial_credits_for_standard_users=Decimal(amount))
    house = House(database, REGISTRATION, credit=credit)
    body = {"username": "new", "email": "new@example.com", "password": "long enough"}
    made = await house.call("POST", "/authentication/register", body=body)
    assert made.status_code == 201, made.text
    cookie = made.headers["set-cookie"].partition(";")[0]
    page = (await house.api("GET", "/transactions", {"cookie": cookie})).json()
    assert [entry["exact_amount"] for entry in page["data"]] == ([] if amount == "0" else [amount])
    manager = await house.manager()
    other = {"username": "other", "email": "other@example.com"}
    made_by_manager = (await house.api("POST", "/users", manager, other)).json()
    shown = await house.api("GET", f"/users/{made_by_manager['id']}?include=billing", manager)
    assert shown.json()["credit_balance"] == 0
