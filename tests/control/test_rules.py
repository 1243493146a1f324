"""Traffic rules of models: given, replaced, shown to those who manage, and what the gateway reads of them."""

from typing import Any
from uuid import UUID

import pytest

from dwctl.core.seal import Seal
from dwctl.identity.principal import NIL
from dwctl.routing.rules import Rule
from dwctl.routing.store import RoutingStore
from tests.control.house import SECRET, House, Person

AWAY = "http://127.0.0.1:9/v1"
DENY = {"type": "deny"}


def rule(purpose: str, **action: Any) -> dict[str, Any]:
    """A rule."""
    return {"api_key_purpose": purpose, "action": action}


def to(alias: str) -> dict[str, Any]:
    """An action."""
    return {"type": "redirect", "target": alias}


@pytest.fixture
async def manager(house: House) -> Person:
    """Who runs the platform."""
    return await house.manager()


@pytest.fixture
async def endpoint_id(house: House) -> UUID:
    """An endpoint with three models that are open to everyone."""
    return await house.endpoint(AWAY, "a", "b", "c", open_to=NIL)


async def path_of(house: House, alias: str) -> str:
    """The path of a model."""
    return f"/models/{await house.model(alias)}"


async def routed(house: House, alias: str) -> dict[str, Rule] | None:
    """The rules of a model as the gateway reads them."""
    models, _ = await RoutingStore(house.database, Seal(SECRET)).models()
    return {model.alias: model.rules for model in models}[alias]


async def test_rules_from_their_making_to_their_end(house: House, manager: Person, endpoint_id: UUID) -> None:
    path = await path_of(house, "a")
    assert (await house.api("GET", path, manager)).json()["traffic_routing_rules"] == []
    assert await routed(house, "a") is None
    given = [rule("playground", **to("b")), rule("batch", **DENY)]
    changed = await house.api("PATCH", path, manager, {"traffic_routing_rules": given})
    ordered = [rule("batch", **DENY), rule("playground", **to("b"))]
    assert (changed.status_code, changed.json()["traffic_routing_rules"]) == (200, ordered)
    listed = (await house.api("GET", "/models?sort=alias&sort_direction=asc", manager)).json()["data"]
    assert [model["traffic_routing_rules"] for model in listed] == [ordered, [], []]
    assert await routed(house, "a") == {"batch": Rule(redirect=False), "playground": Rule(True, "b")}
    # What is absent stays; what is there replaces everything.
    assert (await house.api("PATCH", path, manager, {"description": "x"})).json()[
        "traffic_routing_rules"
    ] == ordered
    swapped = [rule("batch", **to("c")), rule("realtime", **DENY)]
    again = await house.api("PATCH", path, manager, {"traffic_routing_rules": swapped})
    assert again.json()["traffic_routing_rules"] == [swapped[1], swapped[0]]
    nothing: tuple[Any, ...] = (None, [])
    for empty in nothing:
        await house.api("PATCH", path, manager, {"traffic_routing_rules": swapped})
        gone = await house.api("PATCH", path, manager, {"traffic_routing_rules": empty})
        assert gone.json()["traffic_routing_rules"] == []
    assert await routed(house, "a") is None


async def test_a_model_may_be_made_with_rules(house: House, manager: Person, endpoint_id: UUID) -> None:
    body = {
        "model_name": "new",
        "hosted_on": str(endpoint_id),
        "traffic_routing_rules": [rule("realtime", **to("a"))],
    }
    made = await house.api("POST", "/models", manager, body)
    assert (made.status_code, made.json()["traffic_routing_rules"]) == (200, [rule("realtime", **to("a"))])
    refused = await house.api(
        "POST",
        "/models",
        manager,
        {**body, "alias": "x", "traffic_routing_rules": [rule("batch", **to("x"))]},
    )
    assert (refused.status_code, refused.text) == (
        400,
        "traffic_routing_rules[0].action.target: there is no model 'x'",
    )
    assert await house.database.fetch_value("select count(*) from models where alias = 'x'") == 0


@pytest.mark.parametrize(
    ("rules", "text"),
    [
        (
            [rule("batch", **to("nothing"))],
            "traffic_routing_rules[0].action.target: there is no model 'nothing'",
        ),
        (
            [rule("batch", **DENY), rule("realtime", **to("a"))],
            "traffic_routing_rules[1].action.target: expected another model than the one whose rule it is",
        ),
        (
            [rule("batch", type="redirect")],
            "traffic_routing_rules[0].action.target: expected the alias of a model, but it is not there",
        ),
        (
            [rule("batch", type="deny", target="b")],
            "traffic_routing_rules[0].action.target: expected only with the type 'redirect', got 'b'",
        ),
        (
            [rule("batch", **DENY), rule("batch", **to("b"))],
            "traffic_routing_rules[1].api_key_purpose: expected each purpose once, got 'batch' again",
        ),
        (
            [rule("platform", **DENY)],
            "traffic_routing_rules[0].api_key_purpose: expected one of batch, playground, realtime, got 'platform'",
        ),
        (
            [rule("batch", type="allow")],
            "traffic_routing_rules[0].action.type: expected one of deny, redirect, got 'allow'",
        ),
        ("batch", "traffic_routing_rules: expected array | null, got str"),
    ],
)
async def test_wrong_rules_name_the_field(
    house: House, manager: Person, endpoint_id: UUID, rules: Any, text: str
) -> None:
    path = await path_of(house, "a")
    answer = await house.api("PATCH", path, manager, {"traffic_routing_rules": rules, "alias": "z"})
    assert (answer.status_code, answer.text) == (400, text)
    # Nothing of a refused change stays.
    shown = (await house.api("GET", path, manager)).json()
    assert (shown["alias"], shown["traffic_routing_rules"]) == ("a", [])


async def test_rules_are_shown_to_those_who_manage(house: House, manager: Person, endpoint_id: UUID) -> None:
    path = await path_of(house, "a")
    await house.api("PATCH", path, manager, {"traffic_routing_rules": [rule("batch", **to("b"))]})
    shown = (await house.api("GET", path, await house.person())).json()
    assert "traffic_routing_rules" not in shown


async def test_a_rule_follows_its_target_and_stays_when_it_goes(
    house: House, manager: Person, endpoint_id: UUID
) -> None:
    """By its id: another name is no other model; and one that is gone does not open what the rule had closed."""
    path = await path_of(house, "a")
    await house.api("PATCH", path, manager, {"traffic_routing_rules": [rule("batch", **to("b"))]})
    target = await path_of(house, "b")
    assert (await house.api("PATCH", target, manager, {"alias": "bee"})).status_code == 200
    assert (await house.api("GET", path, manager)).json()["traffic_routing_rules"] == [
        rule("batch", **to("bee"))
    ]
    assert await routed(house, "a") == {"batch": Rule(True, "bee")}
    assert (await house.api("DELETE", target, manager)).status_code == 200
    nowhere = [rule("batch", type="redirect")]
    assert (await house.api("GET", path, manager)).json()["traffic_routing_rules"] == nowhere
    assert await routed(house, "a") == {"batch": Rule(True, None)}
    # Gone for good, with its endpoint.
    other = await house.endpoint(AWAY, "d")
    await house.api("PATCH", path, manager, {"traffic_routing_rules": [rule("batch", **to("d"))]})
    assert (await house.api("DELETE", f"/endpoints/{other}", await house.admin())).status_code == 204
    assert await routed(house, "a") == {"batch": Rule(True, None)}
