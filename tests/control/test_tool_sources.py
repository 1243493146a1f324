"""Tool sources: shapes, rules, what is kept of their keys, and where they are attached."""

from typing import Any
from uuid import UUID

import pytest

from dwctl.core.seal import Seal
from dwctl.identity.principal import NIL
from dwctl.routing.store import RoutingStore
from dwctl.routing.tools import Tool
from tests.control.house import SECRET, House, Person
from tests.control.model_server import ModelServer

KEYS = {
    "id", "kind", "name", "description", "parameters", "url", "has_api_key", "timeout_secs", "created_by",
    "created_at", "updated_at", "model_count", "group_count",
}  # fmt: skip
URL = "http://127.0.0.1:9/tools/weather?unit=c"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
NOBODY = UUID("00000000-0000-4000-8000-000000000404")


@pytest.fixture
async def manager(house: House) -> Person:
    """Who runs the platform."""
    return await house.manager()


def body(name: str = "weather", **more: Any) -> dict[str, Any]:
    """What a source is made of."""
    return {"name": name, "url": URL, **more}


async def made(house: House, manager: Person, name: str = "weather", **more: Any) -> Any:
    """A new source."""
    answer = await house.api("POST", "/tool-sources", manager, body(name, **more))
    assert answer.status_code == 201, answer.text
    return answer.json()


async def sources(house: House, manager: Person) -> Any:
    """All of them."""
    return (await house.api("GET", "/tool-sources", manager)).json()


async def routed(house: House) -> dict[str, tuple[Tool, ...] | None]:
    """The tools of each model, as the gateway reads them."""
    models, _ = await RoutingStore(house.database, Seal(SECRET)).models()
    return {model.alias: model.tools for model in models}


async def test_a_source_from_its_making_to_its_end(house: House, manager: Person) -> None:
    source = await made(
        house, manager, description="Says it", parameters=SCHEMA, api_key="s3cret", kind="http", unknown=1
    )
    assert set(source) == KEYS
    assert (source["kind"], source["name"], source["url"]) == ("http", "weather", URL)
    assert (source["has_api_key"], source["timeout_secs"]) == (True, 30)
    assert (source["parameters"], source["created_by"]) == (SCHEMA, str(manager.id))
    path = f"/tool-sources/{source['id']}"
    assert (await house.api("GET", path, manager)).json() == source
    assert (await house.api("GET", "/tool-sources", manager)).json() == [source]
    changed = (await house.api("PATCH", path, manager, {"description": None, "timeout_secs": 600})).json()
    assert (changed["description"], changed["timeout_secs"], changed["has_api_key"]) == (None, 600, True)
    assert changed["updated_at"] > source["updated_at"]
    gone = await house.api("DELETE", path, manager)
    assert (gone.status_code, gone.content) == (204, b"")
    for method in ("GET", "PATCH", "DELETE"):
        answer = await house.api(method, path, manager, {} if method == "PATCH" else None)
        assert (answer.status_code, answer.text) == (404, f"Tool source with ID {source['id']} not found")


async def test_the_key_is_sealed_and_never_shown(house: House, manager: Person) -> None:
    source = await made(house, manager, api_key="s3cret")
    path = f"/tool-sources/{source['id']}"
    value = "select api_key_sealed from tool_sources"
    sealed = await house.database.fetch_value(value)
    assert b"s3cret" not in sealed
    assert Seal(SECRET).open(sealed) == "s3cret"
    for change, has in (({}, True), ({"api_key": "other"}, True), ({"api_key": ""}, False), ({}, False)):
        answer = await house.api("PATCH", path, manager, change)
        assert (answer.json()["has_api_key"], "other" in answer.text) == (has, False)
    assert await house.database.fetch_value(value) is None
    assert (await house.api("PATCH", path, manager, {"api_key": "x"})).json()["has_api_key"]
    assert not (await house.api("PATCH", path, manager, {"api_key": None})).json()["has_api_key"]


NAME = "name: expected 1 to 64 letters, digits, '_' and '-', for models call it by this name"
ADDRESS = "url: expected an address such as https://tools.example/weather, got '{}'"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"name": ""}, NAME),
        ({"name": "a b"}, NAME),
        ({"name": "a\n"}, NAME),
        ({"name": "x" * 65}, NAME),
        ({"kind": "mcp"}, "kind: "),
        ({"url": "ftp://x/y"}, ADDRESS.format("ftp://x/y")),
        ({"url": "nonsense"}, ADDRESS.format("nonsense")),
        ({"url": "http://x:0/"}, ADDRESS.format("http://x:0/")),
        ({"url": "http://x:99999/"}, ADDRESS.format("http://x:99999/")),
        ({"url": "http://x/#a"}, ADDRESS.format("http://x/#a")),
        ({"url": "http://u:p@x/"}, "url: credentials belong in api_key, not in the address"),
        ({"url": "http://x/a b"}, "url: expected no white space or control characters"),
        ({"url": "http://x/" + "a" * 2048}, "url: expected an address"),
        ({"url": "http://169.254.169.254/x"}, "url: 169.254.169.254: "),
        ({"api_key": "a\r\nb: c"}, "api_key: expected at most 8192 printable ASCII characters"),
        ({"timeout_secs": 0}, "timeout_secs: expected 1 to 600, got 0"),
        ({"timeout_secs": 601}, "timeout_secs: expected 1 to 600, got 601"),
        ({"timeout_secs": 1.5}, "timeout_secs: expected int"),
        ({"description": "x" * 8193}, "description: expected at most 8192 characters"),
        ({"parameters": []}, "parameters: expected"),
        ({"parameters": {"type": "string"}}, "parameters.type: expected 'object'"),
        ({"parameters": {"properties": []}}, "parameters.properties: expected an object of JSON Schemas"),
        (
            {"parameters": {"properties": {"a": 1}}},
            "parameters.properties: expected an object of JSON Schemas",
        ),
        ({"parameters": {"required": "a"}}, "parameters.required: expected a list of names"),
        ({"parameters": {"description": "x" * 65536}}, "parameters: expected at most 65536 bytes of JSON"),
        ({"description": "a\0b"}, "description: expected text without NUL characters"),
    ],
)
async def test_what_cannot_be(house: House, manager: Person, change: dict[str, Any], text: str) -> None:
    source = await made(house, manager)
    for answer in (
        await house.api("POST", "/tool-sources", manager, body("other") | change),
        await house.api("PATCH", f"/tool-sources/{source['id']}", manager, change),
    ):
        assert answer.status_code == 400
        assert answer.text.startswith(text)
    assert (await house.api("GET", "/tool-sources", manager)).json() == [source]


@pytest.mark.parametrize("parameters", [{}, {"properties": {"a": True}}, None, SCHEMA])
async def test_schemas_that_go(house: House, manager: Person, parameters: Any) -> None:
    assert (await made(house, manager, parameters=parameters))["parameters"] == parameters


async def test_a_taken_name_is_a_conflict(house: House, manager: Person) -> None:
    await made(house, manager)
    other = await made(house, manager, "other")
    expected = {"message": "A tool source with the name 'weather' already exists.", "resource": "tool_source"}
    for answer in (
        await house.api("POST", "/tool-sources", manager, body()),
        await house.api("PATCH", f"/tool-sources/{other['id']}", manager, {"name": "weather"}),
    ):
        assert (answer.status_code, answer.json()) == (409, expected)


async def test_attached_to_models_and_groups(
    house: House, manager: Person, model_server: ModelServer
) -> None:
    await house.endpoint(model_server.url, "one", "two")
    one, group = await house.model("one"), await house.group()
    clock, weather = await made(house, manager, "clock"), await made(house, manager, api_key="s3cret")
    for place in (f"/deployments/{one}/tool-sources", f"/groups/{group}/tool-sources"):
        for source in (weather, clock, weather):
            answer = await house.api("PUT", f"{place}/{source['id']}", manager)
            assert (answer.status_code, answer.content) == (204, b"")
        listed = (await house.api("GET", place, manager)).json()
        assert [each["name"] for each in listed] == ["clock", "weather"]
        assert set(listed[0]) == KEYS
    tools = (await routed(house))["one"]
    assert tools is not None
    assert [(each.name, each.secret, each.groups) for each in tools] == [
        ("clock", None, frozenset([str(group)])),
        ("weather", "s3cret", frozenset([str(group)])),
    ]
    assert (tools[1].url, tools[1].timeout, tools[1].parameters) == (URL, 30.0, None)
    assert (await routed(house))["two"] is None
    for _ in range(2):
        gone = await house.api("DELETE", f"/groups/{group}/tool-sources/{clock['id']}", manager)
        assert gone.status_code == 204
    # A tool that no group has is no model's.
    assert [each.name for each in (await routed(house))["one"] or ()] == ["weather"]
    counts = [
        (each["name"], each["model_count"], each["group_count"]) for each in await sources(house, manager)
    ]
    assert counts == [("clock", 1, 0), ("weather", 1, 1)]
    await house.api("DELETE", f"/tool-sources/{weather['id']}", manager)
    assert (await routed(house))["one"] is None
    (left,) = (await house.api("GET", f"/deployments/{one}/tool-sources", manager)).json()
    assert left["id"] == clock["id"]
    # A model that is deleted has nothing any more.
    assert (await house.api("DELETE", f"/models/{one}", manager)).status_code == 200
    assert [each["model_count"] for each in await sources(house, manager)] == [0]


async def test_what_is_not_there(house: House, manager: Person, model_server: ModelServer) -> None:
    await house.endpoint(model_server.url, "one")
    one, source = await house.model("one"), (await made(house, manager))["id"]
    for path, text in (
        (f"/deployments/{NOBODY}/tool-sources", f"Model with ID {NOBODY} not found"),
        (f"/groups/{NOBODY}/tool-sources", f"Group with ID {NOBODY} not found"),
    ):
        assert (await house.api("GET", path, manager)).text == text
        for method in ("PUT", "DELETE"):
            answer = await house.api(method, f"{path}/{source}", manager)
            assert (answer.status_code, answer.text) == (404, text)
    missing = await house.api("PUT", f"/deployments/{one}/tool-sources/{NOBODY}", manager)
    assert (missing.status_code, missing.text) == (404, f"Tool source with ID {NOBODY} not found")


async def test_everyone_has_no_tools(house: House, manager: Person) -> None:
    source = await made(house, manager)
    answer = await house.api("PUT", f"/groups/{NIL}/tool-sources/{source['id']}", manager)
    assert (answer.status_code, answer.text) == (
        400,
        "The group Everyone gives nobody a tool; attach it to a group of its own",
    )


async def test_a_group_that_goes_takes_its_tools_along(
    house: House, manager: Person, model_server: ModelServer
) -> None:
    await house.endpoint(model_server.url, "one")
    one, group, source = await house.model("one"), await house.group(), (await made(house, manager))["id"]
    await house.api("PUT", f"/deployments/{one}/tool-sources/{source}", manager)
    await house.api("PUT", f"/groups/{group}/tool-sources/{source}", manager)
    assert (await routed(house))["one"] is not None
    assert (await house.api("DELETE", f"/groups/{group}", manager)).status_code == 204
    assert (await routed(house))["one"] is None


async def test_a_key_of_another_installation_leaves_the_tool_out(
    house: House, manager: Person, model_server: ModelServer, caplog: pytest.LogCaptureFixture
) -> None:
    await house.endpoint(model_server.url, "one")
    one, group = await house.model("one"), await house.group()
    for name in ("weather", "clock"):
        source = (await made(house, manager, name, api_key="s3cret"))["id"]
        await house.api("PUT", f"/deployments/{one}/tool-sources/{source}", manager)
        await house.api("PUT", f"/groups/{group}/tool-sources/{source}", manager)
    other = Seal("another secret key of this length").seal("x")
    await house.database.execute("update tool_sources set api_key_sealed = $1 where name = 'clock'", other)
    assert [each.name for each in (await routed(house))["one"] or ()] == ["weather"]
    assert "tool clock is left out" in caplog.text
