"""Limits of keys, models and endpoints: kept, changed, cleared, checked, hidden, and seen by the gateway."""

from typing import Any

import msgspec
import pytest

from dwctl.core.seal import Seal
from dwctl.identity.principal import NIL
from dwctl.routing.limits import Limits
from dwctl.routing.snapshot import Key, Model
from dwctl.routing.store import RoutingStore
from tests.control.house import SECRET, House, Person

AWAY = "http://127.0.0.1:9/v1"
COMMON = {
    "requests_per_second": 0.25,
    "burst_size": 7,
    "requests_per_minute": 100,
    "tokens_per_minute": 5_000_000_000,
}
OF_A_MODEL = {**COMMON, "capacity": 4, "batch_capacity": 5, "throughput": 1.5}
OF_ANOTHER = {**COMMON, "max_concurrent": 4}
OWN = "/users/current/api-keys"


class Thing:
    """Something that has limits, and where to find it."""

    def __init__(self, house: House, who: Person, path: str, limits: dict[str, Any]) -> None:
        self.limits = limits
        self._house = house
        self._who = who
        self._path = path

    async def shown(self) -> dict[str, Any]:
        """Its limits, as the admin API has them."""
        answer = (await self._house.api("GET", self._path, self._who)).json()
        return {name: answer[name] for name in self.limits}

    async def patch(self, change: dict[str, Any]) -> tuple[int, str]:
        """Change it."""
        answer = await self._house.api("PATCH", self._path, self._who, change)
        return answer.status_code, answer.text


@pytest.fixture
async def manager(house: House) -> Person:
    """Who runs the platform."""
    return await house.manager()


@pytest.fixture(params=["models", "endpoints"])
async def thing(request: pytest.FixtureRequest, house: House, manager: Person) -> Thing:
    """A model or an endpoint, made with all its limits."""
    limits: dict[str, Any] = OF_ANOTHER
    body: dict[str, Any] = {"name": "lab", "url": AWAY, "sync": False}
    if request.param == "models":
        limits = OF_A_MODEL
        body = {"model_name": "llama", "hosted_on": str(await house.endpoint(AWAY))}
    made = await house.api("POST", f"/{request.param}", manager, {**body, **limits})
    assert made.status_code in (200, 201), made.text
    return Thing(house, manager, f"/{request.param}/{made.json()['id']}", limits)


def limits(ident: str, **values: float) -> Limits:
    """Limits as the gateway has them."""
    return msgspec.convert({"id": ident, **values}, Limits)


async def routed(house: House) -> tuple[list[Model], list[Key]]:
    """What the gateway reads at this moment."""
    store = RoutingStore(house.database, Seal(SECRET))
    models, bad = await store.models()
    assert not bad
    chunks = store.keys()
    return models, [key async for chunk in chunks for _, key in chunk]


async def test_limits_are_kept_changed_one_by_one_and_cleared_by_null(thing: Thing) -> None:
    assert await thing.shown() == thing.limits
    assert (await thing.patch({"description": "x"}))[0] == 200
    assert await thing.shown() == thing.limits
    assert (await thing.patch({"burst_size": 8, "requests_per_minute": None}))[0] == 200
    assert await thing.shown() == {**thing.limits, "burst_size": 8, "requests_per_minute": None}
    assert (await thing.patch(dict.fromkeys(thing.limits)))[0] == 200
    assert set((await thing.shown()).values()) == {None}


WRONG = [
    ("requests_per_second", 0, "expected from 0.001 to 1e+06, got 0"),
    ("requests_per_second", -1, "expected from 0.001 to 1e+06, got -1"),
    ("requests_per_second", 1e7, "expected from 0.001 to 1e+06, got 1e+07"),
    ("burst_size", 0, "expected from 1 to 1000000, got 0"),
    ("requests_per_minute", 0, "expected from 1 to 1000000000, got 0"),
    ("requests_per_minute", 2**31, f"expected from 1 to 1000000000, got {2**31}"),
    ("tokens_per_minute", -5, "expected from 1 to 1000000000000, got -5"),
    ("tokens_per_minute", 2**63 - 1, f"expected from 1 to 1000000000000, got {2**63 - 1}"),
    ("burst_size", 1.5, "expected int | null, got float"),
]
OF_MODELS = [
    ("capacity", 0, "expected from 1 to 1000000, got 0"),
    ("batch_capacity", 2_000_000, "expected from 1 to 1000000, got 2000000"),
    ("throughput", 0, "expected from 0.001 to 1e+06, got 0"),
]
OF_OTHERS = [("max_concurrent", 0, "expected from 1 to 1000000, got 0")]


@pytest.mark.parametrize(("field", "value", "text"), WRONG)
async def test_a_wrong_limit_is_named_and_changes_nothing(
    thing: Thing, field: str, value: float, text: str
) -> None:
    status, said = await thing.patch({"burst_size": 3, field: value})
    assert (status, said.partition(" (")[0]) == (400, f"{field}: {text}")
    assert await thing.shown() == thing.limits


@pytest.mark.parametrize(("field", "value", "text"), [*WRONG, *OF_MODELS])
async def test_a_model_with_a_wrong_limit_is_not_made(
    house: House, manager: Person, field: str, value: float, text: str
) -> None:
    body = {"model_name": "llama", "hosted_on": str(await house.endpoint(AWAY)), field: value}
    answer = await house.api("POST", "/models", manager, body)
    assert (answer.status_code, answer.text) == (400, f"{field}: {text}")


@pytest.mark.parametrize(("path", "body"), [("/endpoints", {"url": AWAY, "sync": False}), (OWN, {})])
@pytest.mark.parametrize(("field", "value", "text"), [*WRONG, *OF_OTHERS])
async def test_a_key_or_endpoint_with_a_wrong_limit_is_not_made(
    *,
    house: House,
    manager: Person,
    path: str,
    body: dict[str, Any],
    field: str,
    value: float,
    text: str,
) -> None:
    answer = await house.api("POST", path, manager, {"name": "a", **body, field: value})
    assert (answer.status_code, answer.text) == (400, f"{field}: {text}")


async def test_the_limits_of_a_key_are_its_owners_to_see(house: House) -> None:
    person = await house.person()
    made = (await house.api("POST", OWN, person, {"name": "a", **OF_ANOTHER})).json()
    for path in (f"{OWN}/{made['id']}", OWN):
        shown = (await house.api("GET", path, person)).json()
        shown = shown["data"][0] if path == OWN else shown
        assert {name: shown[name] for name in OF_ANOTHER} == OF_ANOTHER


async def test_limits_of_models_are_hidden_without_the_permission(house: House, manager: Person) -> None:
    body = {"model_name": "llama", "hosted_on": str(await house.endpoint(AWAY)), **OF_A_MODEL}
    made = (await house.api("POST", "/models", manager, body)).json()
    await house.api("POST", f"/groups/{NIL}/models/{made['id']}", manager)
    for who, seen in ((manager, True), (await house.admin(), True), (await house.person(), False)):
        for path in (f"/models/{made['id']}", "/models"):
            shown = (await house.api("GET", path, who)).json()
            shown = shown["data"][0] if path == "/models" else shown
            assert OF_A_MODEL.keys().isdisjoint(shown) != seen
            if seen:
                assert {name: shown[name] for name in OF_A_MODEL} == OF_A_MODEL


async def test_the_gateway_reads_the_limits_of_all_three(house: House, manager: Person) -> None:
    endpoint = {"name": "lab", "url": AWAY, "sync": False, "max_concurrent": 9, "tokens_per_minute": 11}
    endpoint_id = (await house.api("POST", "/endpoints", manager, endpoint)).json()["id"]
    body = {"model_name": "llama", "hosted_on": endpoint_id, **OF_A_MODEL}
    model_id = (await house.api("POST", "/models", manager, body)).json()["id"]
    key_id = (await house.api("POST", OWN, manager, {"name": "a", **OF_ANOTHER})).json()["id"]
    (model,), (key,) = await routed(house)
    assert model.limits == limits(f"model:{model_id}", **COMMON, max_concurrent=4)
    assert model.targets[0].limits is None
    assert model.targets[0].provider_limits == limits(
        f"provider:{endpoint_id}", max_concurrent=9, tokens_per_minute=11
    )
    assert key.limits == limits(f"key:{key_id}", **COMMON, max_concurrent=4)


async def test_a_pool_has_limits_of_its_own_beside_those_of_its_components(
    house: House, manager: Person
) -> None:
    body = {"model_name": "llama", "hosted_on": str(await house.endpoint(AWAY)), **OF_A_MODEL}
    part = (await house.api("POST", "/models", manager, body)).json()["id"]
    body = {
        "type": "composite",
        "model_name": "pool",
        "lb_strategy": "priority",
        "response_headers": {"x-price": "1"},
        "capacity": 2,
    }
    made = (await house.api("POST", "/models", manager, body)).json()
    path = f"/models/{made['id']}"
    await house.api("POST", f"{path}/components/{part}", manager, {})
    answer = await house.api("PATCH", path, manager, {"requests_per_minute": 7})
    assert answer.status_code == 200, answer.text
    shown = (await house.api("GET", path, manager)).json()
    assert (shown["lb_strategy"], shown["response_headers"]) == ("priority", {"x-price": "1"})
    assert (shown["capacity"], shown["requests_per_minute"], shown["throughput"]) == (2, 7, None)
    models, _ = await routed(house)
    pool = next(model for model in models if model.alias == "pool")
    assert pool.limits == limits(f"model:{made['id']}", requests_per_minute=7, max_concurrent=2)
    assert [target.limits for target in pool.targets] == [limits(f"model:{part}", **COMMON, max_concurrent=4)]


async def test_without_a_limit_the_gateway_sees_none(house: House, manager: Person) -> None:
    body = {"model_name": "llama", "hosted_on": str(await house.endpoint(AWAY)), "batch_capacity": 3}
    assert (await house.api("POST", "/models", manager, body)).status_code == 200
    await house.api("POST", OWN, manager, {"name": "a", "burst_size": 5})
    (model,), (key,) = await routed(house)
    assert (model.limits, model.targets[0].provider_limits, key.limits) == (None, None, None)
