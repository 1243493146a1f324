"""API keys: a secret is shown once; who may see, make and revoke whose; when a key begins and ends to count."""

import re
from typing import Any
from uuid import UUID

import pytest

from dwctl.identity.principal import NIL
from tests.control.house import House

KEYS = {
    *(
        "id",
        "name",
        "description",
        "purpose",
        "user_id",
        "created_by",
        "created_at",
        "expires_at",
        "last_used",
    ),
    *("key_prefix", "model_access", "requests_per_second", "burst_size"),
    *("requests_per_minute", "tokens_per_minute", "max_concurrent"),
    *("allowed_models", "allowed_cidrs", "budget"),
}
NO_NETWORK = "expected a network such as 10.0.0.0/8 or 2001:db8::/32, without bits behind its prefix"
OWN = "/users/current/api-keys"
NOBODY = UUID("00000000-0000-4000-8000-000000000404")


async def test_the_secret_is_shown_once(house: House) -> None:
    person = await house.person()
    made = await house.api("POST", OWN, person, {"name": " scripts ", "description": "For cron"})
    assert made.status_code == 201
    key = made.json()
    assert set(key) == {*KEYS, "key"}
    secret = key.pop("key")
    assert re.fullmatch(r"sk-[A-Za-z0-9_-]{43}", secret)
    assert (key["name"], key["description"], key["purpose"]) == ("scripts", "For cron", "realtime")
    assert key["user_id"] == key["created_by"] == str(person.id)
    assert (key["requests_per_second"], key["burst_size"], key["last_used"]) == (None, None, None)
    assert key["key_prefix"] == secret[:10]
    for path in (f"{OWN}/{key['id']}", f"/users/{person.id}/api-keys/{key['id']}"):
        shown = await house.api("GET", path, person)
        assert (shown.status_code, shown.json()) == (200, key)
        assert secret not in shown.text
    listed = await house.api("GET", OWN, person)
    assert listed.json() == {"data": [key], "total_count": 1, "skip": 0, "limit": 10}
    stored = await house.database.fetch_value("select row_to_json(k)::text from api_keys k")
    assert secret not in stored


@pytest.mark.parametrize("purpose", ["realtime", "platform"])
async def test_purposes(house: House, purpose: str) -> None:
    person = await house.person()
    made = await house.api("POST", OWN, person, {"name": "a", "purpose": purpose})
    assert made.json()["purpose"] == purpose
    bearer = {"authorization": f"Bearer {made.json()['key']}"}
    admin = await house.api("GET", "/users/current", bearer)
    assert admin.status_code == (200 if purpose == "platform" else 401)
    assert made.json()["id"] in await house.routed()


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"name": ""}, "name: expected 1 to 255 characters that are not all blank"),
        ({"name": "x" * 256}, "name: expected 1 to 255 characters that are not all blank"),
        ({"name": None}, "name: expected str, got null"),
        ({"purpose": "batch"}, "purpose: 'batch' is reserved for internal system use"),
        ({"purpose": "playground"}, "purpose: 'playground' is reserved for internal system use"),
        ({"purpose": "world peace"}, "purpose: expected one of realtime, platform, got 'world peace'"),
        ({"requests_per_second": 0}, "requests_per_second: expected from 0.001 to 1e+06, got 0"),
        ({"requests_per_second": 1e30}, "requests_per_second: expected from 0.001 to 1e+06, got 1e+30"),
        ({"burst_size": 0}, "burst_size: expected from 1 to 1000000, got 0"),
        ({"burst_size": 2**40}, f"burst_size: expected from 1 to 1000000, got {2**40}"),
        (
            {"allowed_models": ["a"], "purpose": "platform"},
            "allowed_models: expected only for a key with the purpose 'realtime'",
        ),
        ({"allowed_models": []}, "allowed_models: expected 1 to 1000 aliases, or null, got 0"),
        ({"allowed_models": ["a"] * 1001}, "allowed_models: expected 1 to 1000 aliases, or null, got 1001"),
        (
            {"allowed_models": ["a", " "]},
            "allowed_models[1]: expected 1 to 512 characters that are not all blank",
        ),
        ({"allowed_models": "a"}, "allowed_models: expected array | null, got str"),
        ({"allowed_cidrs": []}, "allowed_cidrs: expected 1 to 1000 networks, or null, got 0"),
        (
            {"allowed_cidrs": ["::1", "10.0.0.1/8"]},
            f"allowed_cidrs[1]: {NO_NETWORK}, got '10.0.0.1/8'",
        ),
        ({"member_id": str(NOBODY)}, "member_id: expected only for a key of an organization"),
        ({"expires_at": "2001-01-01T00:00:00Z"}, "expires_at: expected a moment in the future"),
        (
            {"expires_at": "2200-01-01T00:00:00"},
            "expires_at: expected a time zone, such as 2030-01-31T12:00:00Z",
        ),
    ],
)
async def test_wrong_bodies_name_the_field(house: House, changed: dict[str, Any], text: str) -> None:
    answer = await house.api("POST", OWN, await house.person(), {"name": "a", **changed})
    assert (answer.status_code, answer.text) == (400, text)


async def test_a_key_with_lists(house: House) -> None:
    person = await house.person()
    lists = {
        "allowed_models": ["llama", "not/there"],
        "allowed_cidrs": ["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"],
    }
    made = (await house.api("POST", OWN, person, {"name": "a", **lists})).json()
    networks = ["10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32"]
    assert (made["allowed_models"], made["allowed_cidrs"]) == (lists["allowed_models"], networks)
    shown = (await house.api("GET", f"{OWN}/{made['id']}", person)).json()
    listed = (await house.api("GET", OWN, person)).json()["data"][0]
    assert shown == listed == {name: value for name, value in made.items() if name != "key"}
    plain = (await house.api("POST", OWN, person, {"name": "b", "allowed_models": None})).json()
    assert (plain["allowed_models"], plain["allowed_cidrs"]) == (None, None)


async def test_a_missing_name_and_a_wrong_time(house: House) -> None:
    person = await house.person()
    missing = await house.api("POST", OWN, person, {})
    assert (missing.status_code, missing.text) == (400, "name: expected, but it is not there")
    wrong = await house.api("POST", OWN, person, {"name": "a", "expires_at": "tomorrow"})
    assert wrong.status_code == 400
    assert wrong.text.startswith("expires_at: ")


async def test_limits_and_an_end_are_kept(house: House) -> None:
    wanted = {"name": "a", "requests_per_second": 0.1, "burst_size": 5, "expires_at": "2200-01-01T00:00:00Z"}
    person = await house.person()
    made = await house.api("POST", OWN, person, {**wanted, "unknown": "field"})
    shown = (await house.api("GET", f"{OWN}/{made.json()['id']}", person)).json()
    assert {name: shown[name] for name in wanted} == wanted


async def test_names_are_unique_among_the_live_keys_of_an_account(house: House) -> None:
    person, other = await house.person(), await house.person()
    first = await house.api("POST", OWN, person, {"name": "a"})
    again = await house.api("POST", OWN, person, {"name": "a"})
    assert again.status_code == 409
    assert again.json() == {
        "message": "An API key with the name 'a' already exists.",
        "resource": "api_key",
    }
    assert (await house.api("POST", OWN, other, {"name": "a"})).status_code == 201
    await house.api("DELETE", f"{OWN}/{first.json()['id']}", person)
    assert (await house.api("POST", OWN, person, {"name": "a"})).status_code == 201


async def test_pages_from_both_ends(house: House) -> None:
    person = await house.person()
    for number in range(12):
        await house.api("POST", OWN, person, {"name": f"key {number}"})
    await house.key(await house.person())

    async def names(query: str) -> list[str]:
        page = (await house.api("GET", f"{OWN}?{query}", person)).json()
        assert page["total_count"] == 12
        return [key["name"] for key in page["data"]]

    assert await names("") == [f"key {number}" for number in range(11, 1, -1)]
    assert await names("skip=10") == ["key 1", "key 0"]
    assert await names("skip=12") == []
    assert await names("skip=-3&limit=0") == ["key 11"]
    assert len(await names("limit=500")) == 12


async def test_a_revoked_key_is_gone_at_once(house: House) -> None:
    person = await house.person()
    platform_id, platform = await house.key(person, "platform")
    realtime_id, _ = await house.key(person)
    for key_id in (platform_id, realtime_id):
        gone = await house.api("DELETE", f"/users/{person.id}/api-keys/{key_id}", person)
        assert (gone.status_code, gone.content) == (204, b"")
    assert (await house.api("GET", OWN, platform)).status_code == 401
    assert await house.routed() == set()
    assert (await house.api("GET", OWN, person)).json()["total_count"] == 0
    for method in ("GET", "DELETE"):
        answer = await house.api(method, f"{OWN}/{realtime_id}", person)
        assert (answer.status_code, answer.text) == (404, f"API key with ID {realtime_id} not found")


async def test_keys_of_others(house: House) -> None:
    person, foreign, manager = await house.person(), await house.person(), await house.manager()
    key_id, _ = await house.key(person)
    keys = f"/users/{person.id}/api-keys"
    for method, path, body, action in (
        ("GET", keys, None, "Read"),
        ("POST", keys, {"name": "a"}, "Create"),
        ("GET", f"{keys}/{key_id}", None, "Read"),
        ("DELETE", f"{keys}/{key_id}", None, "Delete"),
    ):
        answer = await house.api(method, path, foreign, body)
        assert (answer.status_code, answer.text) == (403, f"Insufficient permissions to {action} ApiKeys")
    for method in ("GET", "DELETE"):
        assert (await house.api(method, f"{OWN}/{key_id}", foreign)).status_code == 404
        through_own = await house.api(method, f"/users/{foreign.id}/api-keys/{key_id}", foreign)
        assert through_own.status_code == 404
    assert (await house.api("GET", f"{keys}/{key_id}", manager)).status_code == 200
    for account in (NOBODY, NIL):
        for method in ("GET", "POST"):
            body = {"name": "a"} if method == "POST" else None
            answer = await house.api(method, f"/users/{account}/api-keys", manager, body)
            assert (answer.status_code, answer.text) == (404, f"User with ID {account} not found")
    assert (await house.api("DELETE", f"{keys}/{key_id}", manager)).status_code == 204


async def test_a_key_made_for_somebody_is_theirs(house: House) -> None:
    person, manager = await house.person(), await house.manager()
    made = await house.api(
        "POST", f"/users/{person.id}/api-keys", manager, {"name": "a", "purpose": "platform"}
    )
    assert (made.json()["user_id"], made.json()["created_by"]) == (str(person.id), str(person.id))
    bearer = {"authorization": f"Bearer {made.json()['key']}"}
    assert (await house.api("GET", "/users/current", bearer)).json()["id"] == str(person.id)
    assert (await house.api("GET", "/users", bearer)).status_code == 403


async def test_only_administrators_make_keys_for_administrators(house: House) -> None:
    admin, manager = await house.admin(), await house.manager()
    keys = f"/users/{admin.id}/api-keys"
    assert (await house.api("POST", keys, manager, {"name": "a"})).status_code == 403
    assert (await house.api("POST", keys, await house.admin(), {"name": "a"})).status_code == 201
    assert (await house.api("GET", keys, manager)).status_code == 200


async def test_model_access_is_what_the_account_may_use(house: House) -> None:
    person = await house.person()
    await house.endpoint("http://127.0.0.1:9/v1", "open", open_to=NIL)
    await house.endpoint("http://127.0.0.1:9/v1", "granted", "closed")
    granted = await house.model("granted")
    await house.group(person, models=[granted])
    made = (await house.api("POST", OWN, person, {"name": "a"})).json()
    expected = [str(granted), str(await house.model("open"))]
    assert made["model_access"] == expected
    page = (await house.api("GET", OWN, person)).json()
    assert page["data"][0]["model_access"] == expected


async def test_hidden_keys_do_not_exist_for_anybody(house: House) -> None:
    person, manager = await house.person(), await house.manager()
    key_id, _ = await house.key(person)
    await house.database.execute("update api_keys set hidden = true, purpose = 'batch'")
    for who in (person, manager):
        page = (await house.api("GET", f"/users/{person.id}/api-keys", who)).json()
        assert (page["data"], page["total_count"]) == ([], 0)
        for method in ("GET", "DELETE"):
            answer = await house.api(method, f"/users/{person.id}/api-keys/{key_id}", who)
            assert answer.status_code == 404


async def test_an_expired_key_does_not_count(house: House) -> None:
    person = await house.person()
    key_id, headers = await house.key(person, "platform")
    await house.database.execute("update api_keys set expires_at = now() where id = $1", key_id)
    assert (await house.api("GET", OWN, headers)).status_code == 401
    assert (await house.api("GET", OWN, person)).json()["total_count"] == 1
