"""Endpoints: shapes, their key, the models that come with them, and what a change does to those."""

from typing import Any
from uuid import UUID

import pytest

from dwctl.routing.snapshot import Timeouts
from tests.control.house import House, Person
from tests.control.model_server import ModelServer

KEYS = {
    *("id", "name", "description", "url", "model_filter", "requires_api_key", "auth_header_name"),
    *("auth_header_prefix", "created_by", "created_at", "updated_at"),
    *("requests_per_second", "burst_size", "requests_per_minute", "tokens_per_minute", "max_concurrent"),
    *("auth_header_prefix", "timeouts", "created_by", "created_at", "updated_at"),
}
NOBODY = UUID("00000000-0000-4000-8000-000000000404")
AWAY = "http://127.0.0.1:9/v1"
SECRET = "upstream-secret-1234"


@pytest.fixture
async def manager(house: House) -> Person:
    """Who runs the platform."""
    return await house.manager()


async def create(house: House, manager: Person, url: str, **more: Any) -> dict[str, Any]:
    """A new endpoint."""
    name = more.pop("name", f"endpoint {house.number()}")
    answer = await house.api("POST", "/endpoints", manager, {"name": name, "url": url, **more})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def aliases(house: House, manager: Person, **wanted: Any) -> list[str]:
    """Of the models that are there, by name."""
    query = "&".join(f"{name}={value}" for name, value in wanted.items())
    page = (await house.api("GET", f"/models?sort=alias&sort_direction=asc&{query}", manager)).json()
    return [model["alias"] for model in page["data"]]


async def test_an_endpoint_comes_with_its_models(
    house: House, manager: Person, model_server: ModelServer
) -> None:
    url = model_server.url.rstrip("/")
    made = await create(house, manager, url, name=" lab ", description="Rack 3", unknown=1)
    assert set(made) == KEYS
    assert (made["name"], made["description"], made["url"]) == ("lab", "Rack 3", f"{url}/")
    assert (made["auth_header_name"], made["auth_header_prefix"]) == ("Authorization", "Bearer ")
    assert (made["requires_api_key"], made["model_filter"]) == (False, None)
    assert made["created_by"] == str(manager.id)
    assert model_server.heads[0].startswith("GET /v1/models HTTP/1.1\r\n")
    assert "authorization" not in model_server.heads[0].lower()
    page = (await house.api("GET", "/models?sort=alias&sort_direction=asc", manager)).json()
    assert [(model["alias"], model["model_name"], model["model_type"]) for model in page["data"]] == [
        ("bge-embed", "bge-embed", "EMBEDDINGS"),
        ("llama", "llama", "CHAT"),
        ("rerank-1", "rerank-1", "RERANKER"),
    ]
    assert {model["hosted_on"] for model in page["data"]} == {made["id"]}
    assert (await house.api("GET", f"/endpoints/{made['id']}", manager)).json() == made
    listed = await house.api("GET", "/endpoints", manager)
    assert listed.json() == [made]


async def test_the_key_goes_to_the_server_and_is_never_shown(
    house: House, manager: Person, model_server: ModelServer
) -> None:
    made = await create(house, manager, model_server.url, api_key=SECRET)
    assert made["requires_api_key"] is True
    assert f"Authorization: Bearer {SECRET}".lower() in model_server.heads[0].lower()
    path = f"/endpoints/{made['id']}"
    for answer in (
        await house.api("GET", path, manager),
        await house.api("GET", "/endpoints", manager),
        await house.api("PATCH", path, manager, {"description": "x"}),
        await house.api(
            "POST", "/endpoints/validate", manager, {"type": "existing", "endpoint_id": made["id"]}
        ),
        await house.api("GET", "/models?include=endpoints", manager),
    ):
        assert answer.status_code == 200
        assert SECRET not in answer.text
    stored = await house.database.fetch_value("select row_to_json(e)::text from endpoints e")
    assert SECRET not in stored
    assert SECRET.encode().hex() not in stored


async def test_another_header_carries_the_key(
    house: House, manager: Person, model_server: ModelServer
) -> None:
    made = await create(
        house,
        manager,
        model_server.url,
        api_key=SECRET,
        auth_header_name="X-Api-Key",
        auth_header_prefix="",
    )
    assert (made["auth_header_name"], made["auth_header_prefix"]) == ("X-Api-Key", "")
    assert f"x-api-key: {SECRET}\r\n" in model_server.heads[0].lower()
    cleared = await house.api(
        "PATCH",
        f"/endpoints/{made['id']}",
        manager,
        {"api_key": None, "auth_header_name": None, "auth_header_prefix": None},
    )
    assert cleared.json()["requires_api_key"] is False
    assert cleared.json()["auth_header_name"] == "Authorization"
    assert cleared.json()["auth_header_prefix"] == "Bearer "
    assert SECRET not in model_server.heads[-1]


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"name": None}, "name: expected str, got null"),
        ({"name": " "}, "name: expected 1 to 255 characters that are not all blank"),
        ({"url": "ftp://x"}, "url: expected an address such as http://127.0.0.1:8000/v1, got 'ftp://x'"),
        ({"url": "x"}, "url: expected an address such as http://127.0.0.1:8000/v1, got 'x'"),
        (
            {"url": "http://x:y/v1"},
            "url: expected an address such as http://127.0.0.1:8000/v1, got 'http://x:y/v1'",
        ),
        (
            {"url": "http://x/v1?a=b"},
            "url: expected an address such as http://127.0.0.1:8000/v1, got 'http://x/v1?a=b'",
        ),
        ({"url": "http://a:b@x/v1"}, "url: credentials belong in api_key, not in the address"),
        ({"url": "http://x/v 1"}, "url: expected no white space or control characters"),
        ({"api_key": "a\nb"}, "api_key: expected at most 8192 printable ASCII characters"),
        ({"api_key": "x" * 8193}, "api_key: expected at most 8192 printable ASCII characters"),
        ({"auth_header_name": "a b"}, "auth_header_name: expected the name of a header, got 'a b'"),
        ({"auth_header_prefix": "ä"}, "auth_header_prefix: expected at most 255 printable ASCII characters"),
        (
            {"model_filter": [" "]},
            "model_filter: expected names of 1 to 512 characters that are not all blank",
        ),
        (
            {"alias_mapping": {"a": ""}},
            "alias_mapping: expected names of 1 to 512 characters that are not all blank",
        ),
        (
            {"skip_fetch": True},
            "model_filter: expected with skip_fetch, it is the list of models then",
        ),
        ({"model_filter": "llama"}, "model_filter: expected array | null, got str"),
        ({"sync": "perhaps"}, "sync: expected bool, got str"),
    ],
)
async def test_wrong_bodies_name_the_field(
    house: House, manager: Person, changed: dict[str, Any], text: str
) -> None:
    body = {"name": "a", "url": AWAY, **changed}
    answer = await house.api("POST", "/endpoints", manager, body)
    assert (answer.status_code, answer.text) == (400, text)
    assert (await house.api("GET", "/endpoints", manager)).json() == []


@pytest.mark.parametrize("missing", ["name", "url"])
async def test_name_and_address_are_needed(house: House, manager: Person, missing: str) -> None:
    body = {"name": "a", "url": AWAY}
    del body[missing]
    answer = await house.api("POST", "/endpoints", manager, body)
    assert (answer.status_code, answer.text) == (400, f"{missing}: expected, but it is not there")


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (401, b"", "refuses the API key (status 401)"),
        (403, b"", "refuses the API key (status 403)"),
        (404, b"", "answered with status 404; does the address end in /v1?"),
        (307, b"", "answered with status 307"),
        (500, b"{}", "answered with status 500"),
        (200, b"<html>", "did not answer with a list of models"),
        (200, b'{"models": []}', "did not answer with a list of models"),
        (200, b'{"data": [{"id": 7}]}', "did not answer with a list of models"),
    ],
)
async def test_a_server_that_does_not_list_models_makes_nothing(
    house: House, manager: Person, model_server: ModelServer, status: int, body: bytes, words: str
) -> None:
    model_server.answers(status, body)
    wanted = {"name": "a", "url": model_server.url, "api_key": SECRET}
    answer = await house.api("POST", "/endpoints", manager, wanted)
    assert answer.status_code == 400
    assert answer.text.startswith(f"url: {model_server.url}models")
    assert words in answer.text
    assert SECRET not in answer.text
    assert (await house.api("GET", "/endpoints", manager)).json() == []
    tried = await house.api("POST", "/endpoints/validate", manager, {"type": "new", "url": model_server.url})
    assert tried.status_code == 200
    assert set(tried.json()) == {"status", "error"}
    assert tried.json()["status"] == "error"
    assert words in tried.json()["error"]


async def test_a_server_that_is_away_makes_nothing(house: House, manager: Person) -> None:
    answer = await house.api("POST", "/endpoints", manager, {"name": "a", "url": AWAY})
    assert answer.status_code == 400
    assert "cannot be reached" in answer.text
    unasked = await house.api("POST", "/endpoints", manager, {"name": "a", "url": AWAY, "sync": False})
    assert unasked.status_code == 201
    assert await aliases(house, manager) == []


async def test_odd_lists_are_taken_as_far_as_they_go(
    house: House, manager: Person, model_server: ModelServer
) -> None:
    model_server.answers(
        200,
        b'{"data": [{"id": "a", "created": 1.5, "owned_by": null, "name": "Model A", "description": "Fine"},'
        b' {"id": "a"}, {"id": " "}, {"id": "b", "created": "yesterday", "extra": {}}], "object": "other"}',
    )
    tried = await house.api("POST", "/endpoints/validate", manager, {"type": "new", "url": model_server.url})
    models = tried.json()["models"]
    assert set(models) == {"object", "data"}
    assert [model["id"] for model in models["data"]] == ["a", "b"]
    assert {"id", "object", "created", "owned_by"} <= set(models["data"][0])
    await create(house, manager, model_server.url)
    assert await aliases(house, manager) == ["a", "b"]


async def test_validating_changes_nothing(house: House, manager: Person, model_server: ModelServer) -> None:
    body = {"type": "new", "url": model_server.url, "api_key": SECRET, "auth_header_prefix": "Token "}
    answer = await house.api("POST", "/endpoints/validate", manager, body)
    assert answer.status_code == 200
    assert answer.json()["status"] == "success"
    assert len(answer.json()["models"]["data"]) == 3
    assert f"token {SECRET}" in model_server.heads[0].lower()
    assert (await house.api("GET", "/endpoints", manager)).json() == []
    assert await aliases(house, manager) == []


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ({}, 400, "type: expected, but it is not there"),
        ({"type": "old"}, 400, "type: expected one of existing, new, got 'old'"),
        ({"type": "new"}, 400, "url: expected with type 'new'"),
        ({"type": "existing"}, 400, "endpoint_id: expected with type 'existing'"),
        ({"type": "existing", "endpoint_id": str(NOBODY)}, 404, f"Endpoint with ID {NOBODY} not found"),
    ],
)
async def test_validations_that_are_refused(
    house: House, manager: Person, body: dict[str, str], status: int, text: str
) -> None:
    answer = await house.api("POST", "/endpoints/validate", manager, body)
    assert (answer.status_code, answer.text) == (status, text)


async def test_a_list_instead_of_asking(house: House, manager: Person) -> None:
    await create(
        house, manager, AWAY, skip_fetch=True, model_filter=["one", "two"], alias_mapping={"two": "second"}
    )
    assert await aliases(house, manager) == ["one", "second"]


async def test_a_filter_and_aliases(house: House, manager: Person, model_server: ModelServer) -> None:
    made = await create(
        house,
        manager,
        model_server.url,
        model_filter=["llama", "rerank-1"],
        alias_mapping={"llama": " big ", "unheard": "of"},
    )
    assert made["model_filter"] == ["llama", "rerank-1"]
    assert await aliases(house, manager) == ["big", "rerank-1"]


async def test_taken_names_and_aliases_are_conflicts(
    house: House, manager: Person, model_server: ModelServer
) -> None:
    await create(house, manager, model_server.url, name="taken")
    body = {"name": "taken", "url": AWAY, "sync": False}
    named = await house.api("POST", "/endpoints", manager, body)
    assert named.status_code == 409
    assert named.json() == {
        "message": "An endpoint with the name 'taken' already exists.",
        "resource": "endpoint",
    }
    other = {"name": "other", "url": model_server.url, "alias_mapping": {"rerank-1": "free"}}
    clashing = await house.api("POST", "/endpoints", manager, other)
    assert clashing.status_code == 409
    assert set(clashing.json()) == {"message", "conflicts"}
    assert clashing.json()["conflicts"] == [
        {"model_name": "bge-embed", "attempted_alias": "bge-embed"},
        {"model_name": "llama", "attempted_alias": "llama"},
    ]
    twice = {"name": "other", "url": AWAY, "skip_fetch": True, "model_filter": ["a", "b"]}
    same = await house.api(
        "POST", "/endpoints", manager, {**twice, "alias_mapping": {"a": "same", "b": "same"}}
    )
    assert same.status_code == 409
    assert same.json()["conflicts"] == [
        {"model_name": "a", "attempted_alias": "same"},
        {"model_name": "b", "attempted_alias": "same"},
    ]
    assert [endpoint["name"] for endpoint in (await house.api("GET", "/endpoints", manager)).json()] == [
        "taken"
    ]


async def test_changes_of_an_endpoint(house: House, manager: Person, model_server: ModelServer) -> None:
    made = await create(house, manager, model_server.url, name="a", description="b")
    path = f"/endpoints/{made['id']}"
    renamed = (await house.api("PATCH", path, manager, {"name": "c", "unknown": 1})).json()
    assert (renamed["name"], renamed["description"]) == ("c", "b")
    cleared = (await house.api("PATCH", path, manager, {"description": None})).json()
    assert (cleared["name"], cleared["description"]) == ("c", None)
    await create(house, manager, AWAY, name="taken", sync=False)
    for body, status in (
        ({"name": "taken"}, 409),
        ({"name": " "}, 400),
        ({"url": "x"}, 400),
        ({"alias_mapping": {"": "a"}}, 400),
        ({"api_key": "\n"}, 400),
    ):
        assert (await house.api("PATCH", path, manager, body)).status_code == status, body
    assert (await house.api("GET", path, manager)).json()["name"] == "c"


async def test_a_mapping_renames_makes_and_retires_models(
    house: House, manager: Person, model_server: ModelServer
) -> None:
    made = await create(house, manager, model_server.url)
    path = f"/endpoints/{made['id']}"
    mapping = {"llama": "big", "new-one": "new", "rerank-1": "rerank-1"}
    answer = await house.api("PATCH", path, manager, {"alias_mapping": mapping})
    assert answer.status_code == 200
    assert await aliases(house, manager, inactive="false") == ["big", "new", "rerank-1"]
    assert await aliases(house, manager, inactive="true") == ["bge-embed"]
    swapped = {"llama": "rerank-1", "rerank-1": "big", "new-one": "new"}
    assert (await house.api("PATCH", path, manager, {"alias_mapping": swapped})).status_code == 200
    page = (await house.api("GET", "/models?inactive=false", manager)).json()
    found = {model["model_name"]: model["alias"] for model in page["data"]}
    assert found == swapped
    await create(house, manager, AWAY, skip_fetch=True, model_filter=["taken"])
    clash = await house.api("PATCH", path, manager, {"alias_mapping": {"llama": "taken"}, "description": "x"})
    assert clash.status_code == 409
    assert clash.json()["conflicts"] == [{"model_name": "llama", "attempted_alias": "taken"}]
    assert (await house.api("GET", path, manager)).json()["description"] is None


async def test_an_edit_is_saved_whatever_the_server_says(
    house: House, manager: Person, model_server: ModelServer
) -> None:
    made = await create(house, manager, AWAY, sync=False)
    path = f"/endpoints/{made['id']}"
    moved = await house.api("PATCH", path, manager, {"url": model_server.url})
    assert moved.status_code == 200
    assert await aliases(house, manager) == ["bge-embed", "llama", "rerank-1"]
    away = await house.api("PATCH", path, manager, {"url": AWAY})
    assert (away.status_code, away.json()["url"]) == (200, f"{AWAY}/")
    assert await aliases(house, manager, inactive="false") == ["bge-embed", "llama", "rerank-1"]
    other = await create(house, manager, AWAY, sync=False)
    clashing = await house.api("PATCH", f"/endpoints/{other['id']}", manager, {"url": model_server.url})
    assert (clashing.status_code, clashing.json()["url"]) == (200, model_server.url)
    assert len(await aliases(house, manager)) == 3


async def test_synchronizing(house: House, manager: Person, model_server: ModelServer) -> None:
    made = await create(house, manager, model_server.url)
    path = f"/endpoints/{made['id']}/synchronize"

    async def counts() -> dict[str, Any]:
        answer = await house.api("POST", path, manager)
        assert answer.status_code == 200
        found: dict[str, Any] = answer.json()
        assert found.pop("endpoint_id") == made["id"]
        assert found.pop("synced_at")
        return {name: value for name, value in found.items() if value}

    assert await counts() == {"total_models_fetched": 3, "filtered_models_count": 3}
    model_server.lists("llama", "new-one")
    assert await counts() == {
        "changes_made": 3,
        "new_models_created": 1,
        "models_deactivated": 2,
        "total_models_fetched": 2,
        "filtered_models_count": 2,
    }
    routed = await house.routed()
    assert {str(await house.model("llama")), str(await house.model("new-one"))} == routed
    model_server.lists("llama", "new-one", "rerank-1")
    assert await counts() == {
        "changes_made": 1,
        "models_reactivated": 1,
        "total_models_fetched": 3,
        "filtered_models_count": 3,
    }
    await house.api("PATCH", f"/endpoints/{made['id']}", manager, {"model_filter": ["llama"]})
    assert await aliases(house, manager, inactive="false") == ["llama"]
    assert await counts() == {"total_models_fetched": 3, "filtered_models_count": 1}


async def test_a_model_that_somebody_deleted_stays_deleted(
    house: House, manager: Person, model_server: ModelServer
) -> None:
    made = await create(house, manager, model_server.url)
    await house.api("DELETE", f"/models/{await house.model('llama')}", manager)
    await house.api("POST", f"/endpoints/{made['id']}/synchronize", manager)
    assert await aliases(house, manager) == ["bge-embed", "rerank-1"]


async def test_a_failed_synchronization_changes_nothing(
    house: House, manager: Person, model_server: ModelServer
) -> None:
    made = await create(house, manager, model_server.url)
    path = f"/endpoints/{made['id']}/synchronize"
    model_server.answers(503)
    assert (await house.api("POST", path, manager)).status_code == 400
    assert await aliases(house, manager, inactive="false") == ["bge-embed", "llama", "rerank-1"]
    await create(house, manager, AWAY, skip_fetch=True, model_filter=["clash"])
    model_server.lists("clash", "fine")
    clashing = await house.api("POST", path, manager)
    assert clashing.status_code == 409
    assert clashing.json()["conflicts"] == [{"model_name": "clash", "attempted_alias": "clash"}]
    assert "fine" not in await aliases(house, manager)


async def test_deleting_takes_the_models_along(
    house: House, manager: Person, model_server: ModelServer
) -> None:
    made = await create(house, manager, model_server.url)
    model_id = await house.model("llama")
    await house.group(manager, models=[model_id])
    gone = await house.api("DELETE", f"/endpoints/{made['id']}", manager)
    assert (gone.status_code, gone.content) == (204, b"")
    assert await aliases(house, manager) == []
    assert (await house.api("GET", f"/models/{model_id}", manager)).status_code == 404
    assert await house.routed() == set()
    assert await house.database.fetch_value("select count(*) from model_groups") == 0


@pytest.mark.parametrize(
    ("method", "path", "action"),
    [
        ("GET", "/endpoints", "Read"),
        ("POST", "/endpoints", "Create"),
        ("POST", "/endpoints/validate", "Update"),
        ("GET", "/endpoints/{id}", "Read"),
        ("PATCH", "/endpoints/{id}", "Update"),
        ("DELETE", "/endpoints/{id}", "Delete"),
        ("POST", "/endpoints/{id}/synchronize", "Update"),
    ],
)
async def test_refusals_and_what_is_not_there(
    house: House, manager: Person, method: str, path: str, action: str
) -> None:
    bodies = {"/endpoints": {"name": "a", "url": AWAY}, "/endpoints/validate": {"type": "new", "url": AWAY}}
    body = bodies.get(path, {}) if method in ("POST", "PATCH") and "sync" not in path else None
    refused = await house.api(method, path.format(id=NOBODY), await house.person(), body)
    assert (refused.status_code, refused.text) == (403, f"Insufficient permissions to {action} Endpoints")
    if "{id}" in path:
        missing = await house.api(method, path.format(id=NOBODY), manager, body)
        assert (missing.status_code, missing.text) == (404, f"Endpoint with ID {NOBODY} not found")
        zero = UUID(int=0)
        assert (await house.api(method, path.format(id=zero), manager, body)).status_code == 404


async def test_limits_of_time_of_its_own(house: House, manager: Person, model_server: ModelServer) -> None:
    made = await create(house, manager, model_server.url, timeouts={"first_byte": 5, "idle": 0.5})
    shown = {"connect": None, "first_byte": 5.0, "idle": 0.5, "total": None}
    assert made["timeouts"] == shown
    path = f"/endpoints/{made['id']}"
    other = (await house.api("PATCH", path, manager, {"description": "Rack 4"})).json()
    assert other["timeouts"] == shown
    changed = (await house.api("PATCH", path, manager, {"timeouts": {"total": 60}})).json()
    assert changed["timeouts"] == {"connect": None, "first_byte": None, "idle": None, "total": 60.0}
    models, bad = await house.routing.models()
    assert bad == []
    assert {each.timeouts for model in models for each in model.targets} == {Timeouts(total=60.0)}
    cleared = (await house.api("PATCH", path, manager, {"timeouts": None})).json()
    assert cleared["timeouts"] is None


@pytest.mark.parametrize("wrong", [{"idle": 0}, {"total": -1}, {"connect": 86_401}, {"first_byte": "5s"}, 5])
async def test_limits_of_time_that_are_none(house: House, manager: Person, wrong: Any) -> None:
    body = {"name": "x", "url": AWAY, "sync": False, "timeouts": wrong}
    answer = await house.api("POST", "/endpoints", manager, body)
    assert answer.status_code in (400, 422)
    assert "timeouts" in answer.text


async def test_a_row_with_limits_that_cannot_be_read_leaves_out_its_models_only(
    house: House, manager: Person, model_server: ModelServer
) -> None:
    made = await create(house, manager, model_server.url)
    await house.database.execute(
        'update endpoints set timeouts = \'{"idle": "soon"}\' where id = $1', UUID(made["id"])
    )
    models, bad = await house.routing.models()
    assert models == []
    assert {row.endpoint_id for row in bad} == {made["id"]}
