"""Coming in, going out, being put out; and what stands around every page."""

import re

from playwright.sync_api import Page, expect

from tests.e2e import axe
from tests.e2e.conftest import SignedIn
from tests.e2e.house import House
from tests.e2e.pages import settled, sign_in
from tests.e2e.watch import Watch


def test_a_wrong_password_is_told(house: House, fresh: tuple[Page, Watch]) -> None:
    page, watch = fresh
    watch.expect(401, "/authentication/login")
    page.goto("/")
    page.get_by_label("Email").fill(house.admin.email)
    page.get_by_label("Password").fill("not the password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_have_text("This email and password do not match.")
    axe.check(page)


def test_an_account_is_made_at_the_door(house: House, fresh: tuple[Page, Watch]) -> None:
    page, _watch = fresh
    email = f"{house.name('visitor')}@example.com"
    page.goto("/")
    page.get_by_role("button", name="Create one").click()
    page.get_by_label("Name").fill("A Visitor")
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill("long enough")
    axe.check(page)
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Welcome, A Visitor")


def test_who_is_not_signed_in_comes_back_to_where_they_wanted_to_go(
    house: House, fresh: tuple[Page, Watch]
) -> None:
    page, _watch = fresh
    page.goto("/requests?range=7d")
    page.get_by_label("Email").fill(house.admin.email)
    page.get_by_label("Password").fill(house.admin.password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Requests")
    expect(page).to_have_url(re.compile(r"/requests\?range=7d$"))


def test_a_way_back_never_leads_to_another_site(house: House, fresh: tuple[Page, Watch]) -> None:
    page, _watch = fresh
    for number, away in enumerate(
        ("https://example.com/", "//example.com", "/\\example.com", "javascript:alert(1)")
    ):
        page.context.clear_cookies()
        page.goto(f"/sign-in?to={away}&n={number}")
        page.get_by_label("Email").fill(house.admin.email)
        page.get_by_label("Password").fill(house.admin.password)
        page.get_by_role("button", name="Sign in").click()
        settled(page)
        expect(page.get_by_role("navigation", name="Pages")).to_be_visible()
        assert page.url.startswith(house.origin)


def test_an_ended_session_returns_to_sign_in_and_then_to_the_page(
    house: House, fresh: tuple[Page, Watch]
) -> None:
    page, watch = fresh
    watch.expect(401, "/admin/api/v1/")
    sign_in(page, house.origin, house.admin)
    page.get_by_role("link", name="Requests", exact=True).click()
    settled(page)
    page.context.clear_cookies()
    expect(page.get_by_text("Your session has ended.")).to_be_visible()
    axe.check(page)
    page.get_by_label("Email").fill(house.admin.email)
    page.get_by_label("Password").fill(house.admin.password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Requests")


def test_signing_out_forgets_what_was_shown(house: House, fresh: tuple[Page, Watch]) -> None:
    page, watch = fresh
    watch.expect(401, "/admin/api/v1/")
    sign_in(page, house.origin, house.admin)
    page.get_by_role("button", name=re.compile("^Account")).click()
    axe.check(page)
    page.get_by_role("menuitem", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in to Control Layer")
    page.goto("/keys")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in to Control Layer")


def test_a_session_acts_for_an_organization(house: House, signed_in: SignedIn) -> None:
    name = house.name("organization")
    made = house.call("POST", "/organizations", {"name": name, "email": f"{name}@example.org"}).json()
    grant = {"user_id": made["id"], "transaction_type": "admin_grant", "amount": "42", "source_id": name}
    house.call("POST", "/transactions", grant)
    page = signed_in(house.admin)
    account = page.get_by_role("button", name=re.compile("^Account "))
    account.click()
    axe.check(page)
    page.get_by_role("menuitemradio", name=name).click()
    expect(account).to_contain_text(f"For {name}")
    page.get_by_role("link", name="API keys").click()
    expect(page.get_by_text(f"Your keys of {name}, which pays for their calls.")).to_be_visible()
    page.get_by_role("button", name="Create key").first.click()
    page.get_by_label("Name").fill("shared")
    page.get_by_role("dialog").get_by_role("button", name="Create key").click()
    expect(page.get_by_role("dialog", name="Key “shared”")).to_be_visible()
    page.keyboard.press("Escape")
    (key,) = house.call("GET", f"/users/{made['id']}/api-keys").json()["data"]
    assert key["name"] == "shared"
    page.get_by_role("link", name="Cost management").click()
    expect(page.get_by_role("heading", name="Balance").locator("xpath=..")).to_contain_text("42")
    axe.check(page)
    # It is remembered, and taken back.
    page.reload()
    expect(account).to_contain_text(f"For {name}")
    account.click()
    page.get_by_role("menuitemradio").first.click()
    expect(account).not_to_contain_text(name)
    expect(page.get_by_role("button", name="Account: My account")).to_be_visible()


def test_the_theme_is_chosen_and_kept(house: House, signed_in: SignedIn) -> None:
    page = signed_in(house.admin)
    root = page.locator("html")
    expect(root).to_have_attribute("data-theme", "light")
    page.get_by_role("button", name=re.compile("^Account")).click()
    page.get_by_role("menuitemradio", name="Dark").click()
    expect(root).to_have_attribute("data-theme", "dark")
    page.reload()
    expect(root).to_have_attribute("data-theme", "dark")


def test_the_palette_finds_pages_models_and_commands(house: House, signed_in: SignedIn) -> None:
    page = signed_in(house.admin)
    page.keyboard.press("Control+k")
    search = page.get_by_role("combobox", name="Search pages, models and commands")
    expect(search).to_be_focused()
    search.fill("fake-m")
    expect(page.get_by_role("option", name="fake-model Model")).to_be_visible()
    axe.check(page)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("fake-model")
    page.keyboard.press("Control+k")
    search.fill("api k")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Create an API key")).to_be_visible()


def test_every_page_is_reached_by_keyboard(house: House, signed_in: SignedIn) -> None:
    page = signed_in(house.admin)
    settled(page)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the page")).to_be_focused()
    links = [
        "Control Layer",
        None,
        "Start",
        "Requests",
        "Responses",
        "Batches",
        "Files",
        "Models",
        "API keys",
    ]
    links += ["Cost management", "Endpoints", "Tools", "Groups", "Users"]
    for link in links:
        page.keyboard.press("Tab")
        if link is not None:
            expect(page.get_by_role("link", name=link, exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Users")


def test_a_phone_has_the_same_ways(house: House, signed_in: SignedIn) -> None:
    page = signed_in(house.admin)
    page.set_viewport_size({"width": 390, "height": 844})
    page.get_by_role("button", name="Open the menu").click()
    axe.check(page)
    page.get_by_role("dialog", name="Menu").get_by_role("link", name="Groups").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Groups")
    expect(page.get_by_role("dialog", name="Menu")).to_have_count(0)
