"""Tools of the server: made, attached, called by a model, and looked at in the drawer of the call."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.e2e import axe, work
from tests.e2e.conftest import SignedIn
from tests.e2e.house import House, Person
from tests.e2e.pages import PHONE, said
from tests.e2e.test_actions import choose
from tests.fakes.answers import Answer, json_reply
from tests.fakes.incoming import Request
from tests.fakes.model import ModelServer
from tests.fakes.tools import Caller, ToolServer
from tests.fakes.upstream import UpstreamThread, upstream_in_thread

CALLS = "calling-model"
SUN = {"city": "Ulm", "sun": True}


def test_a_tool_is_made_attached_changed_and_deleted(house: House, signed_in: SignedIn) -> None:
    page = signed_in(house.admin, (400, "/admin/api/v1/tool-sources"), (409, "/admin/api/v1/tool-sources"))
    name, group = house.name("weather"), house.name("group")
    group_id = house.call("POST", "/groups", {"name": group}).json()["id"]
    page.goto("/tools")
    page.get_by_role("button", name="Add tool").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("the weather")
    dialog.get_by_label("Description").fill("The weather of a city")
    dialog.get_by_label("Address").fill("http://169.254.169.254/weather")
    dialog.get_by_label("API key of the tool").fill("s3cret-of-the-tool")
    arguments = dialog.get_by_label("Arguments")
    arguments.fill("{")
    expect(dialog.get_by_text("This is not JSON")).to_be_visible()
    expect(dialog.get_by_role("button", name="Add tool")).to_be_disabled()
    axe.check(page)
    arguments.fill('{"type": "string"}')
    # What the server refuses is told at the field, one after the other.
    wrong = (
        ("Name", name, "Expected 1 to 64 letters"),
        ("Arguments", '{"type": "object"}', "Type: expected"),
        ("Address", "http://127.0.0.1:9/weather", "169.254.169.254"),
    )
    for label, better, text in wrong:
        dialog.get_by_role("button", name="Add tool").click()
        field = dialog.get_by_label(label)
        expect(field).to_have_attribute("aria-invalid", "true")
        expect(field).to_have_accessible_description(re.compile(text))
        axe.check(page)
        field.fill(better)
    dialog.get_by_role("button", name="Add tool").click()
    said(page, f"{name} is added.")
    row = page.get_by_role("row").filter(has_text=name)
    expect(row).to_contain_text("Sealed")
    expect(row).to_contain_text("No call has it")

    page.get_by_role("button", name="Add tool").first.click()
    dialog.get_by_label("Name").fill(name)
    dialog.get_by_label("Address").fill("http://127.0.0.1:9/other")
    dialog.get_by_role("button", name="Add tool").click()
    expect(dialog.get_by_label("Name")).to_have_accessible_description(re.compile("already exists"))
    dialog.get_by_role("button", name="Cancel").click()

    model = house.call("GET", "/models?search=fake-model").json()["data"][0]["id"]
    for place in (f"/models/{model}?tab=tools", f"/groups/{group_id}?tab=tools"):
        page.goto(place)
        switch = page.get_by_role("switch", name=re.compile(f"^{name}"))
        switch.click()
        expect(switch).to_be_checked()
        expect(switch).to_be_enabled()
        axe.check(page)
    page.goto(f"/tools?q={name}")
    expect(row).to_contain_text("1 model, 1 group")
    expect(row).not_to_contain_text("No call has it")

    choose(page, name, "Edit")
    expect(dialog.get_by_label("Arguments")).to_have_value(re.compile('"type": "object"'))
    expect(dialog.get_by_label("Another API key")).to_have_value("")
    assert "s3cret-of-the-tool" not in page.content()
    axe.check(page)
    dialog.get_by_label("Seconds it may take").fill("12")
    dialog.get_by_label("Send no key any more").check()
    dialog.get_by_role("button", name="Save changes").click()
    said(page, f"{name} is saved.")
    expect(row).to_contain_text("None")
    (made,) = [each for each in house.call("GET", "/tool-sources").json() if each["name"] == name]
    assert (made["timeout_secs"], made["has_api_key"], made["parameters"]) == (12, False, {"type": "object"})

    page.goto(f"/groups/{group_id}?tab=tools")
    page.get_by_role("switch", name=re.compile(f"^{name}")).click()
    expect(page.get_by_role("switch", name=re.compile(f"^{name}"))).not_to_be_checked()
    page.goto(f"/tools?q={name}")
    choose(page, name, "Delete")
    axe.check(page)
    page.get_by_role("button", name="Delete tool").click()
    said(page, f"{name} is deleted.")
    expect(row).to_have_count(0)


def test_the_group_of_everyone_has_no_tools(house: House, signed_in: SignedIn) -> None:
    page = signed_in(house.admin)
    page.goto("/groups/00000000-0000-0000-0000-000000000000?tab=tools")
    expect(page.get_by_text("The group of everyone gives nobody a tool.")).to_be_visible()
    axe.check(page)


def test_on_a_phone_what_has_no_room_stands_below_the_name(house: House, signed_in: SignedIn) -> None:
    name = house.name("narrow")
    house.call("POST", "/tool-sources", {"name": name, "url": "http://127.0.0.1:9/narrow"})
    page = signed_in(house.admin)
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    page.goto(f"/tools?q={name}")
    expect(page.get_by_role("row").filter(has_text=name)).to_contain_text("0 models, 0 groups")


@pytest.fixture
def tools() -> Iterator[UpstreamThread]:
    """A server of tools, one of which has nothing to say."""
    broken = json_reply({"error": "no"}, status=500)
    with upstream_in_thread(ToolServer(weather=lambda _: SUN, broken=broken)) as running:
        yield running


@pytest.fixture
def caller(house: House, tools: UpstreamThread) -> Iterator[Person]:
    """Somebody whose model calls both tools and then answers."""
    weather, broken = house.name("weather"), house.name("broken")
    model = Caller([(weather, {"city": "Ulm"}), (broken, {})])
    listed = ModelServer(models=(CALLS,))
    with upstream_in_thread(lambda asked: answering(asked, listed, model)) as upstream:
        endpoint = house.call(
            "POST", "/endpoints", {"name": house.name("calls"), "url": upstream.url}
        ).json()["id"]
        model_id = house.call("GET", f"/models?search={CALLS}").json()["data"][0]["id"]
        group_id = house.call("POST", "/groups", {"name": house.name("group")}).json()["id"]
        person = house.person()
        found = house.call("GET", f"/users?search={person.email}").json()["data"][0]["id"]
        house.call("POST", f"/groups/{group_id}/users/{found}")
        house.call("POST", f"/groups/{group_id}/models/{model_id}")
        base = tools.url.removesuffix("/v1")
        work.tool(house, weather, model_id, group_id, f"{base}/tools/weather")
        work.tool(house, broken, model_id, group_id, f"{base}/tools/broken")
        yield person
        house.call("DELETE", f"/endpoints/{endpoint}")


def answering(asked: Request, listed: ModelServer, model: Caller) -> Answer:
    """The list of models from one, answers from the other."""
    return listed(asked) if asked.method == "GET" else model(asked)


def opened(page: Page, response_id: str, tab: str) -> None:
    """The drawer of a call."""
    page.goto(f"/responses?open={response_id}&tab={tab}")


def test_the_drawer_shows_what_tools_did(house: House, signed_in: SignedIn, caller: Person) -> None:
    response_id = work.respond(house, house.secret(caller), model=CALLS, input="How is it in Ulm?")
    page = signed_in(caller)
    opened(page, response_id, "items")
    drawer = page.get_by_role("dialog", name=CALLS)
    output = drawer.get_by_role("list", name="Output items")
    expect(output).to_contain_text("weather")
    expect(output).to_contain_text('"sun": true')
    expect(output).to_contain_text("Run by the server")
    expect(output).to_contain_text("Answered with an error")
    expect(output).to_contain_text("All done.")
    axe.check(page)
    drawer.get_by_role("tab", name="Timeline").click()
    happened = drawer.get_by_role("list", name="Timeline").get_by_role("listitem")
    expect(happened.filter(has_text="Called weather")).to_contain_text("Took")
    expect(happened.filter(has_text="Called broken")).to_contain_text("Answered with an error")
    expect(happened.last).to_contain_text("Completed")
    axe.check(page)
    drawer.get_by_role("tab", name="Conversation").click()
    expect(drawer).to_contain_text("Calls weather")
    axe.check(page)


def test_the_drawer_shows_the_events_of_a_background_stream(
    house: House, signed_in: SignedIn, caller: Person
) -> None:
    body = {"model": CALLS, "input": "How is it in Ulm?", "background": True, "stream": True}
    answer = house.ai(
        "POST", "/responses", json=body, headers={"authorization": f"Bearer {house.secret(caller)}"}
    )
    found = re.search(r'"id":"(resp_[0-9a-f-]+)"', answer.text)
    assert found is not None
    page = signed_in(caller)
    opened(page, found[1], "timeline")
    drawer = page.get_by_role("dialog", name=CALLS)
    events = drawer.get_by_role("list", name="Events of the stream").get_by_role("listitem")
    expect(events.first).to_contain_text("created")
    expect(events.last).to_contain_text("completed")
    expect(events.filter(has_text="output_item.added").first).to_contain_text("weather")
    axe.check(page)
