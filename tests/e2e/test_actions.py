"""What people do on each page, and what it changes: administrators, and everybody where everybody may."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e import axe
from tests.e2e.conftest import SignedIn
from tests.e2e.house import House
from tests.e2e.pages import said, settled
from tests.fakes.model import ModelServer
from tests.fakes.upstream import upstream_in_thread


def choose(page: Page, row: str, action: str) -> None:
    """Something from the menu of a row."""
    page.get_by_role("button", name=f"Actions for {row}").click()
    page.get_by_role("menuitem", name=action, exact=True).click()


@pytest.mark.parametrize("who", ["administrator", "standard user"])
def test_a_key_is_made_with_limits_and_revoked(house: House, signed_in: SignedIn, who: str) -> None:
    page = signed_in(house.admin if who == "administrator" else house.person())
    name = house.name("key")
    page.goto("/keys")
    page.get_by_role("button", name="Create key").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill(name)
    dialog.get_by_label("Expires").select_option("In 30 days")
    dialog.get_by_text("Limits").click()
    dialog.get_by_label("Requests per minute").fill("600")
    dialog.get_by_text("Only some models or networks").click()
    dialog.get_by_label("Models").fill("fake-model")
    dialog.get_by_label("Networks").fill("127.0.0.0/8 ::1")
    dialog.get_by_role("button", name="Create key").click()
    secret = page.get_by_label("The new key").inner_text()
    assert re.fullmatch(r"sk-[\w-]{43}", secret)
    axe.check(page)
    page.get_by_role("button", name="I have copied it").click()
    row = page.get_by_role("row").filter(has_text=name)
    expect(row).to_contain_text("600 requests/min · only 1 model · only 2 networks")
    expect(page.get_by_text(secret)).to_have_count(0)

    page.get_by_role("button", name=f"Revoke {name}").click()
    axe.check(page)
    page.get_by_role("alertdialog").get_by_role("button", name="Revoke key").click()
    said(page, f"Key “{name}” is revoked.")
    expect(row).to_have_count(0)


def test_a_name_that_is_taken_is_told_where_it_was_typed(house: House, signed_in: SignedIn) -> None:
    page = signed_in(house.admin, (409, "/admin/api/v1/groups"))
    name = house.name("group")
    house.call("POST", "/groups", {"name": name})
    page.goto("/groups?create=true")
    page.get_by_label("Name").fill(name)
    page.get_by_role("dialog").get_by_role("button", name="Create group").click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text(name)


def test_a_group_is_made_filled_renamed_and_deleted(house: House, signed_in: SignedIn) -> None:
    page = signed_in(house.admin)
    person = house.person()
    name = house.name("group")
    page.goto("/groups")
    page.get_by_role("button", name="Create group").click()
    page.get_by_label("Name").fill(name)
    page.get_by_role("dialog").get_by_role("button", name="Create group").click()
    expect(page.get_by_role("heading", level=1, name=name)).to_be_visible()

    page.get_by_role("switch", name=person.email).click()
    expect(page.get_by_role("tab", name="Members 1")).to_be_visible()
    page.get_by_role("tab", name="Models").click()
    page.get_by_role("switch", name=re.compile("fake-model")).click()
    expect(page.get_by_role("tab", name="Models 1")).to_be_visible()

    page.get_by_role("button", name="Edit").click()
    page.get_by_label("Description").fill("Of a test")
    page.get_by_role("button", name="Save group").click()
    said(page, f"{name} is saved.")
    expect(page.get_by_text("Of a test")).to_be_visible()

    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Delete group").click()
    said(page, f"{name} is deleted.")
    expect(page.get_by_role("heading", level=1, name="Groups")).to_be_visible()
    expect(page.get_by_role("link", name=name, exact=True)).to_have_count(0)


def test_a_user_is_made_gets_a_role_a_group_and_a_key_and_is_deleted(
    house: House, signed_in: SignedIn
) -> None:
    page = signed_in(house.admin)
    email = f"{house.name('user')}@example.com"
    group = house.name("group")
    house.call("POST", "/groups", {"name": group})
    page.goto("/users")
    page.get_by_role("button", name="Create user").click()
    page.get_by_label("Email").fill(email)
    page.get_by_label("Name").fill("Ada Lovelace")
    page.get_by_role("dialog").get_by_role("button", name="Create user").click()
    expect(page.get_by_role("heading", level=1, name="Ada Lovelace")).to_be_visible()

    page.get_by_label("Request viewer").check()
    page.get_by_role("button", name="Save roles").click()
    said(page, "Roles saved.")
    page.get_by_role("tab", name="Groups").click()
    page.get_by_role("switch", name=group, exact=True).click()
    expect(page.get_by_role("switch", name=group, exact=True)).to_be_checked()
    expect(page.get_by_role("switch", name=group, exact=True)).to_be_enabled()

    page.get_by_role("tab", name="Keys").click()
    page.get_by_role("button", name="Create key").click()
    page.get_by_role("dialog").get_by_label("Name").fill("theirs")
    page.get_by_role("dialog").get_by_role("button", name="Create key").click()
    page.get_by_role("button", name="I have copied it").click()
    expect(page.get_by_role("table", name="API keys")).to_contain_text("theirs")

    page.goto("/users")
    page.get_by_label("Search users").fill(email)
    row = page.get_by_role("row").filter(has_text=email)
    expect(row).to_contain_text("Request viewer")
    expect(row).to_contain_text(group)
    page.get_by_role("link", name="Ada Lovelace").click()
    page.get_by_role("button", name="Delete user").first.click()
    page.get_by_role("alertdialog").get_by_role("button", name="Delete user").click()
    said(page, f"{email} is deleted.")


def test_an_endpoint_is_added_edited_synchronized_and_deleted(house: House, signed_in: SignedIn) -> None:
    names = [f"{house.name('model')}" for _ in range(2)]
    name = house.name("server")
    with upstream_in_thread(ModelServer(models=tuple(names), key="Bearer sk-upstream")) as server:
        page = signed_in(house.admin, (409, "/admin/api/v1/endpoints"))
        page.goto("/endpoints")
        page.get_by_role("button", name="Add endpoint").click()
        page.get_by_label("Address").fill(server.url)
        page.get_by_role("button", name="Check connection").click()
        expect(page.get_by_role("alert")).to_be_visible()
        page.get_by_label("API key of the server").fill("sk-upstream")
        page.get_by_role("button", name="Check connection").click()
        page.get_by_label("Name", exact=True).fill(name)
        page.get_by_role("checkbox", name=names[1]).uncheck()
        page.get_by_label(f"Alias of {names[0]}").fill("fake-model")
        page.get_by_role("dialog").get_by_role("button", name="Add endpoint").click()
        expect(page.get_by_text("Another model is called “fake-model”")).to_be_visible()
        page.get_by_label(f"Alias of {names[0]}").fill(f"{names[0]}-alias")
        page.get_by_role("dialog").get_by_role("button", name="Add endpoint").click()
        said(page, f"{name} is connected with 1 model.")
        row = page.get_by_role("row").filter(has_text=name)
        expect(row).to_contain_text("Sealed")

        choose(page, name, "Edit")
        page.get_by_label("Description").fill("In the cellar")
        page.get_by_role("dialog").get_by_text("Limits").click()
        page.get_by_label("Requests at the same time").fill("4")
        page.get_by_role("button", name="Save changes").click()
        said(page, f"{name} is saved.")
        expect(row).to_contain_text("4 at a time")

        choose(page, name, "Choose models")
        page.get_by_role("checkbox", name=names[1]).check()
        page.get_by_role("button", name="Save models").click()
        said(page, "The models are saved.")
        choose(page, name, "Import models again")
        said(page, f"{name}: nothing has changed.")

        row.get_by_role("link", name="All of them").click()
        expect(page.get_by_role("link", name=f"{names[0]}-alias")).to_be_visible()
        expect(page.get_by_role("row").filter(has_text=names[1])).to_contain_text("Nobody")

        page.goto("/endpoints")
        choose(page, name, "Delete")
        page.get_by_role("button", name="Delete endpoint").click()
        said(page, f"{name} is deleted.")
        expect(row).to_have_count(0)


def test_a_pool_is_made_filled_opened_limited_renamed_and_deleted(house: House, signed_in: SignedIn) -> None:
    page = signed_in(house.admin)
    name = house.name("pool")
    page.goto("/models")
    page.get_by_role("button", name="Create model").click()
    page.get_by_label("Alias").fill(name)
    page.get_by_label("Strategy").select_option("Priority: the first that works")
    page.get_by_role("dialog").get_by_role("button", name="Create model").click()
    expect(page.get_by_text("The pool is empty")).to_be_visible()

    for model in ("fake-model", "other-model"):
        page.get_by_label("Model to add").select_option(model)
        page.get_by_role("button", name="Add", exact=True).click()
        expect(page.get_by_role("button", name=f"Remove {model}")).to_be_visible()
    page.get_by_role("button", name="Move other-model up").click()
    expect(page.get_by_role("listitem").filter(has_text="asked first")).to_contain_text("other-model")
    page.get_by_role("switch", name="Use fake-model").click()
    expect(page.get_by_text("switched off")).to_be_visible()
    page.get_by_label("Attempts at most").fill("2")
    page.get_by_role("button", name="Save pool").click()
    said(page, "Pool saved.")
    page.get_by_role("button", name="Remove fake-model").click()
    expect(page.get_by_role("button", name="Remove fake-model")).to_have_count(0)

    page.get_by_role("tab", name="Access").click()
    page.get_by_role("switch", name=re.compile("^Everyone")).click()
    expect(page.get_by_role("tab", name="Access 1")).to_be_visible()
    page.get_by_role("tab", name="Limits and rules").click()
    page.get_by_label("Requests per minute").fill("100")
    page.get_by_role("button", name="Save limits").click()
    said(page, "Limits saved.")
    page.get_by_label("Lines of batches").select_option("Are refused")
    page.get_by_label("Calls from this dashboard").select_option("Are answered by other-model")
    page.get_by_role("button", name="Save rules").click()
    said(page, "Rules saved.")
    page.get_by_role("tab", name="Settings").click()
    page.get_by_label("Display name").fill("The pool of a test")
    page.get_by_label("Headers of answers").fill("x-price: 0.1")
    page.get_by_role("switch", name="Clean answers").click()
    page.get_by_role("button", name="Save changes").click()
    said(page, "Saved.")
    made = house.call("GET", f"/models?search={name}").json()["data"][0]
    assert made["display_name"] == "The pool of a test"
    assert made["response_headers"] == {"x-price": "0.1"}
    assert made["sanitize_responses"] is True
    assert made["requests_per_minute"] == 100
    assert made["fallback"]["max_attempts"] == 2
    assert [rule["action"] for rule in made["traffic_routing_rules"]] == [
        {"type": "deny"},
        {"type": "redirect", "target": "other-model"},
    ]

    page.get_by_role("button", name="Delete model").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Delete model").click()
    said(page, f"{name} is deleted.")
    settled(page)
    expect(page.get_by_role("link", name=name, exact=True)).to_have_count(0)


def test_lists_are_searched_and_put_in_order_by_their_address(house: House, signed_in: SignedIn) -> None:
    page = signed_in(house.admin)
    page.goto("/models?order=-alias")
    names = page.get_by_role("table", name="Models").get_by_role("link")
    expect(names.first).to_be_visible()
    shown = names.all_inner_texts()
    assert shown == sorted(shown, reverse=True)
    page.get_by_role("button", name="Model", exact=True).click()
    expect(page).to_have_url(re.compile(r"order=alias"))
    page.get_by_label("Search models").press_sequentially("no such model")
    expect(page.get_by_text("No model fits these filters.")).to_be_visible()
    page.reload()
    expect(page.get_by_label("Search models")).to_have_value("no such model")
    page.get_by_role("button", name="Show all models").click()
    expect(names.first).to_be_visible()


def test_a_name_and_a_password_are_changed(house: House, signed_in: SignedIn) -> None:
    person = house.person()
    page = signed_in(person)
    page.goto("/account")
    page.get_by_label("Name").fill("Grace Hopper")
    page.get_by_role("button", name="Save name").click()
    said(page, "Your name is saved.")
    expect(page.get_by_role("button", name="Account Grace Hopper")).to_be_visible()
    page.get_by_label("Current password").fill(person.password)
    page.get_by_label("New password").fill("another long password")
    page.get_by_role("button", name="Change password").click()
    said(page, "Your password is changed. Other sessions have ended.")
    page.goto("/keys")
    expect(page.get_by_text("No keys yet")).to_be_visible()
