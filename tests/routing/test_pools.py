"""Pools in the snapshot: whatever changes a pool, a component, its model or its endpoint, the pool follows."""

from typing import Any
from uuid import UUID

import pytest

from dwctl.core.ids import new_uuid
from dwctl.db.postgres import Database
from dwctl.routing.limits import Limits
from dwctl.routing.pool import Fallback
from dwctl.routing.snapshot import EVERYONE, Model, Snapshot
from dwctl.routing.store import RoutingStore
from tests.routing.test_sync import SEAL, House, running


async def pool_of(house: House, alias: str, *components: UUID) -> UUID:
    """A composite model, open to everyone."""
    ident = new_uuid()
    await house.database.execute(
        "insert into models (id, alias, model_name, is_composite, created_by) values ($1, $2, $2, true, $3)",
        ident,
        alias,
        await house.user(),
    )
    await house.database.execute(
        "insert into model_groups (model_id, group_id) values ($1, $2)", ident, UUID(EVERYONE)
    )
    for order, component in enumerate(components):
        await house.database.execute(
            "insert into model_components (id, pool_id, component_id, sort_order) values ($1, $2, $3, $4)",
            new_uuid(),
            ident,
            component,
            order,
        )
    return ident


def names(snapshot: Snapshot, alias: str = "pool") -> list[str]:
    """The upstream names of a pool's targets, in order."""
    model = snapshot.models.get(alias)
    return [] if model is None else [target.model_name for target in model.targets]


async def test_a_pool_has_its_components_as_targets(database: Database) -> None:
    async with running(database) as house:
        one, two = await house.model("one", SEAL.seal("sk-one")), await house.model("two")
        await pool_of(house, "pool", two, one)
        snapshot = await house.until(lambda now: names(now) == ["two", "one"])
        model = snapshot.models["pool"]
        assert model.pool is not None
        assert (model.pool.strategy, model.pool.fallback) == ("weighted_random", Fallback())
        assert [target.auth_header for target in model.targets] == [None, ("Authorization", "Bearer sk-one")]
        assert [target.weight for target in model.targets] == [1, 1]
        assert snapshot.models["one"].pool is None
        assert EVERYONE in model.groups


async def test_a_component_has_the_limits_of_its_model_and_endpoint(database: Database) -> None:
    async with running(database) as house:
        one = await house.model("one")
        await pool_of(house, "pool", one)
        await house.until(lambda now: names(now) == ["one"])
        await database.execute("update models set capacity = 3, requests_per_minute = 9 where id = $1", one)
        # A notice of the pool's own may be heard in between: its components are read as they are then.
        snapshot = await house.until(
            lambda now: (
                now.models["pool"].targets[0].limits is not None and now.models["one"].limits is not None
            )
        )
        known = Limits(id=f"model:{one}", max_concurrent=3, requests_per_minute=9)
        assert snapshot.models["pool"].targets[0].limits == known
        assert (snapshot.models["one"].limits, snapshot.models["one"].targets[0].limits) == (known, None)
        assert snapshot.models["pool"].limits is None
        await database.execute("update endpoints set max_concurrent = 5")
        snapshot = await house.until(lambda now: now.models["pool"].targets[0].provider_limits is not None)
        target = snapshot.models["pool"].targets[0]
        assert target.provider_limits == Limits(id=f"provider:{target.endpoint_id}", max_concurrent=5)


async def test_a_component_is_trusted_as_its_own_model_is(database: Database) -> None:
    async with running(database) as house:
        one, two = await house.model("one"), await house.model("two")
        pool = await pool_of(house, "pool", one, two)
        await house.until(lambda now: names(now) == ["one", "two"])
        for trusted, expected in ((pool, [False, False]), (one, [True, False])):
            await database.execute("update models set trusted = true where id = $1", trusted)
            await database.execute("update models set sanitize_responses = true where id = $1", trusted)
            alias = "pool" if trusted == pool else "one"
            snapshot = await house.until(lambda now, alias=alias: now.models[alias].sanitize)
            assert [target.trusted for target in snapshot.models["pool"].targets] == expected


async def test_a_pool_without_components_is_there(database: Database) -> None:
    async with running(database) as house:
        await pool_of(house, "pool")
        snapshot = await house.until(lambda now: "pool" in now.models)
        assert snapshot.models["pool"].targets == ()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("update model_components set sort_order = 9 where component_id = $1", ["two", "one"]),
        ("update model_components set enabled = false where component_id = $1", ["two"]),
        ("delete from model_components where component_id = $1", ["two"]),
        ("update models set deleted_at = now() where id = $1", ["two"]),
        ("update models set status = 'inactive' where id = $1", ["two"]),
        ("update models set model_name = 'renamed' where id = $1", ["renamed", "two"]),
        ("delete from models where id = $1", ["two"]),
        ("delete from endpoints where id = (select endpoint_id from models where id = $1)", ["two"]),
    ],
)
async def test_a_pool_follows_its_components(database: Database, change: str, expected: list[str]) -> None:
    async with running(database) as house:
        one, two = await house.model("one"), await house.model("two")
        await pool_of(house, "pool", one, two)
        await house.until(lambda now: names(now) == ["one", "two"])
        await database.execute(change, one)
        await house.until(lambda now: names(now) == expected)


async def test_a_notice_makes_those_be_read_that_it_is_about(database: Database) -> None:
    house = House(database)
    store = RoutingStore(database, SEAL)
    one, two = await house.model("one"), await house.model("two")
    both = await pool_of(house, "both", one, two)
    await pool_of(house, "second", two)
    endpoint = await database.fetch_value("select endpoint_id from models where id = $1", one)
    for named, expected in (
        ({"ids": [str(one)]}, {"one", "both"}),
        ({"ids": [str(both)]}, {"both"}),
        ({"endpoints": [str(endpoint)]}, {"one", "both"}),
        ({}, {"one", "two", "both", "second"}),
    ):
        models, bad = await store.models(**named)
        assert {model.alias for model in models} == expected
        assert not bad


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        ("update models set lb_strategy = 'priority' where id = $1", lambda m: m.pool.strategy == "priority"),
        (
            """update models set fallback = '{"max_attempts": 7}' where id = $1""",
            lambda m: m.pool.fallback.max_attempts == 7,
        ),
        ("update model_components set weight = 44 where pool_id = $1", lambda m: m.targets[0].weight == 44),
        (
            """update models set response_headers = '{"X-Price": "1"}' where id = $1""",
            lambda m: m.targets[0].response_headers == (("x-price", "1"),),
        ),
    ],
)
async def test_a_pool_follows_its_own_settings(database: Database, change: str, seen: Any) -> None:
    async with running(database) as house:
        pool = await pool_of(house, "pool", await house.model("one"))
        await house.until(lambda now: names(now) == ["one"])
        await database.execute(change, pool)
        await house.until(lambda now: "pool" in now.models and seen(now.models["pool"]))


async def test_an_endpoint_reaches_all_pools_of_its_models(database: Database) -> None:
    async with running(database) as house:
        one, two = await house.model("one"), await house.model("two")
        await pool_of(house, "pool", one, two)
        await pool_of(house, "other", two)
        await house.until(lambda now: names(now) == ["one", "two"] and names(now, "other") == ["two"])
        await database.execute("update endpoints set url = 'http://127.0.0.1:10/v1/' where name = 'e-one'")
        await house.until(
            lambda now: urls(now.models["pool"]) == {"http://127.0.0.1:10/v1/", "http://127.0.0.1:9/v1/"}
        )


def urls(model: Model) -> set[str]:
    """Of its targets."""
    return {target.url for target in model.targets}


async def test_the_headers_of_a_component_go_before_those_of_its_pool(database: Database) -> None:
    async with running(database) as house:
        one, two = await house.model("one"), await house.model("two")
        pool = await pool_of(house, "pool", one, two)
        sql = "update models set response_headers = $2 where id = $1"
        await database.execute(sql, pool, {"X-Price": "pool", "x-terms": "t"})
        await database.execute(sql, one, {"x-price": "one"})
        snapshot = await house.until(
            lambda now: (
                "pool" in now.models
                # A pool may be seen before its components are.
                and [len(t.response_headers) for t in now.models["pool"].targets] == [2, 2]
                and dict(now.models["pool"].targets[0].response_headers)["x-price"] == "one"
                # Its own notice comes after the pool's, whose components are read as they are then.
                and dict(now.models["one"].targets[0].response_headers) == {"x-price": "one"}
            )
        )
        first, second = (dict(target.response_headers) for target in snapshot.models["pool"].targets)
        assert (first, second) == ({"x-price": "one", "x-terms": "t"}, {"x-price": "pool", "x-terms": "t"})


async def test_a_component_whose_credential_cannot_be_opened_is_left_out(database: Database) -> None:
    async with running(database) as house:
        bad = await house.model("bad")
        await pool_of(house, "pool", bad, await house.model("good"))
        await house.until(lambda now: names(now) == ["bad", "good"])
        await database.execute("update endpoints set api_key_sealed = 'x' where name = 'e-bad'")
        await house.until(lambda now: names(now) == ["good"] and str(bad) in house.sync.excluded)
        await database.execute("update endpoints set api_key_sealed = null where name = 'e-bad'")
        await house.until(lambda now: names(now) == ["bad", "good"] and "bad" in now.models)


async def test_the_database_lets_no_pool_into_another_one(database: Database) -> None:
    async with running(database) as house:
        inner = await pool_of(house, "inner", await house.model("one"))
        for outer in (await pool_of(house, "outer"), await house.model("two")):
            with pytest.raises(Exception, match="consists of standard models"):
                await database.execute(
                    "insert into model_components (id, pool_id, component_id) values ($1, $2, $3)",
                    new_uuid(),
                    outer,
                    inner,
                )
