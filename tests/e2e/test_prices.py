"""What models cost: tariffs are opened, changed and closed, callers see them, and a free model says that it is."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e import axe
from tests.e2e.conftest import SignedIn
from tests.e2e.house import House
from tests.e2e.pages import said
from tests.e2e.priced import STANDARD, Priced, priced


@pytest.fixture
def model(house: House) -> Priced:
    """One with a price."""
    return priced(house)


@pytest.fixture
def free(house: House) -> Priced:
    """One without."""
    return priced(house, free=True)


def in_force(house: House, model: Priced) -> list[dict[str, Any]]:
    """The tariffs as the server has them."""
    found: list[dict[str, Any]] = house.call("GET", f"/models/{model.id}?include=pricing").json()["tariffs"]
    return found


def fill(page: Page, entry: str, out: str) -> None:
    """The prices of the dialog."""
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Input", exact=True).fill(entry)
    dialog.get_by_label("Output", exact=True).fill(out)


def test_a_tariff_is_added_changed_and_closed(house: House, signed_in: SignedIn, free: Priced) -> None:
    page = signed_in(house.admin)
    page.goto(f"/models/{free.id}?tab=prices")
    expect(page.get_by_text("This model is free")).to_be_visible()
    page.get_by_role("button", name="Add tariff").click()
    fill(page, "0.15", "0.6")
    page.get_by_label("Cached input").fill("0.075")
    axe.check(page)
    page.get_by_role("button", name="Put in force").click()
    said(page, "The tariff is in force.")
    table = page.get_by_role("table", name="Tariffs", exact=True)
    expect(table.get_by_role("row").nth(1)).to_contain_text("Every call")
    expect(table.get_by_role("row").nth(1)).to_contain_text("0.075")
    (first,) = in_force(house, free)
    assert first["input_price_per_token"] == "0.00000015"
    assert first["output_price_per_token"] == "0.0000006"
    assert first["cached_input_price_per_token"] == "0.000000075"
    assert first["reasoning_price_per_token"] is None

    page.get_by_role("button", name="Change standard").click()
    dialog = page.get_by_role("dialog", name="Change “standard”")
    expect(dialog.get_by_label("Output", exact=True)).to_have_value("0.6")
    dialog.get_by_label("Output", exact=True).fill("0.000000001")
    dialog.get_by_role("button", name="Put in force").click()
    expect(dialog).to_have_count(0)
    (second,) = in_force(house, free)
    assert (second["input_price_per_token"], second["output_price_per_token"]) == (
        "0.00000015",
        "0.000000000000001",
    )
    expect(page.get_by_role("table", name="Earlier tariffs").get_by_role("row")).to_have_count(2)

    page.get_by_role("button", name="Close standard").click()
    expect(page.get_by_role("alertdialog")).to_contain_text("free from now on")
    axe.check(page)
    page.get_by_role("alertdialog").get_by_role("button", name="Close tariff").click()
    said(page, "The tariff is closed.")
    expect(page.get_by_text("This model is free")).to_be_visible()
    assert in_force(house, free) == []
    expect(page.get_by_role("table", name="Earlier tariffs").get_by_role("row")).to_have_count(3)


def test_a_tariff_for_the_same_calls_takes_the_place_of_the_other(
    house: House, signed_in: SignedIn, model: Priced
) -> None:
    page = signed_in(house.admin, (409, f"/admin/api/v1/models/{model.id}"))
    page.goto(f"/models/{model.id}?tab=prices")
    (there,) = in_force(house, model)
    page.get_by_role("button", name="Add tariff").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("“standard” (2.50 in, 10.00 out) is for the same calls")).to_be_visible()
    dialog.get_by_label("For").select_option("Lines of batches")
    expect(dialog.get_by_text("is for the same calls")).to_have_count(0)
    dialog.get_by_label("Name").fill("night")
    fill(page, "1.25", "5")
    # Meanwhile somebody else opens one.
    others = {"name": "play", "input_price_per_token": "0", "output_price_per_token": "0"}
    wanted = {"tariffs": [STANDARD, {**others, "api_key_purpose": "playground"}]}
    house.call("PATCH", f"/models/{model.id}", wanted)
    dialog.get_by_role("button", name="Put in force").click()
    expect(dialog.get_by_text("somebody has changed them")).to_be_visible()
    table = page.get_by_role("table", name="Tariffs", exact=True, include_hidden=True)
    expect(table.get_by_role("row", include_hidden=True)).to_have_count(3)
    dialog.get_by_role("button", name="Put in force").click()
    expect(dialog).to_have_count(0)
    found = {each["name"]: each for each in in_force(house, model)}
    assert set(found) == {"standard", "play", "night"}
    assert found["standard"] == there
    assert (found["night"]["api_key_purpose"], found["night"]["completion_window"]) == ("batch", "24h")

    page.get_by_role("button", name="Add tariff").click()
    fill(page, "3", "12")
    page.get_by_role("dialog").get_by_role("button", name="Put in force").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    table = page.get_by_role("table", name="Tariffs", exact=True)
    expect(table.get_by_role("row")).to_have_count(4)
    assert {each["name"]: each["input_price_per_token"] for each in in_force(house, model)} == {
        "standard": "0.000003",
        "play": "0",
        "night": "0.00000125",
    }


@pytest.mark.parametrize("wrong", ["1,5", "-1", "free", "0.0000000001", "1e3"])
def test_what_is_no_price_is_told_where_it_was_typed(
    house: House, signed_in: SignedIn, free: Priced, wrong: str
) -> None:
    page = signed_in(house.admin)
    page.goto(f"/models/{free.id}?tab=prices")
    page.get_by_role("button", name="Add tariff").click()
    fill(page, wrong, "1")
    field = page.get_by_role("dialog").get_by_label("Input", exact=True)
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_accessible_description("Write it like 0.15, with at most 9 decimals.")
    expect(page.get_by_role("button", name="Put in force")).to_be_disabled()


def test_what_the_server_refuses_is_told(house: House, signed_in: SignedIn, free: Priced) -> None:
    page = signed_in(house.admin, (400, "/admin/api/v1/models/"))
    page.goto(f"/models/{free.id}?tab=prices")
    page.get_by_role("button", name="Add tariff").click()
    fill(page, "100000000000", "1")
    page.get_by_role("button", name="Put in force").click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text(
        "tariffs[0].input_price_per_token"
    )


def test_what_the_operator_pays_is_noted(house: House, signed_in: SignedIn) -> None:
    model_id = house.call("GET", "/models?search=other-model").json()["data"][0]["id"]

    def noted() -> Any:
        return house.call("GET", f"/models/{model_id}?include=pricing").json()["provider_pricing"]

    page = signed_in(house.admin)
    page.goto(f"/models/{model_id}?tab=prices")
    page.get_by_label("Your provider charges").select_option("By token")
    page.get_by_label(re.compile("^Input, 1M tokens")).fill("0.1")
    page.get_by_label("Output, 1M tokens").fill("0.3")
    page.get_by_role("button", name="Save provider prices").click()
    said(page, "Provider prices saved.")
    assert (noted()["input_price_per_token"], noted()["output_price_per_token"]) == (
        "0.0000001",
        "0.0000003",
    )
    page.reload()
    expect(page.get_by_label(re.compile("^Input, 1M tokens"))).to_have_value("0.1")
    page.get_by_label("Your provider charges").select_option("By hour")
    page.get_by_label("Price of an hour").fill("2.5")
    axe.check(page)
    page.get_by_role("button", name="Save provider prices").click()
    said(page, "Provider prices saved.")
    assert noted() == {"mode": "hourly", "rate": "2.5", "input_token_cost_ratio": None}
    page.get_by_label("Your provider charges").select_option("Not told")
    with page.expect_response(f"**/models/{model_id}"):
        page.get_by_role("button", name="Save provider prices").click()
    expect(page.get_by_label("Your provider charges")).to_have_value("")
    expect(page.get_by_role("button", name="Save provider prices")).to_be_disabled()
    assert noted() is None


def test_callers_see_prices_and_cannot_change_them(
    house: House, signed_in: SignedIn, model: Priced, free: Priced
) -> None:
    page = signed_in(house.person())
    page.goto(f"/models?q={model.alias}")
    rows = page.get_by_role("table", name="Models").get_by_role("row")
    expect(rows.nth(1)).to_contain_text("2.50 in, 10.00 out")
    page.goto(f"/models?q={free.alias}")
    expect(rows.nth(1)).to_contain_text("Free")
    page.goto(f"/models/{model.id}")
    expect(page.get_by_text("2.50 in, 10.00 out")).to_be_visible()
    page.get_by_role("tab", name="Prices").click()
    expect(page.get_by_role("table", name="Tariffs")).to_contain_text("2.50")
    expect(page.get_by_role("button", name=re.compile("tariff|standard|provider"))).to_have_count(0)
    expect(page.get_by_text("What you pay for it")).to_have_count(0)
    page.goto(f"/models/{free.id}?tab=prices")
    expect(page.get_by_text("This model is free")).to_be_visible()
    expect(page.get_by_text("Earlier tariffs")).to_have_count(0)


def test_models_are_put_in_the_order_of_their_price(house: House, signed_in: SignedIn) -> None:
    word = house.name("order")
    for number, price in enumerate(("0.00003", "0.00001", "0.00002")):
        tariff = {"name": "standard", "input_price_per_token": price, "output_price_per_token": price}
        made = priced(house, tariff)
        house.call("PATCH", f"/models/{made.id}", {"alias": f"{word}-{number}"})
    page = signed_in(house.admin)
    page.goto(f"/models?q={word}")
    page.get_by_role("button", name="Price of 1M tokens").click()
    expect(page).to_have_url(re.compile("order=price_from"))
    names = page.get_by_role("table", name="Models").get_by_role("link")
    expect(names).to_have_text([f"{word}-1", f"{word}-2", f"{word}-0"])
