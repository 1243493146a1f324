"""Tariffs and provider prices of models: given, kept, closed, shown to whom, and what the gateway reads of them."""

import asyncio
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from dwctl.core.seal import Seal
from dwctl.identity.principal import NIL
from dwctl.routing.store import RoutingStore
from dwctl.usage.prices import Tariffs
from tests.control.house import SECRET, House, Person

AWAY = "http://127.0.0.1:9/v1"


def tariff(
    name: str = "standard", entry: Any = "0.000001", out: Any = "0.000002", **more: Any
) -> dict[str, Any]:
    """A tariff as it is given."""
    return {"name": name, "input_price_per_token": entry, "output_price_per_token": out, **more}


@pytest.fixture
async def manager(house: House) -> Person:
    """Who runs the platform."""
    return await house.manager()


@pytest.fixture
async def path(house: House) -> str:
    """The path of a model that is open to everyone."""
    await house.endpoint(AWAY, "a", "b", "c", open_to=NIL)
    return f"/models/{await house.model('a')}"


async def set_tariffs(house: House, who: Person, path: str, *tariffs: Any) -> list[dict[str, Any]]:
    """Replace them, and give what is shown."""
    answer = await house.api("PATCH", path, who, {"tariffs": list(tariffs)})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["tariffs"]
    return found


async def routed(house: House, alias: str = "a") -> Tariffs | None:
    """The tariffs of a model as the gateway reads them."""
    models, _ = await RoutingStore(house.database, Seal(SECRET)).models()
    return {model.alias: model.tariffs for model in models}[alias]


async def test_tariffs_are_opened_kept_and_closed(house: House, manager: Person, path: str) -> None:
    assert await routed(house) is None
    (first,) = await set_tariffs(house, manager, path, tariff())
    assert first["valid_until"] is None
    assert first["is_active"] is True
    assert (first["input_price_per_token"], first["output_price_per_token"]) == ("0.000001", "0.000002")
    assert (first["api_key_purpose"], first["completion_window"]) == (None, None)
    more = tariff("night", "0.5", 1, api_key_purpose="batch", completion_window="24h")
    both = await set_tariffs(house, manager, path, tariff(), more)
    assert both[0] == first
    assert both[1]["completion_window"] == "24h"
    changed = await set_tariffs(house, manager, path, tariff(entry="0.000003"), more)
    assert changed[0]["id"] != first["id"]
    assert changed[1] == both[1]
    rows = await house.database.fetch(
        "select id, valid_from, valid_until from model_tariffs order by valid_from"
    )
    assert len(rows) == 3
    closed = next(row for row in rows if row["id"] == UUID(first["id"]))
    assert (
        closed["valid_until"] == next(row for row in rows if str(row["id"]) == changed[0]["id"])["valid_from"]
    )
    found = await routed(house)
    assert found is not None
    assert found.realtime is not None
    assert (found.realtime.id, found.realtime.input) == (changed[0]["id"], Decimal("0.000003"))
    assert found.windows["24h"].id == both[1]["id"]
    assert await set_tariffs(house, manager, path) == []
    assert await routed(house) is None


async def test_of_two_who_saw_the_same_tariffs_one_replaces_them(
    house: House, manager: Person, path: str
) -> None:
    seen = [each["id"] for each in await set_tariffs(house, manager, path, tariff())]

    async def replace(name: str, price: str) -> int:
        body = {"description": name, "tariffs": [tariff(name, price)], "replaces_tariffs": seen}
        return (await house.api("PATCH", path, manager, body)).status_code

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(replace(f"of {at}", f"0.{at}")) for at in range(1, 7)]
    assert sorted(task.result() for task in tasks) == [200, *[409] * 5]
    shown = (await house.api("GET", f"{path}?include=pricing", manager)).json()
    (kept,) = shown["tariffs"]
    # Of the others nothing was done.
    assert shown["description"] == kept["name"]
    assert await house.database.fetch_value("select count(*) from model_tariffs") == 2


async def test_what_others_changed_is_told(house: House, manager: Person, path: str) -> None:
    body = {"tariffs": [tariff()], "replaces_tariffs": []}
    (first,) = (await house.api("PATCH", path, manager, body)).json()["tariffs"]
    answer = await house.api("PATCH", path, manager, body)
    assert answer.status_code == 409
    assert "tariffs: others are in force" in answer.text
    body["replaces_tariffs"] = [first["id"]]
    # Repeated, it finds what it has made itself.
    assert (await house.api("PATCH", path, manager, body)).json()["tariffs"] == [first]
    body["tariffs"] = []
    assert (await house.api("PATCH", path, manager, body)).json()["tariffs"] == []
    alone = await house.api("PATCH", path, manager, {"replaces_tariffs": []})
    assert alone.status_code == 400
    assert "replaces_tariffs" in alone.text


async def test_null_and_an_empty_list_make_a_model_free_and_absent_leaves_it(
    house: House, manager: Person, path: str
) -> None:
    await set_tariffs(house, manager, path, tariff())
    await house.api("PATCH", path, manager, {"description": "x"})
    assert await routed(house) is not None
    answer = await house.api("PATCH", path, manager, {"tariffs": None})
    assert answer.json()["tariffs"] == []
    assert await routed(house) is None


async def test_a_model_is_made_with_its_prices(house: House, manager: Person, path: str) -> None:
    endpoint = await house.database.fetch_value("select id from endpoints")
    body = {
        "model_name": "new",
        "hosted_on": str(endpoint),
        "tariffs": [
            tariff(
                cached_input_price_per_token="1e-7",
                reasoning_price_per_token=3,
                cache_write_price_per_token="0.00000125",
            )
        ],
        "provider_pricing": {"mode": "hourly", "rate": "2.5"},
    }
    made = (await house.api("POST", "/models", manager, body)).json()
    assert made["tariffs"][0]["cached_input_price_per_token"] == "0.0000001"
    assert made["tariffs"][0]["reasoning_price_per_token"] == "3"
    assert made["tariffs"][0]["cache_write_price_per_token"] == "0.00000125"
    assert made["provider_pricing"] == {"mode": "hourly", "rate": "2.5", "input_token_cost_ratio": None}
    found = await routed(house, "new")
    assert found is not None
    assert found.realtime is not None
    assert found.realtime.cache_write == Decimal("0.00000125")


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ([tariff(" ")], "tariffs[0].name: expected 1 to 256 characters"),
        ([tariff(entry="-1")], "tariffs[0].input_price_per_token: expected a number from 0"),
        ([tariff(out="NaN")], "tariffs[0].output_price_per_token: expected a number from 0"),
        ([tariff(out="100000")], "tariffs[0].output_price_per_token: expected a number from 0"),
        ([tariff(out="1e-16")], "expected 0, or at least 1E-15, got '1E-16'"),
        ([tariff(), tariff("again")], "tariffs[1]: expected one tariff for each purpose and window"),
        (
            [tariff(api_key_purpose="batch")],
            "tariffs[0].completion_window: expected with the purpose 'batch'",
        ),
        ([tariff(completion_window="24h")], "tariffs[0].completion_window: expected only with 'batch'"),
        ([tariff(api_key_purpose="night")], "api_key_purpose"),
        ([{"name": "x"}], "input_price_per_token"),
        ([tariff(cached_input_price_per_token="x")], "cached_input_price_per_token"),
        ([tariff(cache_write_price_per_token="-1")], "tariffs[0].cache_write_price_per_token: expected"),
    ],
)
async def test_what_cannot_be_a_tariff(
    house: House, manager: Person, path: str, wrong: list[Any], text: str
) -> None:
    answer = await house.api("PATCH", path, manager, {"tariffs": wrong, "description": "changed"})
    assert answer.status_code == 400
    assert text in answer.text
    assert (await house.api("GET", path, manager)).json()["description"] is None


async def test_the_largest_and_the_least_price_are_taken(house: House, manager: Person, path: str) -> None:
    (shown,) = await set_tariffs(
        house, manager, path, tariff(entry="99999.999999999999999", out="0.000000000000001")
    )
    assert shown["input_price_per_token"] == "99999.999999999999999"
    assert shown["output_price_per_token"] == "0.000000000000001"


async def test_a_browsers_quotient_is_rounded(house: House, manager: Person, path: str) -> None:
    (shown,) = await set_tariffs(house, manager, path, tariff(entry="6.999999999999999e-7", out=7e-7))
    assert (shown["input_price_per_token"], shown["output_price_per_token"]) == ("0.0000007", "0.0000007")


async def test_everyone_sees_tariffs_and_managers_what_the_operator_pays(
    house: House, manager: Person, path: str
) -> None:
    anyone = await house.person()
    await set_tariffs(house, manager, path, tariff())
    prices = {"mode": "per_token", "input_price_per_token": "0.1", "output_price_per_token": "0.2"}
    await house.api("PATCH", path, manager, {"provider_pricing": prices})
    for who, sees in ((anyone, False), (manager, True)):
        for shown in (
            (await house.api("GET", f"{path}?include=pricing", who)).json(),
            (await house.api("GET", "/models?include=pricing&search=a", who)).json()["data"][0],
        ):
            assert [each["name"] for each in shown["tariffs"]] == ["standard"]
            assert ("provider_pricing" in shown) == sees
        assert "tariffs" not in (await house.api("GET", path, who)).json()


async def test_managers_see_tariffs_that_were_closed_the_last_one_first(
    house: House, manager: Person, path: str
) -> None:
    for number in range(1, 4):
        await set_tariffs(house, manager, path, tariff(f"year {number}", number))
    shown = (await house.api("GET", f"{path}?include=pricing,tariff_history", manager)).json()
    assert [each["name"] for each in shown["tariffs"]] == ["year 3"]
    closed = shown["closed_tariffs"]
    assert [(each["name"], each["input_price_per_token"]) for each in closed] == [
        ("year 2", "2"),
        ("year 1", "1"),
    ]
    assert [each["is_active"] for each in closed] == [False, False]
    assert closed[0]["valid_until"] == shown["tariffs"][0]["valid_from"]
    assert closed[1]["valid_until"] == closed[0]["valid_from"]
    assert "closed_tariffs" not in (await house.api("GET", f"{path}?include=pricing", manager)).json()
    anyone = await house.person()
    assert "closed_tariffs" not in (await house.api("GET", f"{path}?include=tariff_history", anyone)).json()


async def test_no_more_closed_tariffs_are_shown_than_fifty(house: House, manager: Person, path: str) -> None:
    await house.database.execute(
        "insert into model_tariffs (id, model_id, name, input_price, output_price, valid_from, valid_until) "
        "select gen_random_uuid(), $1, 'of day ' || day, 1, 1, now() - interval '1 day' * (day + 1), "
        "now() - interval '1 day' * day from generate_series(1, 60) as day",
        await house.model("a"),
    )
    closed = (await house.api("GET", f"{path}?include=tariff_history", manager)).json()["closed_tariffs"]
    assert [each["name"] for each in closed] == [f"of day {day}" for day in range(1, 51)]


async def test_provider_prices_change_in_part(house: House, manager: Person, path: str) -> None:
    async def change(pricing: Any) -> Any:
        answer = await house.api("PATCH", path, manager, {"provider_pricing": pricing})
        return answer.json()["provider_pricing"] if answer.status_code == 200 else answer.text

    tokens = {
        "input_price_per_token": "0.1",
        "output_price_per_token": None,
        "cached_input_price_per_token": None,
        "reasoning_price_per_token": None,
        "cache_write_price_per_token": "0.125",
    }
    assert "provider_pricing.mode: expected" in await change({"input_price_per_token": 1})
    first = {"mode": "per_token", "input_price_per_token": 0.1, "cache_write_price_per_token": "0.125"}
    assert await change(first) == {
        "mode": "per_token",
        **tokens,
    }
    assert await change({"output_price_per_token": "0.2"}) == {
        "mode": "per_token",
        **tokens,
        "output_price_per_token": "0.2",
    }
    assert "provider_pricing.rate: expected only with another mode" in await change({"rate": 1})
    hourly = {"mode": "hourly", "rate": "3", "input_token_cost_ratio": None}
    assert await change({"mode": "hourly", "rate": 3}) == hourly
    assert "expected a number from 0" in await change({"rate": -1})
    assert await change(None) is None


async def test_a_composite_model_has_tariffs_and_no_provider_prices(
    house: House, manager: Person, path: str
) -> None:
    composite = await house.composite("all", await house.model("a"))
    await set_tariffs(house, manager, f"/models/{composite}", tariff())
    assert await routed(house, "all") is not None
    answer = await house.api(
        "PATCH", f"/models/{composite}", manager, {"provider_pricing": {"mode": "hourly", "rate": 1}}
    )
    assert answer.status_code == 400
    assert "a composite model has none" in answer.text


async def test_models_are_sorted_by_their_least_price(house: House, manager: Person, path: str) -> None:
    await set_tariffs(house, manager, path, tariff(entry=2), tariff(entry=9, api_key_purpose="playground"))
    await set_tariffs(house, manager, f"/models/{await house.model('b')}", tariff(entry=1))
    for direction, expected in (("asc", ["b", "a", "c"]), ("desc", ["a", "b", "c"])):
        answer = await house.api("GET", f"/models?sort=price_from&sort_direction={direction}", manager)
        assert [model["alias"] for model in answer.json()["data"]] == expected
