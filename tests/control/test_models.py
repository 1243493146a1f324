"""Models: who sees which, what of them, lists narrowed and sorted, and what changes and deletions do."""

from typing import Any
from uuid import UUID

import pytest

from dwctl.identity.principal import NIL
from tests.control.house import House, Person

ALWAYS = {
    *("id", "model_name", "alias", "display_name", "description", "model_type", "capabilities", "hosted_on"),
    *("active", "created_at", "updated_at", "last_sync", "deleted", "metadata"),
    "allowed_batch_completion_windows",
}
LIMITS = {
    *("requests_per_second", "burst_size", "requests_per_minute", "tokens_per_minute", "capacity"),
    *("batch_capacity", "throughput"),
}
FLAGS = {"sanitize_responses", "trusted", "open_responses_adapter", "chat_completions_adapter"}
RULES = {"reasoning_translation", "traffic_routing_rules"}
MANAGED = {*ALWAYS, *LIMITS, *FLAGS, *RULES, "is_composite", "created_by"}
AWAY = "http://127.0.0.1:9/v1"
NOBODY = UUID("00000000-0000-4000-8000-000000000404")


@pytest.fixture
async def manager(house: House) -> Person:
    """Who runs the platform."""
    return await house.manager()


@pytest.fixture
async def endpoint_id(house: House) -> UUID:
    """An endpoint without models."""
    return await house.endpoint(AWAY)


async def create(house: House, manager: Person, endpoint_id: UUID, name: str, **more: Any) -> dict[str, Any]:
    """A new model."""
    body = {"type": "standard", "model_name": name, "hosted_on": str(endpoint_id), **more}
    answer = await house.api("POST", "/models", manager, body)
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def aliases(house: House, who: Person, query: str = "") -> list[str]:
    """Of a list, in its order."""
    answer = await house.api("GET", f"/models?{query}", who)
    assert answer.status_code == 200, answer.text
    return [model["alias"] for model in answer.json()["data"]]


async def test_a_model_from_its_making_to_its_end(house: House, manager: Person, endpoint_id: UUID) -> None:
    made = await create(
        house,
        manager,
        endpoint_id,
        "org/llama",
        alias=" llama ",
        display_name="Llama",
        description="Large",
        capabilities=["vision"],
        metadata={"provider": "Meta", "released_at": "2025-04-05", "extra": {"use_cases": ["chat"]}, "x": 1},
        unknown="field",
    )
    assert set(made) == MANAGED
    assert (made["alias"], made["model_name"], made["model_type"]) == ("llama", "org/llama", "CHAT")
    assert (made["display_name"], made["description"]) == ("Llama", "Large")
    assert (made["capabilities"], made["is_composite"]) == (["vision"], False)
    assert (made["hosted_on"], made["created_by"]) == (str(endpoint_id), str(manager.id))
    assert made["metadata"] == {
        "provider": "Meta",
        "released_at": "2025-04-05",
        "extra": {"use_cases": ["chat"]},
    }
    path = f"/models/{made['id']}"
    assert (await house.api("GET", path, manager)).json() == made
    assert made["id"] in await house.routed()
    for _ in range(2):
        gone = await house.api("DELETE", path, manager)
        assert (gone.status_code, gone.json()) == (200, made["id"])
    assert made["id"] not in await house.routed()
    assert await aliases(house, manager) == []
    for method in ("GET", "PATCH"):
        answer = await house.api(method, path, manager, {} if method == "PATCH" else None)
        assert (answer.status_code, answer.text) == (404, f"Model with ID {made['id']} not found")
    again = await create(house, manager, endpoint_id, "org/llama", alias="llama")
    assert again["id"] != made["id"]


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("bge-large", None, "EMBEDDINGS"),
        ("text-embedding-3", None, "EMBEDDINGS"),
        ("bge-reranker", None, "RERANKER"),
        ("llama", None, "CHAT"),
        ("llama", "EMBEDDINGS", "EMBEDDINGS"),
    ],
)
async def test_the_type_is_guessed_or_given(
    house: House, manager: Person, endpoint_id: UUID, name: str, given: str | None, expected: str
) -> None:
    made = await create(house, manager, endpoint_id, name, model_type=given)
    assert (made["model_type"], made["alias"]) == (expected, name)


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"model_name": None}, "model_name: expected str, got null"),
        ({"model_name": " "}, "model_name: expected 1 to 512 characters that are not all blank"),
        ({"alias": ""}, "alias: expected 1 to 512 characters that are not all blank"),
        ({"alias": "x" * 513}, "alias: expected 1 to 512 characters that are not all blank"),
        ({"hosted_on": str(NOBODY)}, f"hosted_on: there is no endpoint with ID {NOBODY}"),
        ({"type": "virtual"}, "type: expected one of standard, composite, got 'virtual'"),
        ({"hosted_on": None}, "hosted_on: expected, but it is not there"),
        ({"lb_strategy": "priority"}, "lb_strategy, fallback: only composite models have them"),
        (
            {"model_type": "IMAGE"},
            "model_type: expected one of CHAT, EMBEDDINGS, RERANKER, got 'IMAGE'",
        ),
        ({"capabilities": "vision"}, "capabilities: expected array | null, got str"),
        ({"metadata": []}, "metadata: expected object | null, got array"),
        ({"metadata": {"context_window": "big"}}, "metadata.context_window: expected int | null, got str"),
        (
            {"metadata": {"display_category": "music"}},
            "metadata.display_category: expected one of embedding, generation, ocr, got 'music'",
        ),
        (
            {"metadata": {"extra": {str(number): 1 for number in range(51)}}},
            "metadata.extra: expected at most 50 keys, got 51",
        ),
        (
            {"metadata": {"extra": {"a": "x" * 16384}}},
            "metadata: expected at most 16384 bytes, got 16402",
        ),
        ({"description": "\0"}, "description: expected text without NUL characters"),
    ],
)
async def test_wrong_bodies_name_the_field(
    house: House, manager: Person, endpoint_id: UUID, changed: dict[str, Any], text: str
) -> None:
    body = {"type": "standard", "model_name": "llama", "hosted_on": str(endpoint_id), **changed}
    answer = await house.api("POST", "/models", manager, body)
    assert (answer.status_code, answer.text) == (400, text)
    assert await aliases(house, manager) == []


async def test_a_wrong_id_and_missing_fields(house: House, manager: Person) -> None:
    wrong = await house.api("POST", "/models", manager, {"model_name": "a", "hosted_on": "x"})
    assert wrong.status_code == 400
    assert wrong.text.startswith("hosted_on: ")
    missing = await house.api("POST", "/models", manager, {"model_name": "a"})
    assert (missing.status_code, missing.text) == (400, "hosted_on: expected, but it is not there")


async def test_a_taken_alias_is_a_conflict(house: House, manager: Person, endpoint_id: UUID) -> None:
    await create(house, manager, endpoint_id, "llama")
    other = await create(house, manager, endpoint_id, "other")
    body = {"model_name": "x", "alias": "llama", "hosted_on": str(endpoint_id)}
    for answer in (
        await house.api("POST", "/models", manager, body),
        await house.api("PATCH", f"/models/{other['id']}", manager, {"alias": "llama"}),
    ):
        assert answer.status_code == 409
        assert answer.json()["message"] == "The alias 'llama' is taken."
        assert answer.json()["conflicts"] == [{"attempted_alias": "llama"}]


async def test_absent_stays_and_null_clears(house: House, manager: Person, endpoint_id: UUID) -> None:
    full = {
        "display_name": "a",
        "description": "b",
        "capabilities": ["vision"],
        "metadata": {"provider": "c"},
    }
    made = await create(house, manager, endpoint_id, "llama", **full)
    path = f"/models/{made['id']}"
    other = str(await house.endpoint(AWAY))
    same = (await house.api("PATCH", path, manager, {"unknown": 1, "hosted_on": other})).json()
    assert {name: same[name] for name in full} == full
    assert same["hosted_on"] == str(endpoint_id)
    changed = (await house.api("PATCH", path, manager, {"alias": "big", "model_type": "RERANKER"})).json()
    assert (changed["alias"], changed["model_type"], changed["display_name"]) == ("big", "RERANKER", "a")
    cleared = (await house.api("PATCH", path, manager, dict.fromkeys(full))).json()
    assert {name: cleared[name] for name in full} == {**dict.fromkeys(full), "capabilities": []}
    for body, text in (
        ({"alias": None}, "alias: expected str, got null"),
        ({"alias": " "}, "alias: expected 1 to 512 characters that are not all blank"),
        ({"model_type": "x"}, "model_type: expected one of CHAT, EMBEDDINGS, RERANKER, got 'x'"),
        (
            {"metadata": {"intelligence_index": "high"}},
            "metadata.intelligence_index: expected float | null, got str",
        ),
    ):
        answer = await house.api("PATCH", path, manager, body)
        assert (answer.status_code, answer.text) == (400, text)


async def test_people_see_what_they_may_use(house: House, manager: Person) -> None:
    member, stranger = await house.person(), await house.person()
    await house.endpoint(AWAY, "open", open_to=NIL)
    await house.endpoint(AWAY, "granted", "closed")
    granted = await house.model("granted")
    closed = await house.model("closed")
    await house.group(member, models=[granted])
    assert set(await aliases(house, manager)) == {"open", "granted", "closed"}
    assert set(await aliases(house, member)) == {"open", "granted"}
    assert await aliases(house, stranger) == ["open"]
    tricks = "accessible=false&deleted=true&inactive=true&include=groups,endpoints,metrics"
    assert await aliases(house, stranger, tricks) == ["open"]
    assert (await house.api("GET", f"/models/{granted}", member)).status_code == 200
    for who, model_id in ((stranger, granted), (member, closed), (manager, NOBODY)):
        answer = await house.api("GET", f"/models/{model_id}?deleted=true", who)
        assert (answer.status_code, answer.text) == (404, f"Model with ID {model_id} not found")


async def test_managers_can_ask_for_what_they_may_use_themselves(house: House, manager: Person) -> None:
    await house.endpoint(AWAY, "open", open_to=NIL)
    await house.endpoint(AWAY, "closed")
    assert await aliases(house, manager, "accessible=true") == ["open"]
    assert await aliases(house, await house.admin(), "accessible=true") == ["open"]


async def test_what_is_hidden_without_privilege(house: House, manager: Person) -> None:
    person = await house.person()
    billing = await house.person("BillingManager")
    await house.endpoint(AWAY, "open", open_to=NIL)
    query = "include=groups,endpoints,metrics,status,pricing,components,unheard"
    for who, expected in (
        (person, {*ALWAYS, "tariffs"}),
        (billing, {*ALWAYS, "tariffs", "created_by"}),
        (manager, {*MANAGED, "tariffs", "provider_pricing", "groups", "endpoint"}),
    ):
        (listed,) = (await house.api("GET", f"/models?{query}", who)).json()["data"]
        assert set(listed) == expected
        one = await house.api("GET", f"/models/{listed['id']}?{query}", who)
        assert one.json() == listed
    assert [group["id"] for group in listed["groups"]] == [str(NIL)]
    assert listed["endpoint"]["id"] == listed["hosted_on"]
    assert "api_key" not in listed["endpoint"]
    (plain,) = (await house.api("GET", "/models", manager)).json()["data"]
    assert set(plain) == MANAGED


async def test_models_that_their_server_does_not_list(house: House, manager: Person) -> None:
    person = await house.person()
    await house.endpoint(AWAY, "a", "b", open_to=NIL)
    model_id = await house.model("a")
    await house.database.execute("update models set status = 'inactive' where id = $1", model_id)
    assert await aliases(house, person) == ["b"]
    assert (await house.api("GET", f"/models/{model_id}", person)).status_code == 404
    assert set(await aliases(house, manager)) == {"a", "b"}
    assert await aliases(house, manager, "inactive=true") == ["a"]
    assert await aliases(house, manager, "inactive=false") == ["b"]
    assert (await house.api("GET", f"/models/{model_id}", manager)).json()["active"] is False


async def test_deleted_models_are_for_administrators(house: House, manager: Person) -> None:
    admin = await house.admin()
    await house.endpoint(AWAY, "a", open_to=NIL)
    model_id = await house.model("a")
    path = f"/models/{model_id}"
    await house.api("DELETE", path, manager)
    assert await aliases(house, manager, "deleted=true") == []
    assert (await house.api("GET", f"{path}?deleted=true", manager)).status_code == 404
    assert await aliases(house, admin) == []
    assert await aliases(house, admin, "deleted=true") == ["a"]
    assert (await house.api("GET", path, admin)).status_code == 404
    assert (await house.api("GET", f"{path}?deleted=true", admin)).json()["deleted"] is True
    changed = await house.api("PATCH", path, admin, {"description": "x"})
    assert (changed.status_code, changed.json()["description"]) == (200, "x")
    assert (await house.api("DELETE", f"/models/{NOBODY}", manager)).status_code == 404


async def test_pages_from_both_ends(house: House, manager: Person, endpoint_id: UUID) -> None:
    for number in range(12):
        await create(house, manager, endpoint_id, f"model-{number:02}")
    first = (await house.api("GET", "/models", manager)).json()
    assert set(first) == {"data", "total_count", "skip", "limit"}
    assert (len(first["data"]), first["total_count"], first["skip"], first["limit"]) == (10, 12, 0, 10)
    assert first["data"][0]["alias"] == "model-11"
    assert await aliases(house, manager, "skip=10&limit=50") == ["model-01", "model-00"]
    past = (await house.api("GET", "/models?skip=12", manager)).json()
    assert (past["data"], past["total_count"]) == ([], 12)
    clamped = (await house.api("GET", "/models?skip=-1&limit=5000", manager)).json()
    assert (clamped["skip"], clamped["limit"], len(clamped["data"])) == (0, 101, 12)


async def test_narrowing(house: House, manager: Person) -> None:
    first = await house.endpoint(AWAY)
    second = await house.endpoint(AWAY)
    meta = {"provider": "Meta"}
    llama = await create(house, manager, first, "llama", metadata=meta, capabilities=["vision", "tools"])
    await create(house, manager, first, "bge-100%", metadata={"provider": "BAAI"})
    await create(house, manager, second, "other", alias="mine", capabilities=["tools"])
    group_id = await house.group(models=[UUID(llama["id"])])
    for query, expected in (
        (f"endpoint={first}", {"llama", "bge-100%"}),
        (f"group={group_id}", {"llama"}),
        (f"group={NIL}", set()),
        (f"group={group_id},{NIL}", {"llama"}),
        ("search=LLA", {"llama"}),
        ("search=other", {"mine"}),
        ("search=endpoint-", {"llama", "bge-100%", "mine"}),
        ("search=100%25", {"bge-100%"}),
        ("search=_", set()),
        ("provider=meta", {"llama"}),
        ("model_type=EMBEDDINGS", {"bge-100%"}),
        ("capability=tools", {"llama", "mine"}),
        ("capability=tools&provider=Meta", {"llama"}),
        ("is_composite=false", {"llama", "bge-100%", "mine"}),
        ("is_composite=true&sort=released_at&sort_direction=desc", set()),
    ):
        assert set(await aliases(house, manager, query)) == expected, query


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("group=x", "group: expected ids separated by commas, got 'x'"),
        ("sort_direction=up", "sort_direction: expected one of asc, desc, got 'up'"),
        ("model_type=x", "model_type: expected one of CHAT, EMBEDDINGS, RERANKER, got 'x'"),
    ],
)
async def test_wrong_parameters_are_named(house: House, query: str, text: str) -> None:
    answer = await house.api("GET", f"/models?{query}", await house.person())
    assert (answer.status_code, answer.text) == (400, text)


async def test_wrong_sorts_are_told_the_right_ones(house: House) -> None:
    answer = await house.api("GET", "/models?sort=size", await house.person())
    assert answer.status_code == 400
    assert answer.text.startswith("sort: expected one of created_at, alias, ")
    assert answer.text.endswith("got 'size'")
    for query in ("endpoint=x", "accessible=x", "limit=x"):
        wrong = await house.api("GET", f"/models?{query}", await house.person())
        assert wrong.status_code == 400
        assert wrong.text.startswith(query.split("=")[0] + ": ")


async def test_sorting(house: House, manager: Person, endpoint_id: UUID) -> None:
    for name, metadata in (
        (
            "b",
            {
                "provider": "Zed",
                "intelligence_index": 9.5,
                "context_window": 8000,
                "released_at": "2025-01-01",
            },
        ),
        ("c", None),
        (
            "a",
            {
                "provider": "acme",
                "intelligence_index": 10,
                "context_window": 128000,
                "released_at": "2024-12-31",
            },
        ),
    ):
        await create(house, manager, endpoint_id, name, metadata=metadata)
    for sort, ascending in (
        ("alias", "abc"),
        ("created_at", "bca"),
        ("provider", "abc"),
        ("intelligence_index", "bac"),
        ("context_window", "bac"),
        ("released_at", "abc"),
        ("price_from", "bca"),
    ):
        found = await aliases(house, manager, f"sort={sort}&sort_direction=asc")
        assert "".join(found) == ascending, sort
        descending = "".join(await aliases(house, manager, f"sort={sort}&sort_direction=desc"))
        known = ascending if sort in ("alias", "created_at", "price_from") else ascending.replace("c", "")
        assert descending == known[::-1] + ("" if len(known) == 3 else "c"), sort
    assert await aliases(house, manager) == ["a", "c", "b"]


async def test_facets_are_of_what_the_caller_sees(house: House, manager: Person, endpoint_id: UUID) -> None:
    person = await house.person()
    shown = await create(
        house, manager, endpoint_id, "llama", metadata={"provider": "Meta"}, capabilities=["vision", "tools"]
    )
    await create(house, manager, endpoint_id, "bge-m3", metadata={"provider": "BAAI"}, capabilities=["tools"])
    await house.group(person, models=[UUID(shown["id"])])
    for who, expected in (
        (
            manager,
            {
                "providers": ["BAAI", "Meta"],
                "capabilities": ["tools", "vision"],
                "model_types": ["CHAT", "EMBEDDINGS"],
            },
        ),
        (person, {"providers": ["Meta"], "capabilities": ["tools", "vision"], "model_types": ["CHAT"]}),
        (await house.person(), {"providers": [], "capabilities": [], "model_types": []}),
    ):
        page = (await house.api("GET", "/models?include=facets&search=nothing", who)).json()
        assert (page["data"], page["facets"]) == ([], expected)


@pytest.mark.parametrize(
    ("method", "path", "action"),
    [
        ("POST", "/models", "Create"),
        ("PATCH", "/models/{id}", "Update"),
        ("DELETE", "/models/{id}", "Delete"),
    ],
)
async def test_refusals_name_what_is_missing(house: House, method: str, path: str, action: str) -> None:
    await house.endpoint(AWAY, "open", open_to=NIL)
    model_id = await house.model("open")
    body = {"POST": {"model_name": "a", "hosted_on": str(NOBODY)}, "PATCH": {"alias": "x"}}.get(method)
    answer = await house.api(method, path.format(id=model_id), await house.person(), body)
    assert (answer.status_code, answer.text) == (403, f"Insufficient permissions to {action} Models")


def translation(**values: str) -> dict[str, Any]:
    """A translation for chat completions that supports these efforts alone."""
    efforts = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
    return {
        "chat_completions": {
            "writes": [{"target": "/reasoning_effort", "values": values}],
            "unsupported_efforts": [effort for effort in efforts if effort not in values],
        }
    }


async def test_a_translation_of_effort_is_kept_changed_and_taken_away(
    house: House, manager: Person, endpoint_id: UUID
) -> None:
    low, high = translation(low="little"), translation(high="much")
    made = await create(house, manager, endpoint_id, "m", reasoning_translation=low)
    assert made["reasoning_translation"] == low
    path = f"/models/{made['id']}"
    for change, expected in (
        ({"description": "x"}, low),
        ({"reasoning_translation": high}, high),
        ({"alias": "n"}, high),
        ({"reasoning_translation": None}, None),
    ):
        changed = await house.api("PATCH", path, manager, change)
        assert changed.status_code == 200, changed.text
        assert changed.json()["reasoning_translation"] == expected
    listed = await house.api("GET", "/models", manager)
    assert [model["reasoning_translation"] for model in listed.json()["data"]] == [None]


async def test_a_translation_that_cannot_be_used_is_refused(
    house: House, manager: Person, endpoint_id: UUID
) -> None:
    made = await create(house, manager, endpoint_id, "m")
    bad = {"chat_completions": {"writes": [{"target": "/model", "values": {}}]}}
    body = {"model_name": "n", "hosted_on": str(endpoint_id), "reasoning_translation": bad}
    for answer in (
        await house.api("POST", "/models", manager, body),
        await house.api("PATCH", f"/models/{made['id']}", manager, {"reasoning_translation": bad}),
    ):
        assert answer.status_code == 400
        assert answer.text.startswith(
            "reasoning_translation: chat_completions.writes.0.target: expected one of "
        )
    assert (await house.api("GET", f"/models/{made['id']}", manager)).json()["reasoning_translation"] is None
