"""Composite models: what is set of them, what they consist of, who sees it, and what the gateway gets."""

from typing import Any
from uuid import UUID

import pytest

from tests.control.house import House, Person

NOBODY = UUID("00000000-0000-4000-8000-000000000404")
AWAY = "http://127.0.0.1:9/v1"
DEFAULT: dict[str, Any] = {
    "enabled": True,
    "on_rate_limit": True,
    "on_status": [500, 502, 503, 504],
    "with_replacement": False,
    "max_attempts": None,
    "backoff": {"initial_ms": 0.0, "max_ms": 5000.0, "factor": 2.0, "jitter": "full"},
    "max_total_backoff_ms": None,
    "retry_budget": {"ratio": 0.2, "min_per_second": 10.0, "burst": 100},
}


@pytest.fixture
async def manager(house: House) -> Person:
    """Who runs the platform."""
    return await house.manager()


@pytest.fixture
async def parts(house: House) -> list[UUID]:
    """Two standard models on one endpoint."""
    await house.endpoint(AWAY, "one", "two")
    return [await house.model("one"), await house.model("two")]


async def ask(house: House, who: Person, method: str, path: str, body: Any = None, status: int = 200) -> Any:
    """The JSON of an answer."""
    answer = await house.api(method, path, who, body)
    assert answer.status_code == status, answer.text
    return answer.json() if status == 200 else answer.text


async def create(house: House, who: Person, alias: str = "pool", **more: Any) -> dict[str, Any]:
    """A new composite model."""
    body = {"type": "composite", "model_name": alias, **more}
    made: dict[str, Any] = await ask(house, who, "POST", "/models", body)
    return made


async def test_a_composite_model_has_defaults(house: House, manager: Person) -> None:
    made = await create(house, manager, description="Both")
    assert (made["alias"], made["hosted_on"], made["is_composite"]) == ("pool", None, True)
    assert (made["lb_strategy"], made["fallback"]) == ("weighted_random", DEFAULT)
    assert made["description"] == "Both"
    assert "components" not in made
    assert await ask(house, manager, "GET", f"/models/{made['id']}") == made
    assert made["id"] in await house.routed()


async def test_what_is_given_is_kept(house: House, manager: Person) -> None:
    fallback = {
        "enabled": False,
        "on_rate_limit": False,
        "on_status": [429, 52, 5],
        "with_replacement": True,
        "max_attempts": 4,
        "backoff": {"initial_ms": 10, "max_ms": 100, "factor": 3, "jitter": "none"},
        "max_total_backoff_ms": 250,
        "retry_budget": {"ratio": 1, "min_per_second": 0, "burst": 5},
    }
    made = await create(house, manager, lb_strategy="priority", fallback=fallback)
    assert (made["lb_strategy"], made["fallback"]) == ("priority", fallback)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"fallback_enabled": False}, {"enabled": False}),
        ({"fallback_on_rate_limit": False}, {"on_rate_limit": False}),
        ({"fallback_on_status": [429]}, {"on_status": [429]}),
        ({"fallback_on_status": []}, {"on_status": []}),
        ({"fallback_on_status": None}, {}),
        ({"fallback_with_replacement": True}, {"with_replacement": True}),
        ({"fallback_max_attempts": 3}, {"max_attempts": 3}),
        ({"fallback": {"max_attempts": 3}}, {"max_attempts": 3}),
        ({"fallback": {"max_attempts": 3}, "fallback_max_attempts": None}, {}),
        ({"fallback": {"backoff": {"initial_ms": 5}}}, {"backoff": {**DEFAULT["backoff"], "initial_ms": 5}}),
        ({"fallback": None}, {}),
        ({"description": "x"}, {}),
    ],
)
async def test_a_change_changes_what_it_names(
    house: House, manager: Person, change: dict[str, Any], expected: dict[str, Any]
) -> None:
    made = await create(house, manager)
    changed = await ask(house, manager, "PATCH", f"/models/{made['id']}", change)
    assert changed["fallback"] == {**DEFAULT, **expected}
    assert (changed["lb_strategy"], changed["hosted_on"]) == ("weighted_random", None)


async def test_changes_add_up(house: House, manager: Person) -> None:
    made = await create(house, manager, fallback={"backoff": {"factor": 3}})
    path = f"/models/{made['id']}"
    await ask(house, manager, "PATCH", path, {"lb_strategy": "priority", "fallback_max_attempts": 2})
    changed = await ask(house, manager, "PATCH", path, {"fallback": {"backoff": {"initial_ms": 7}}})
    assert changed["lb_strategy"] == "priority"
    assert changed["fallback"]["max_attempts"] == 2
    assert changed["fallback"]["backoff"] == {"initial_ms": 7, "max_ms": 5000, "factor": 3, "jitter": "full"}
    cleared = await ask(house, manager, "PATCH", path, {"fallback": {"backoff": None}})
    assert cleared["fallback"] == {**DEFAULT, "max_attempts": 2}


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"hosted_on": str(NOBODY)}, "hosted_on: a composite model has no endpoint; its components have"),
        ({"lb_strategy": "random"}, "lb_strategy: expected one of priority, weighted_random, got 'random'"),
        ({"fallback": {"on_status": [200]}}, "got 200"),
        ({"fallback": {"on_status": [5, 0]}}, "got 0"),
        ({"fallback": {"on_status": [600]}}, "got 600"),
        ({"fallback": {"on_status": ["5xx"]}}, "fallback.on_status"),
        ({"fallback": {"max_attempts": 0}}, "fallback.max_attempts: expected a number from 1 to 100, got 0"),
        ({"fallback": {"max_attempts": 101}}, "got 101"),
        ({"fallback": {"enabled": None}}, "fallback.enabled"),
        (
            {"fallback": {"backoff": {"initial_ms": -1}}},
            "fallback.backoff.initial_ms: expected a number from 0 to",
        ),
        ({"fallback": {"backoff": {"max_ms": 3_600_001}}}, "fallback.backoff.max_ms"),
        (
            {"fallback": {"backoff": {"factor": 0.5}}},
            "fallback.backoff.factor: expected a number from 1 to 100",
        ),
        ({"fallback": {"backoff": {"jitter": "some"}}}, "fallback.backoff.jitter"),
        (
            {"fallback": {"max_total_backoff_ms": -1}},
            "fallback.max_total_backoff_ms: expected a number from 0 to",
        ),
        ({"fallback": {"max_total_backoff_ms": 3_600_001}}, "fallback.max_total_backoff_ms"),
        ({"fallback": {"retry_budget": {"ratio": -0.1}}}, "fallback.retry_budget.ratio"),
        ({"fallback": {"retry_budget": {"burst": -1}}}, "fallback.retry_budget.burst"),
        ({"fallback": {"retry_budget": {"min_per_second": 1e9}}}, "fallback.retry_budget.min_per_second"),
    ],
)
async def test_what_cannot_be_is_told(
    house: House, manager: Person, wrong: dict[str, Any], text: str
) -> None:
    body = {"type": "composite", "model_name": "pool", **wrong}
    told = await ask(house, manager, "POST", "/models", body, 400)
    assert text in told


@pytest.mark.parametrize(
    "change", [{"lb_strategy": "priority"}, {"fallback": {}}, {"fallback_enabled": True}]
)
async def test_a_standard_model_has_no_policy(
    house: House, manager: Person, parts: list[UUID], change: dict[str, Any]
) -> None:
    told = await ask(house, manager, "PATCH", f"/models/{parts[0]}", change, 400)
    assert told == "lb_strategy, fallback: only composite models have them"
    shown = await ask(house, manager, "GET", f"/models/{parts[0]}?include=components")
    assert shown["is_composite"] is False
    assert not {"lb_strategy", "fallback", "components"} & set(shown)


async def test_components_from_their_coming_to_their_going(
    house: House, manager: Person, parts: list[UUID]
) -> None:
    pool = (await create(house, manager))["id"]
    path = f"/models/{pool}/components"
    assert await ask(house, manager, "GET", path) == []
    made = await ask(house, manager, "POST", f"{path}/{parts[0]}", {})
    assert (made["weight"], made["enabled"], made["sort_order"]) == (1, True, 0)
    assert made["model"]["id"] == str(parts[0])
    assert set(made["model"]) == {"id", "alias", "model_name", "description", "model_type", "endpoint"}
    assert set(made["model"]["endpoint"]) == {"id", "name"}
    second = await ask(house, manager, "POST", f"{path}/{parts[1]}", {"weight": 100, "enabled": False})
    assert (second["weight"], second["enabled"], second["sort_order"]) == (100, False, 1)
    assert await ask(house, manager, "GET", path) == [made, second]
    changed = await ask(house, manager, "PATCH", f"{path}/{parts[1]}", {"sort_order": -1, "enabled": True})
    assert changed == {**second, "sort_order": -1, "enabled": True}
    assert await ask(house, manager, "GET", path) == [changed, made]
    whole = await ask(house, manager, "GET", f"/models/{pool}?include=components")
    assert whole["components"] == [changed, made]
    listed = await ask(house, manager, "GET", "/models?is_composite=true&include=components")
    assert [model["components"] for model in listed["data"]] == [[changed, made]]
    assert await ask(house, manager, "DELETE", f"{path}/{parts[0]}") == str(parts[0])
    assert await ask(house, manager, "GET", path) == [changed]
    await ask(house, manager, "DELETE", f"/models/{parts[1]}")
    assert await ask(house, manager, "GET", path) == []


@pytest.mark.parametrize("weight", [0, 101, "x", 1.5])
async def test_a_weight_is_from_1_to_100(
    house: House, manager: Person, parts: list[UUID], weight: Any
) -> None:
    pool = await house.composite("pool")
    path = f"/models/{pool}/components/{parts[0]}"
    assert (await ask(house, manager, "POST", path, {"weight": weight}, 400)).startswith("weight: ")
    await ask(house, manager, "POST", path, {"weight": 1})
    assert (await ask(house, manager, "PATCH", path, {"weight": weight}, 400)).startswith("weight: ")
    assert (await ask(house, manager, "PATCH", path, {"weight": 100}))["weight"] == 100


async def test_composite_models_do_not_nest(house: House, manager: Person, parts: list[UUID]) -> None:
    first, second = await house.composite("first", parts[0]), await house.composite("second")
    for inner in (first, second):
        told = await ask(house, manager, "POST", f"/models/{second}/components/{inner}", {}, 400)
        assert told.startswith("A composite model consists of standard models")
    told = await ask(house, manager, "POST", f"/models/{parts[0]}/components/{parts[1]}", {}, 400)
    assert told == f"Model {parts[0]} is a standard model; only composite models have components."
    assert await ask(house, manager, "GET", f"/models/{parts[0]}/components") == []


async def test_what_is_not_there_is_404(house: House, manager: Person, parts: list[UUID]) -> None:
    pool = await house.composite("pool", parts[0])
    gone = await house.composite("gone")
    await ask(house, manager, "DELETE", f"/models/{gone}")
    for method, path, body in (
        ("GET", f"/models/{NOBODY}/components", None),
        ("GET", f"/models/{gone}/components", None),
        ("POST", f"/models/{NOBODY}/components/{parts[0]}", {}),
        ("POST", f"/models/{pool}/components/{NOBODY}", {}),
        ("POST", f"/models/{gone}/components/{parts[0]}", {}),
        ("PATCH", f"/models/{pool}/components/{parts[1]}", {}),
        ("DELETE", f"/models/{pool}/components/{parts[1]}", None),
    ):
        assert (
            "not found" in (told := await ask(house, manager, method, path, body, 404))
            or "no component" in told
        )
    again = await ask(house, manager, "POST", f"/models/{pool}/components/{parts[0]}", {}, 409)
    assert "is a component already" in again


async def test_those_who_may_use_a_composite_model_see_a_model(
    house: House, manager: Person, parts: list[UUID]
) -> None:
    person = await house.person()
    pool = await house.composite("pool", *parts)
    await ask(house, manager, "PATCH", f"/models/{pool}", {"response_headers": {"x-price": "1"}})
    await ask(house, person, "GET", f"/models/{pool}", status=404)
    await house.group(person, models=[pool])
    shown = await ask(house, person, "GET", f"/models/{pool}?include=components,endpoints")
    hidden = {"is_composite", "lb_strategy", "fallback", "components", "endpoint", "response_headers"}
    assert not hidden & set(shown)
    listed = await ask(house, person, "GET", "/models?is_composite=true")
    assert [model["alias"] for model in listed["data"]] == ["pool"]
    assert (await ask(house, person, "GET", "/models?is_composite=false"))["data"] == []
    await ask(house, person, "GET", f"/models/{parts[0]}", status=404)


async def test_the_filter_tells_them_apart(house: House, manager: Person, parts: list[UUID]) -> None:
    await house.composite("pool", *parts)
    for query, expected in (
        ("is_composite=true", {"pool"}),
        ("is_composite=false", {"one", "two"}),
        ("", {"one", "two", "pool"}),
        ("search=pool", {"pool"}),
    ):
        page = await ask(house, manager, "GET", f"/models?{query}")
        assert {model["alias"] for model in page["data"]} == expected, query
        assert page["total_count"] == len(expected)


@pytest.mark.parametrize(
    ("headers", "text"),
    [
        ({"bad name": "x"}, "response_headers: expected the name of a header, got 'bad name'"),
        ({"Content-Length": "1"}, "response_headers: 'Content-Length' is set by the gateway itself"),
        ({"x-dwctl-x": "1"}, "is set by the gateway itself"),
        ({"x-a": "a\r\nb: c"}, "response_headers.x-a: expected 1 to 1024 printable ASCII characters"),
        ({"x-a": ""}, "response_headers.x-a"),
        ({"x-a": "x" * 1025}, "response_headers.x-a"),
        ({"x-a": "1", "X-A": "2"}, "response_headers: expected each name once"),
        (
            {f"x-{number}": "1" for number in range(33)},
            "response_headers: expected at most 32 headers, got 33",
        ),
        ({"x-a": 1}, "response_headers"),
    ],
)
async def test_headers_that_cannot_be_announced_are_refused(
    house: House, manager: Person, parts: list[UUID], headers: dict[str, Any], text: str
) -> None:
    body = {"response_headers": headers}
    assert text in await ask(house, manager, "PATCH", f"/models/{parts[0]}", body, 400)
    await ask(house, manager, "POST", "/models", {"type": "composite", "model_name": "p", **body}, 400)


async def test_headers_are_announced_until_they_are_cleared(
    house: House, manager: Person, parts: list[UUID]
) -> None:
    path = f"/models/{parts[0]}"
    assert "response_headers" not in await ask(house, manager, "GET", path)
    given = {"X-Price": "0.1 per token"}
    assert (await ask(house, manager, "PATCH", path, {"response_headers": given}))[
        "response_headers"
    ] == given
    assert (await ask(house, manager, "PATCH", path, {"description": "x"}))["response_headers"] == given
    assert "response_headers" not in await ask(house, manager, "PATCH", path, {"response_headers": None})


async def test_an_endpoint_that_goes_takes_its_components_along(
    house: House, manager: Person, parts: list[UUID]
) -> None:
    pool = await house.composite("pool", *parts)
    await house.group(models=[pool])
    endpoint = (await ask(house, manager, "GET", f"/models/{parts[0]}"))["hosted_on"]
    assert (await house.api("DELETE", f"/endpoints/{endpoint}", manager)).status_code == 204
    assert await ask(house, manager, "GET", f"/models/{pool}/components") == []
    assert str(pool) in await house.routed()
