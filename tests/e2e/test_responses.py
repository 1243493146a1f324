"""Stored responses: their list, what one consists of, and what happened to it."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.e2e import axe, work
from tests.e2e.conftest import SignedIn
from tests.e2e.house import House
from tests.e2e.pages import said
from tests.fakes.answers import Answer
from tests.fakes.incoming import Request
from tests.fakes.model import ModelServer
from tests.fakes.upstream import upstream_in_thread

SLOW = "slow-model"


@pytest.fixture
def slow_model(house: House) -> Iterator[str]:
    """A model that answers later than anybody looks."""
    server = ModelServer(models=(SLOW,))

    def answer(request: Request) -> Answer:
        return server(request) if request.method == "GET" else server(request).delayed(120)

    with upstream_in_thread(answer) as upstream:
        made = house.call("POST", "/endpoints", {"name": house.name("slow"), "url": upstream.url}).json()
        models = house.call("GET", f"/models?search={SLOW}").json()["data"]
        everyone = "00000000-0000-0000-0000-000000000000"
        house.call("POST", f"/groups/{everyone}/models/{models[0]['id']}")
        yield SLOW
        house.call("DELETE", f"/endpoints/{made['id']}")


def test_responses_are_listed_and_narrowed(house: House, signed_in: SignedIn) -> None:
    person = house.person()
    secret = house.secret(person)
    page = signed_in(person)
    page.goto("/responses?range=all")
    expect(page.get_by_text("No responses yet")).to_be_visible()
    axe.check(page)
    work.respond(house, secret)
    house.ask_with(secret, "A chat is no response here")
    work.respond(house, secret, model="other-model", background=True)
    rows = page.get_by_role("table", name="Responses").get_by_role("row")
    expect(rows).to_have_count(3)
    expect(rows.nth(1)).to_contain_text("Background")
    expect(rows.nth(1)).to_contain_text("other-model")
    page.get_by_label("Tier").select_option("At once")
    expect(rows).to_have_count(2)
    expect(page).to_have_url(re.compile("kind=default"))
    page.get_by_label("Tier").select_option("In the background")
    expect(rows).to_have_count(2)
    page.get_by_label("Status").select_option("Failed")
    expect(page.get_by_text("No response fits these filters.")).to_be_visible()
    page.reload()
    expect(page.get_by_text("No response fits these filters.")).to_be_visible()
    page.get_by_role("button", name="Show all of them").click()
    expect(rows).to_have_count(3)
    page.get_by_label("Model").select_option("fake-model")
    expect(rows).to_have_count(2)


def test_a_response_is_shown_by_its_items_and_its_timeline(house: House, signed_in: SignedIn) -> None:
    person = house.person()
    secret = house.secret(person)
    response_id = work.respond(
        house, secret, input=work.TALK, tools=[work.WEATHER], instructions="Be brief.", background=True
    )
    page = signed_in(person)
    page.goto("/responses")
    page.get_by_role("table", name="Responses").get_by_role("button", name="fake-model").click()
    expect(page).to_have_url(re.compile(f"open={response_id}"))
    drawer = page.get_by_role("dialog", name="fake-model")
    items = drawer.get_by_role("list", name="Input items").get_by_role("heading")
    expect(items).to_have_text(["System message", "User message", "Reasoning", "Tool call", "Tool output"])
    expect(drawer.get_by_role("list", name="Input items")).to_contain_text('"city": "Riga"')
    answer = drawer.get_by_role("list", name="Output items")
    expect(answer).to_contain_text("Hello from the fake model.")
    expect(drawer.get_by_text("The weather of a city")).to_be_visible()
    axe.check(page)
    drawer.get_by_role("tab", name="Items").focus()
    page.keyboard.press("ArrowRight")
    happened = drawer.get_by_role("list", name="Timeline").get_by_role("listitem")
    expect(happened).to_have_text(
        [re.compile(word) for word in ("^Accepted and queued", "^Started", "^Answer began", "^Completed")]
    )
    axe.check(page)
    drawer.get_by_role("tab", name="JSON").click()
    expect(drawer.get_by_label("Response")).to_contain_text('"object"')
    page.keyboard.press("Escape")
    expect(drawer).to_have_count(0)


def test_a_chat_has_items_too(house: House, signed_in: SignedIn) -> None:
    person = house.person()
    request_id = house.ask(person, "What is an item?")
    page = signed_in(person)
    page.goto(f"/requests?open={request_id}&tab=items")
    drawer = page.get_by_role("dialog", name="fake-model")
    expect(drawer.get_by_role("list", name="Input items")).to_contain_text("What is an item?")
    expect(drawer.get_by_role("list", name="Output items")).to_contain_text("Hello from the fake model.")
    drawer.get_by_role("tab", name="Timeline").click()
    expect(drawer.get_by_role("list", name="Timeline").get_by_role("listitem").first).to_contain_text(
        "Accepted"
    )


def test_a_viewer_sees_everyones_responses_and_cancels_none_of_them(
    house: House, signed_in: SignedIn, slow_model: str
) -> None:
    person = house.person()
    response_id = work.respond(house, house.secret(person), model=slow_model, background=True)
    viewer = signed_in(house.person("RequestViewer"))
    viewer.goto("/responses?status=active")
    row = viewer.get_by_role("table", name="Responses").get_by_role("row").filter(has_text=person.email)
    expect(row).to_contain_text("Background")
    row.get_by_role("button", name=slow_model).click()
    drawer = viewer.get_by_role("dialog", name=slow_model)
    expect(drawer.get_by_role("tab", name="Items")).to_be_visible()
    expect(drawer.get_by_role("button", name="Cancel response")).to_have_count(0)
    page = signed_in(person, (404, f"/ai/v1/responses/{response_id}/cancel"))
    # As a server that knows nothing of it answers.
    page.route("**/cancel", lambda route: route.fulfill(status=404, body="Not found"))
    page.goto(f"/responses?open={response_id}")
    page.get_by_role("button", name="Cancel response").click()
    expect(page.get_by_text("It cannot be canceled here.")).to_be_visible()
    expect(page.get_by_role("button", name="Cancel response")).to_have_count(0)
    axe.check(page)


def test_a_response_that_runs_is_cancelled(house: House, signed_in: SignedIn, slow_model: str) -> None:
    person = house.person()
    response_id = work.respond(house, house.secret(person), model=slow_model, background=True)
    page = signed_in(person)
    page.goto(f"/responses?open={response_id}&tab=timeline")
    drawer = page.get_by_role("dialog", name=slow_model)
    happened = drawer.get_by_role("list", name="Timeline").get_by_role("listitem")
    expect(happened.filter(has_text="Started")).to_be_visible()
    drawer.get_by_role("button", name="Cancel response").click()
    said(page, "The response is canceled.")
    expect(happened.filter(has_text="Canceled")).to_be_visible()
    expect(drawer.get_by_role("button", name="Cancel response")).to_have_count(0)
    assert house.call("GET", f"/requests/{response_id}").json()["status"] == "cancelled"
