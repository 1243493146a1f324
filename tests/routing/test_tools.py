"""Tools of models in the snapshot: every change of them comes by notice."""

from uuid import UUID

from dwctl.core.ids import new_uuid
from dwctl.db.postgres import Database
from dwctl.routing.snapshot import EVERYONE, Snapshot
from tests.routing.test_sync import SEAL, House, running

URL = "http://127.0.0.1:9/tool"


async def source(house: House, name: str) -> UUID:
    """A tool source."""
    ident = new_uuid()
    await house.database.execute(
        "insert into tool_sources (id, name, url, created_by) values ($1, $2, $3, $4)",
        ident,
        name,
        URL,
        await house.user(),
    )
    return ident


async def group(house: House) -> UUID:
    """A group."""
    ident = new_uuid()
    await house.database.execute(
        "insert into groups (id, name, created_by) values ($1, $2, $3)", ident, str(ident), await house.user()
    )
    return ident


def tools(now: Snapshot, alias: str = "m") -> dict[str, tuple[str, frozenset[str]]]:
    """Address and groups by name."""
    model = now.models.get(alias)
    return {each.name: (each.url, each.groups) for each in (() if model is None else model.tools or ())}


async def test_every_change_comes_by_notice(database: Database) -> None:
    async with running(database) as house:
        model, other = await house.model("m"), await house.model("other")
        first, second = await group(house), await group(house)
        tool = await source(house, "weather")
        execute = house.database.execute
        to_model = "insert into model_tool_sources (model_id, tool_source_id) values ($1, $2)"
        to_group = "insert into group_tool_sources (group_id, tool_source_id) values ($1, $2)"
        await execute(to_model, model, tool)
        await execute(to_group, first, tool)
        one, both = frozenset([str(first)]), frozenset([str(first), str(second)])
        await house.until(lambda now: tools(now) == {"weather": (URL, one)})
        await execute(to_group, second, tool)
        await house.until(lambda now: tools(now) == {"weather": (URL, both)})
        await execute("update tool_sources set url = 'http://127.0.0.1:10/'")
        await house.until(lambda now: tools(now) == {"weather": ("http://127.0.0.1:10/", both)})
        await execute(to_model, other, tool)
        await house.until(lambda now: tools(now, "other") == tools(now))
        await execute("delete from model_tool_sources where model_id = $1", model)
        await house.until(lambda now: not tools(now) and tools(now, "other") != {})
        await execute("delete from groups where id = $1", second)
        await house.until(lambda now: tools(now, "other")["weather"][1] == one)
        await execute("delete from tool_sources")
        await house.until(lambda now: not tools(now, "other"))
        # One without tools costs its calls a comparison.
        assert house.routing.snapshot.models["other"].tools is None


async def test_everyone_gives_nobody_a_tool(database: Database) -> None:
    async with running(database) as house:
        model, tool, some = await house.model("m"), await source(house, "weather"), await group(house)
        await house.database.execute(
            "insert into model_tool_sources (model_id, tool_source_id) values ($1, $2)", model, tool
        )
        for ident in (UUID(EVERYONE), some):
            await house.database.execute(
                "insert into group_tool_sources (group_id, tool_source_id) values ($1, $2)", ident, tool
            )
        await house.until(lambda now: tools(now) == {"weather": (URL, frozenset([str(some)]))})


async def test_a_tool_of_many_models(database: Database) -> None:
    async with running(database) as house:
        tool, some = await source(house, "weather"), await group(house)
        await house.database.execute("update tool_sources set api_key_sealed = $1", SEAL.seal("s3cret"))
        await house.database.execute(
            "insert into group_tool_sources (group_id, tool_source_id) values ($1, $2)", some, tool
        )
        await house.model("m")
        await house.database.execute(
            "insert into models (id, alias, model_name, endpoint_id, created_by)"
            " select gen_random_uuid(), 'm-' || n, 'x', m.endpoint_id, m.created_by"
            " from models m, generate_series(1, 150) n where m.alias = 'm'"
        )
        await house.database.execute(
            "insert into model_tool_sources (model_id, tool_source_id) select id, $1 from models", tool
        )
        await house.until(lambda now: sum(model.tools is not None for model in now.models.values()) == 151)
        await house.database.execute("update tool_sources set name = 'other'")
        await house.until(lambda now: all(model.tools[0].name == "other" for model in now.models.values()))
        assert {model.tools[0].secret for model in house.routing.snapshot.models.values() if model.tools} == {
            "s3cret"
        }
