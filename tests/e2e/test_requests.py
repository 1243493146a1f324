"""The list of requests: it fills while one looks, is narrowed by its address, and shows each person their own."""

import re

from playwright.sync_api import expect

from tests.e2e import axe
from tests.e2e.conftest import SignedIn
from tests.e2e.house import House


def test_requests_arrive_while_one_looks(house: House, signed_in: SignedIn) -> None:
    person = house.person()
    page = signed_in(person)
    page.goto("/requests?range=all")
    expect(page.get_by_text("Waiting for the first request")).to_be_visible()
    axe.check(page)
    house.ask(person, "The first one")
    rows = page.get_by_role("table", name="Requests").get_by_role("row")
    expect(rows).to_have_count(2)
    expect(rows.nth(1)).to_contain_text("fake-model")
    house.ask(person, "The second one", "other-model")
    expect(rows).to_have_count(3)
    expect(rows.nth(1)).to_contain_text("other-model")

    page.get_by_role("button", name="Live").click()
    expect(page.get_by_role("button", name="Paused")).to_be_visible()
    rows.nth(1).get_by_role("button", name="other-model").click()
    drawer = page.get_by_role("dialog", name="other-model")
    expect(drawer.get_by_text("The second one")).to_be_visible()
    expect(page).to_have_url(re.compile("open=resp_"))
    page.keyboard.press("Escape")
    expect(drawer).to_have_count(0)


def test_requests_are_narrowed_by_model_and_status(house: House, signed_in: SignedIn) -> None:
    person = house.person()
    house.ask(person, "One")
    house.ask(person, "Two", "other-model")
    page = signed_in(person)
    page.goto("/requests")
    rows = page.get_by_role("table", name="Requests").get_by_role("row")
    expect(rows).to_have_count(3)
    page.get_by_label("Model", exact=True).select_option("other-model")
    expect(rows).to_have_count(2)
    expect(page).to_have_url(re.compile("model=other-model"))
    page.get_by_label("Status", exact=True).select_option("Server errors (5xx)")
    expect(page.get_by_text("No call fits these filters.")).to_be_visible()
    page.reload()
    expect(page.get_by_text("No call fits these filters.")).to_be_visible()
    page.get_by_role("button", name="Show all of them").click()
    expect(rows).to_have_count(3)


def test_everybody_sees_their_own_requests_and_a_viewer_those_of_all(
    house: House, signed_in: SignedIn
) -> None:
    one, other = house.person(), house.person()
    house.ask(one, "Mine")
    house.ask(other, "Not yours")
    page = signed_in(one)
    page.goto("/requests")
    rows = page.get_by_role("table", name="Requests").get_by_role("row")
    expect(rows).to_have_count(2)
    viewer = signed_in(house.person("RequestViewer"))
    viewer.goto("/requests")
    everyones = viewer.get_by_role("table", name="Requests")
    expect(everyones).to_contain_text(one.email)
    expect(everyones).to_contain_text(other.email)


def test_older_requests_are_loaded_on_the_way_down(house: House, signed_in: SignedIn) -> None:
    person = house.person()
    secret = house.secret(person)
    for number in range(60):
        house.ask_with(secret, f"Number {number}")
    page = signed_in(person)
    page.goto("/requests")
    table = page.get_by_role("table", name="Requests")
    expect(table).to_have_attribute("aria-rowcount", re.compile("50|60"))
    page.mouse.move(700, 500)
    for _ in range(4):
        page.mouse.wheel(0, 3000)
    expect(table).to_have_attribute("aria-rowcount", "60")
    # Of sixty rows only those near the screen exist.
    assert table.get_by_role("row").count() < 60
