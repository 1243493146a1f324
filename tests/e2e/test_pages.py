"""Every page, as it is for an administrator and for a standard user, wide and on a phone, in both themes."""

from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.e2e import axe, work
from tests.e2e.conftest import SignedIn
from tests.e2e.house import House, Person
from tests.e2e.pages import PHONE, WIDE, settled, sign_in, watched
from tests.e2e.priced import STANDARD, priced

NIGHT = {**STANDARD, "name": "night", "api_key_purpose": "batch", "completion_window": "24h"}
PLACES = ["Start", "Requests", "Responses", "Models", "API keys", "Cost management"]
WITH_BATCHES = [*PLACES[:3], "Batches", "Files", *PLACES[3:]]
FOR_EVERYONE = (
    *("/", "/requests", "/responses", "/models", "/keys", "/keys?create=true"),
    *("/cost-management", "/account"),
)
FOR_MANAGERS = (
    *("/batches", "/batches?create=true", "/batches?status=failed", "/files", "/files?upload=true"),
    *("/models?create=true", "/endpoints", "/endpoints?create=true"),
    *("/tools", "/tools?create=true"),
    *("/groups", "/groups?create=true", "/users", "/users?create=true"),
    *("/cost-management?user=everyone", "/cost-management?type=usage"),
)
VIEWS = (("light", WIDE), ("dark", PHONE), ("dark", WIDE), ("light", PHONE))


@pytest.fixture(scope="module")
def furnished(house: House) -> dict[str, str]:
    """Something of everything, so that no page is empty; gives the address of one of each."""
    model_id = house.call("GET", "/models?search=fake-model").json()["data"][0]["id"]
    pool = {"type": "composite", "model_name": house.name("pool"), "model_type": "CHAT"}
    pool_id = house.call("POST", "/models", pool).json()["id"]
    house.call("POST", f"/models/{pool_id}/components/{model_id}", {"weight": 2})
    group_id = house.call("POST", "/groups", {"name": house.name("group"), "description": "Of tests"}).json()[
        "id"
    ]
    user_id = house.call("GET", "/users/current").json()["id"]
    credit = {"user_id": user_id, "transaction_type": "admin_grant", "amount": "10"}
    house.call("POST", "/transactions", {**credit, "source_id": house.name("credit")})
    model = priced(house)
    house.call("PATCH", f"/models/{model.id}", {"tariffs": [NIGHT]})
    house.call("PATCH", f"/models/{model.id}", {"tariffs": [STANDARD, NIGHT]})
    request_id = house.ask(house.admin, "What does a gateway do?", model.alias)
    file_id = work.upload(house, house.name("lines"), work.lines(30, wrong=27, model=model.alias))
    batch_id = work.batch(house, file_id, batch_description=house.name("batch"), team="desk")
    work.ended(house, batch_id)
    secret = house.secret(house.admin)
    response_id = work.respond(
        house, secret, input=work.TALK, tools=[work.WEATHER], background=True, instructions="Be brief."
    )
    tool = work.tool(house, house.name("weather"), model_id, group_id)
    house.call("POST", "/tool-sources", {"name": house.name("idle"), "url": "http://127.0.0.1:9/idle"})
    return {
        "tool": f"/tools?q={tool}",
        "model": f"/models/{model_id}",
        "pool": f"/models/{pool_id}",
        "priced": f"/models/{model.id}",
        "group": f"/groups/{group_id}",
        "user": f"/users/{user_id}",
        "request": f"/requests?open={request_id}",
        "response": f"/responses?open={response_id}",
        "batch": f"/batches/{batch_id}",
        "file": f"/files?open={file_id}",
        "new_batch": f"/batches?create=true&file={file_id}",
    }


def addresses(furnished: dict[str, str]) -> list[str]:
    """Every page of an administrator, with every tab."""
    model, pool, group, user = (furnished[name] for name in ("model", "pool", "group", "user"))
    return [
        *FOR_EVERYONE,
        *FOR_MANAGERS,
        *(
            f"{model}?tab={tab}"
            for tab in ("overview", "use", "prices", "access", "tools", "limits", "settings")
        ),
        f"{furnished['priced']}?tab=prices",
        *(f"{pool}?tab={tab}" for tab in ("overview", "pool")),
        *(f"{group}?tab={tab}" for tab in ("members", "models", "tools")),
        *(f"{user}?tab={tab}" for tab in ("roles", "groups", "keys", "credits")),
        *(f"{furnished['request']}&tab={tab}" for tab in ("conversation", "details", "json")),
        *(f"{furnished['response']}&tab={tab}" for tab in ("items", "timeline", "details")),
        *(f"{furnished['batch']}{query}" for query in ("", "?status=all", "?status=completed&q=report-1")),
        *(furnished[name] for name in ("file", "new_batch", "tool")),
    ]


@pytest.mark.parametrize(("theme", "size"), VIEWS)
def test_an_administrator_can_use_every_page(
    browser: Browser,
    house: House,
    furnished: dict[str, str],
    theme: Literal["light", "dark"],
    size: tuple[int, int],
) -> None:
    with watched(browser, house.origin, size, theme) as (page, _watch):
        sign_in(page, house.origin, house.admin)
        for address in addresses(furnished):
            look(page, address)


@pytest.mark.parametrize(("theme", "size"), VIEWS)
def test_a_standard_user_can_use_every_page(
    browser: Browser, house: House, theme: Literal["light", "dark"], size: tuple[int, int]
) -> None:
    with watched(browser, house.origin, size, theme) as (page, _watch):
        look(page, f"{house.origin}/sign-in")
        sign_in(page, house.origin, house.person())
        for address in FOR_EVERYONE:
            look(page, address)


def look(page: Page, address: str) -> None:
    """Open a page; it must be readable for everybody, and no wider than the screen."""
    page.goto(address)
    settled(page)
    axe.check(page)
    beyond = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert beyond <= 0, f"{address} is {beyond} pixels wider than the screen"


def test_pages_of_managers_tell_a_standard_user_that_they_are_closed(
    browser: Browser, house: House, furnished: dict[str, str]
) -> None:
    with watched(browser, house.origin) as (page, _watch):
        sign_in(page, house.origin, house.person())
        pages = page.get_by_role("navigation", name="Pages")
        expect(pages.get_by_role("link")).to_have_text(PLACES)
        closed = ("/endpoints", "/tools", "/groups", "/users", "/batches", "/files")
        for address in (*closed, furnished["group"], furnished["user"], furnished["batch"]):
            page.goto(address)
            expect(page.get_by_text("This page is not open to you")).to_be_visible()
            axe.check(page)


@pytest.mark.parametrize(
    ("roles", "places", "links"),
    [
        (("PlatformManager",), WITH_BATCHES, ["Endpoints", "Tools", "Groups", "Users"]),
        (("BillingManager",), PLACES, ["Users"]),
        (("RequestViewer",), PLACES, []),
        (("BatchAPIUser",), WITH_BATCHES, ["Batches", "Files"]),
        (("ConnectionsUser",), WITH_BATCHES, ["Batches", "Files"]),
    ],
)
def test_the_navigation_shows_what_the_roles_open(
    browser: Browser, house: House, roles: tuple[str, ...], places: list[str], links: list[str]
) -> None:
    with watched(browser, house.origin) as (page, _watch):
        sign_in(page, house.origin, house.person(*roles))
        pages = page.get_by_role("navigation", name="Pages")
        further = [link for link in links if link not in places]
        expect(pages.get_by_role("link")).to_have_text([*places, *further])
        for link in links:
            pages.get_by_role("link", name=link).click()
            settled(page)
            expect(page.get_by_role("heading", level=1, name=link)).to_be_visible()


def test_an_address_without_a_page_says_so(browser: Browser, house: House) -> None:
    with watched(browser, house.origin) as (page, watch):
        watch.expect(404, "/admin/api/v1/models/00000000-0000-0000-0000-000000000009")
        sign_in(page, house.origin, Person(house.admin.email, house.admin.password))
        page.goto("/no/such/page")
        expect(page.get_by_text("There is no page here")).to_be_visible()
        page.get_by_role("link", name="Go to the start").click()
        settled(page)
        page.goto("/models/00000000-0000-0000-0000-000000000009")
        expect(page.get_by_text("This could not be loaded")).to_be_visible()


def test_what_cannot_be_loaded_is_told_and_tried_again(browser: Browser, house: House) -> None:
    with watched(browser, house.origin) as (page, _watch):
        sign_in(page, house.origin, house.admin)
        page.route("**/admin/api/v1/endpoints", lambda route: route.abort())
        page.goto("/endpoints")
        expect(page.get_by_text("The server does not answer.")).to_be_visible()
        axe.check(page)
        page.unroute("**/admin/api/v1/endpoints")
        page.get_by_role("button", name="Try again").click()
        expect(page.get_by_role("table", name="Endpoints")).to_be_visible()


@pytest.mark.parametrize("stays", [False, True])
def test_a_search_waits_for_whether_its_page_is_left(house: House, signed_in: SignedIn, stays: bool) -> None:
    page = signed_in(house.admin)
    page.clock.install()
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/assets/user-*.js", hold)
    page.goto("/users")
    page.get_by_label("Search users").fill("nobody is called this")
    # While the other page is on its way the search would be due.
    with page.expect_request("**/assets/user-*.js"):
        page.get_by_role("table", name="Users").get_by_role("link").first.click()
    page.clock.run_for(1000)
    if stays:
        page.go_back()
        expect(page.get_by_role("heading", name="Nobody found")).to_be_visible()
        return
    for route in held:
        route.continue_()
    expect(page.get_by_role("tab", name="Roles")).to_be_visible()
