"""Balances and transactions: who books and sees what, to the last digit, and what a call cost in the list of calls."""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.e2e import axe
from tests.e2e.conftest import SignedIn
from tests.e2e.house import House, Person
from tests.e2e.pages import said, settled
from tests.e2e.priced import priced
from tests.fakes.answers import Answer, json_reply
from tests.fakes.incoming import Request
from tests.fakes.model import ModelServer
from tests.fakes.shapes import chat_completion
from tests.fakes.upstream import upstream_in_thread

MODELS = ("silent-model",)
MINUS = "\N{MINUS SIGN}"


def id_of(house: House, person: Person) -> str:
    """Of an account."""
    found: str = house.call("GET", f"/users?search={person.email}").json()["data"][0]["id"]
    return found


def grant(house: House, person: Person, amount: str, description: str | None = None) -> None:
    """Credit of theirs."""
    booking = {
        "user_id": id_of(house, person),
        "transaction_type": "admin_grant",
        "amount": amount,
        "source_id": house.name("grant"),
        "description": description,
    }
    house.call("POST", "/transactions", booking)


def balance(house: House, person: Person) -> str:
    """As the server has it."""
    shown: str = house.call("GET", f"/users/{id_of(house, person)}?include=billing").json()[
        "exact_credit_balance"
    ]
    return shown


def entries(page: Page) -> Any:
    """The rows below the head."""
    return page.get_by_role("table", name="Transactions").locator("tbody").get_by_role("row")


def test_credits_are_added_and_removed_by_who_manages_bills(house: House, signed_in: SignedIn) -> None:
    manager, person = house.person("BillingManager"), house.person()
    page = signed_in(manager)
    page.goto("/cost-management")
    page.get_by_role("button", name="Account: My account").click()
    dialog = page.get_by_role("dialog", name="Choose an account")
    axe.check(page)
    dialog.get_by_label("Search accounts").fill(person.email)
    dialog.get_by_role("button", name=person.email).click()
    expect(page).to_have_url(re.compile(f"user={id_of(house, person)}"))
    expect(page.get_by_text("This account has no credits.")).to_be_visible()
    expect(page.get_by_text("No transactions yet")).to_be_visible()
    # A warning is the owner's to set, and who runs people's.
    expect(page.get_by_role("button", name="Set warning")).to_have_count(0)

    page.get_by_role("button", name="Add or remove credits").click()
    booking = page.get_by_role("dialog", name="Add or remove credits")
    for wrong, why in (("0", "It must be above zero."), ("1,5", "Write it like 12.50")):
        booking.get_by_label("Amount").fill(wrong)
        expect(booking.get_by_text(why)).to_be_visible()
        expect(booking.get_by_role("button", name="Add credits")).to_be_disabled()
    booking.get_by_label("Amount").fill("10.000000000000001")
    expect(booking.get_by_text("The balance is then 10.000000000000001.")).to_be_visible()
    booking.get_by_label("Description").fill("For the first quarter")
    axe.check(page)
    booking.get_by_role("button", name="Add credits").click()
    said(page, "10.000000000000001 credits are added.")
    expect(page.get_by_text("This account has no credits.")).to_have_count(0)

    page.get_by_role("button", name="Add or remove credits").click()
    booking.get_by_label("What to do").select_option("Remove credits")
    booking.get_by_label("Amount").fill("2.5")
    expect(booking.get_by_text("The balance is then 7.500000000000001.")).to_be_visible()
    booking.get_by_role("button", name="Remove credits").click()
    said(page, "2.50 credits are removed.")
    rows = entries(page)
    expect(rows).to_have_count(2)
    expect(rows.nth(0)).to_contain_text("Credits removed")
    expect(rows.nth(0)).to_contain_text(f"{MINUS}2.50")
    expect(rows.nth(0)).to_contain_text("7.500000000000001")
    expect(rows.nth(1)).to_contain_text("For the first quarter")
    expect(rows.nth(1)).to_contain_text(f"by {manager.email}")
    expect(rows.nth(1)).to_contain_text("+10.000000000000001")
    assert balance(house, person) == "7.500000000000001"

    theirs = signed_in(person)
    theirs.get_by_role("link", name="Cost management").click()
    expect(theirs.get_by_text("7.500000000000001 credits")).to_be_visible()
    expect(entries(theirs).nth(1)).to_contain_text("For the first quarter")
    # Who has administered it is not theirs to know.
    expect(theirs.get_by_text(manager.email)).to_have_count(0)


def test_a_booking_whose_answer_got_lost_is_booked_once(house: House, signed_in: SignedIn) -> None:
    person = house.person()
    page = signed_in(house.admin, (409, "/admin/api/v1/transactions"))
    page.goto(f"/users/{id_of(house, person)}?tab=credits")
    page.get_by_role("button", name="Add or remove credits").click()
    booking = page.get_by_role("dialog")
    booking.get_by_label("Amount").fill("4")

    def lose(route: Route) -> None:
        if route.request.method == "POST":
            route.fetch()
            route.abort()
        else:
            route.continue_()

    page.route("**/admin/api/v1/transactions", lose)
    booking.get_by_role("button", name="Add credits").click()
    expect(booking.get_by_role("alert")).to_contain_text("The server does not answer.")
    page.unroute("**/admin/api/v1/transactions")
    booking.get_by_role("button", name="Add credits").click()
    said(page, "4.00 credits are added.")
    expect(entries(page)).to_have_count(1)
    assert balance(house, person) == "4"


def test_a_low_balance_is_told(house: House, signed_in: SignedIn) -> None:
    person = house.person()
    grant(house, person, "4")
    page = signed_in(person)
    page.goto("/cost-management")
    expect(page.get_by_text("No warning is set.")).to_be_visible()
    page.get_by_role("button", name="Set warning").click()
    page.get_by_label("Below").fill("4.5")
    axe.check(page)
    page.get_by_role("button", name="Save warning").click()
    said(page, "The warning is set.")
    expect(page.get_by_text("Your balance is below 4.50.")).to_be_visible()
    axe.check(page)
    manager = signed_in(house.person("BillingManager"))
    manager.goto(f"/users?q={person.email}")
    row = manager.get_by_role("row").filter(has_text=person.email)
    expect(row).to_contain_text("Low")
    expect(row).to_contain_text("4.00")
    page.get_by_role("button", name="Set warning").click()
    expect(page.get_by_label("Below")).to_have_value("4.5")
    page.get_by_label("Below").fill("")
    page.get_by_role("button", name="Save warning").click()
    expect(page.get_by_text("Your balance is below")).to_have_count(0)


def test_transactions_are_narrowed_by_their_address(house: House, signed_in: SignedIn) -> None:
    person = house.person()
    grant(house, person, "5", "Pocket money")
    grant(house, person, "7", "A present")
    house.ask(person, "Hello", priced(house).alias)
    page = signed_in(person)
    page.goto("/cost-management")
    rows = entries(page)
    expect(rows).to_have_count(3)
    heads = page.get_by_role("columnheader")
    expect(heads).to_have_text(["Transaction", "Time", "Amount", "Balance"])
    page.get_by_label("Type", exact=True).select_option("Credits added")
    expect(rows).to_have_count(2)
    # Between two of these rows there may be others, so no balance stands beside them.
    expect(heads).to_have_text(["Transaction", "Time", "Amount"])
    page.get_by_label("Search transactions").fill("pocket")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("Pocket money")
    expect(page).to_have_url(re.compile("type=admin_grant"))
    page.reload()
    expect(rows).to_have_count(1)
    page.get_by_label("Search transactions").fill("no such thing")
    expect(page.get_by_text("No transaction fits these filters.")).to_be_visible()
    page.get_by_role("button", name="Show all of them").click()
    expect(rows).to_have_count(3)

    today = page.evaluate("new Date().toLocaleDateString('sv')")
    page.get_by_label("From").fill(today)
    page.get_by_label("To", exact=True).fill(today)
    expect(page).to_have_url(re.compile(f"from={today}.*to={today}"))
    expect(rows).to_have_count(3)
    expect(heads).to_have_text(["Transaction", "Time", "Amount", "Balance"])
    page.get_by_label("From").fill("2020-01-01")
    page.get_by_label("To", exact=True).fill("2020-01-31")
    expect(page.get_by_text("No transaction fits these filters.")).to_be_visible()


def test_pages_go_on_with_the_balance_of_the_one_before(house: House, signed_in: SignedIn) -> None:
    person = house.person()
    for number in range(1, 31):
        grant(house, person, f"0.{number:02}")
    total = sum((Decimal(number) / 100 for number in range(1, 31)), Decimal(0))
    assert balance(house, person) == f"{total.normalize():f}"
    page = signed_in(person)
    page.goto("/cost-management")
    rows = entries(page)
    expect(rows).to_have_count(25)
    expect(rows.nth(0).get_by_role("cell").nth(2)).to_contain_text("+0.30")
    expect(rows.nth(0).get_by_role("cell").nth(3)).to_have_text(str(total))
    expect(
        page.get_by_role("navigation", name="Pages").get_by_text(re.compile("^1.25 of 30$"))
    ).to_be_visible()
    page.get_by_role("button", name="Next").click()
    expect(rows).to_have_count(5)
    expect(page).to_have_url(re.compile("page=2"))
    first_five = sum((Decimal(number) / 100 for number in range(1, 6)), Decimal(0))
    expect(rows.nth(0).get_by_role("cell").nth(3)).to_have_text(str(first_five))
    expect(rows.nth(4).get_by_role("cell").nth(3)).to_have_text("0.01")
    page.get_by_role("button", name="Previous").click()
    expect(rows).to_have_count(25)


def test_a_call_shows_what_it_cost(house: House, signed_in: SignedIn) -> None:
    person = house.person()
    grant(house, person, "1")
    model = priced(house)
    request_id = house.ask(person, "What does it cost?", model.alias)
    house.ask(person, "And this?")
    cost = house.call("GET", f"/requests/{request_id}").json()["total_cost"]
    assert Decimal(cost) > 0
    page = signed_in(person)
    page.goto("/requests")
    calls = page.get_by_role("table", name="Requests")
    expect(calls.get_by_role("columnheader", name="Cost")).to_be_visible()
    expect(calls.get_by_role("row").filter(has_text=model.alias)).to_contain_text(cost)
    expect(calls.get_by_role("row").filter(has_text="fake-model")).to_contain_text("Free")

    page.goto("/cost-management")
    rows = entries(page)
    expect(rows.nth(0)).to_contain_text(f"{MINUS}{cost}")
    rows.nth(0).get_by_role("link", name=model.alias).click()
    drawer = page.get_by_role("dialog", name=model.alias)
    expect(drawer.get_by_role("definition").filter(has_text=cost).first).to_be_visible()
    axe.check(page)


def test_no_cost_is_spoken_of_where_every_call_was_free(house: House, signed_in: SignedIn) -> None:
    person = house.person()
    house.ask(person, "Nothing?")
    page = signed_in(person)
    page.goto("/requests")
    calls = page.get_by_role("table", name="Requests")
    expect(calls.get_by_role("row")).to_have_count(2)
    expect(calls.get_by_role("columnheader", name="Cost")).to_have_count(0)


@pytest.fixture
def silent_model(house: House) -> Iterator[str]:
    """A model whose server does not tell what it has used."""
    server = ModelServer(models=MODELS)

    def answer(request: Request) -> Answer:
        if request.method == "GET":
            return server(request)
        whole = chat_completion(MODELS[0], "Five words and no more.", prompt=3)
        del whole["usage"]
        return json_reply(whole)

    with upstream_in_thread(answer) as upstream:
        made = house.call("POST", "/endpoints", {"name": house.name("silent"), "url": upstream.url}).json()
        yield MODELS[0]
        house.call("DELETE", f"/endpoints/{made['id']}")


def test_estimated_tokens_are_called_so(house: House, signed_in: SignedIn, silent_model: str) -> None:
    person = house.person()
    grant(house, person, "1")
    model = priced(house, target=silent_model)
    request_id = house.ask(person, "How much was it?", model.alias)
    page = signed_in(person)
    page.goto("/requests")
    row = page.get_by_role("table", name="Requests").get_by_role("row").filter(has_text=model.alias)
    expect(row.get_by_role("img", name=re.compile("^estimated: "))).to_be_visible()
    page.goto(f"/requests?open={request_id}&tab=details")
    drawer = page.get_by_role("dialog", name=model.alias)
    expect(drawer.get_by_text("Estimated: the model server did not report them all")).to_be_visible()
    expect(drawer.get_by_text("for estimated tokens")).to_be_visible()
    axe.check(page)


def test_nobody_sees_what_is_not_theirs(house: House, signed_in: SignedIn) -> None:
    person, other = house.person("RequestViewer"), house.person()
    grant(house, other, "3", "Not yours")
    page = signed_in(person)
    page.goto("/cost-management")
    expect(page.get_by_text("You have no credits.")).to_be_visible()
    expect(page.get_by_text("No transactions yet")).to_be_visible()
    for name in (re.compile("^Account: "), "Add or remove credits"):
        expect(page.get_by_role("button", name=name)).to_have_count(0)
    for user in ("everyone", id_of(house, other)):
        page.goto(f"/cost-management?user={user}")
        expect(page.get_by_text("This page is not open to you")).to_be_visible()
        expect(page.get_by_text("Not yours")).to_have_count(0)


def test_everyones_transactions_say_whose_they_are(house: House, signed_in: SignedIn) -> None:
    one, two = house.person(), house.person()
    grant(house, one, "3", "One's")
    grant(house, two, "4", "Two's")
    page = signed_in(house.person("PlatformManager"))
    page.goto("/cost-management?user=everyone")
    expect(page.get_by_text("Balance of all accounts together")).to_be_visible()
    rows = entries(page)
    expect(rows.filter(has_text="One's")).to_contain_text(one.email)
    expect(page.get_by_role("columnheader", name="Balance")).to_have_count(0)
    rows.filter(has_text="Two's").get_by_role("link", name=two.email).click()
    expect(page.get_by_role("heading", level=1, name=two.email)).to_be_visible()
    expect(page.get_by_role("tab", name="Credits")).to_have_attribute("aria-selected", "true")
    expect(entries(page)).to_contain_text("Two's")


def test_an_account_is_chosen_without_the_mouse(house: House, signed_in: SignedIn) -> None:
    person = house.person()
    page = signed_in(house.admin)
    page.goto("/cost-management")
    settled(page)
    page.get_by_role("button", name="Account: My account").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Search accounts")).to_be_focused()
    page.keyboard.type(person.email)
    choices = page.get_by_role("list", name="Accounts").get_by_role("button")
    expect(choices).to_have_count(1)
    page.keyboard.press("Tab")
    expect(choices).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name=f"Account: {person.email}")).to_be_visible()


def test_the_account_menu_tells_the_balance(house: House, signed_in: SignedIn) -> None:
    person = house.person()
    grant(house, person, "12.5")
    page = signed_in(person)
    page.get_by_role("button", name=re.compile("^Account")).click()
    page.get_by_role("menuitem", name="Credits: 12.50").click()
    expect(page.get_by_role("heading", level=1, name="Cost management")).to_be_visible()


def test_an_account_that_is_not_there_is_told(house: House, signed_in: SignedIn) -> None:
    nobody = "00000000-0000-0000-0000-000000000009"
    page = signed_in(house.admin, (404, f"/admin/api/v1/users/{nobody}"))
    page.goto(f"/cost-management?user={nobody}")
    expect(page.get_by_text("This could not be loaded")).to_be_visible()
    axe.check(page)


def test_transactions_that_cannot_be_loaded_are_tried_again(house: House, signed_in: SignedIn) -> None:
    person = house.person()
    grant(house, person, "3")
    page = signed_in(person)
    page.route("**/admin/api/v1/transactions?*", lambda route: route.abort())
    page.goto("/cost-management")
    expect(page.get_by_text("The server does not answer.")).to_be_visible()
    page.unroute("**/admin/api/v1/transactions?*")
    page.get_by_role("button", name="Try again").click()
    expect(entries(page)).to_have_count(1)
