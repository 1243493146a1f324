"""What an answer waits for is a notice that really comes: else every change would be 2 s slow, or answered early."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from dwctl.db.postgres import Database
from dwctl.routing.change import Change
from dwctl.routing.sync import CHANNEL
from dwctl.wire.reasoning import EFFORTS
from tests.control.house import House, Person
from tests.control.model_server import ModelServer

DEADLINE = 20.0


class Notices:
    """Waits for the very notice that an action names, and notes which were awaited."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._connection = connection
        self._come: set[str] = set()
        self._wake = asyncio.Event()
        self.awaited: list[str] = []

    async def listen(self) -> None:
        """From now on."""
        await self._connection.add_listener(CHANNEL, self._take)

    def _take(self, *notice: Any) -> None:
        self._come.add(notice[-1])
        self._wake.set()

    @asynccontextmanager
    async def confirm(self, noun: str, ident: str) -> AsyncIterator[Change]:
        """As the routing state's sync does, but without an end to patience."""
        change = Change()
        self._come.clear()
        yield change
        if not change.made:
            return
        self.awaited.append(noun)
        async with asyncio.timeout(DEADLINE):
            while not {f"{noun}:{ident}", f"{noun}:*"} & self._come:
                self._wake.clear()
                await self._wake.wait()

    def taken(self) -> list[str]:
        """What was awaited since the last look."""
        found, self.awaited = self.awaited, []
        return found


@pytest.fixture
async def notices(database: Database) -> AsyncIterator[Notices]:
    """A listener on a connection of its own."""
    connection = await asyncpg.connect(database.dsn)
    heard = Notices(connection)
    await heard.listen()
    yield heard
    await connection.close()


@pytest.fixture
def house(database: Database, notices: Notices) -> House:
    """The control plane whose answers wait for notices."""
    return House(database, propagation=notices)


@pytest.fixture
async def admin(house: House) -> Person:
    """Who does everything."""
    return await house.admin()


async def test_keys(house: House, notices: Notices, admin: Person) -> None:
    made = await house.api("POST", "/users/current/api-keys", admin, {"name": "a"})
    assert notices.taken() == ["api_keys"]
    await house.api("DELETE", f"/users/current/api-keys/{made.json()['id']}", admin)
    assert notices.taken() == ["api_keys"]


async def test_budgets(house: House, notices: Notices, admin: Person) -> None:
    key_id, _ = await house.key(admin)
    notices.taken()
    for path, noun in ((f"/users/current/api-keys/{key_id}", "api_keys"), ("/users/current", "users")):
        for budget, awaited in (
            ({"amount": "1", "period": "day"}, [noun]),
            ({"amount": "1.000", "period": "day"}, []),
            ({"amount": "2", "period": "day"}, [noun]),
            ({"amount": "2", "period": "week"}, [noun]),
            (None, [noun]),
            (None, []),
        ):
            assert (await house.api("PATCH", path, admin, {"budget": budget})).status_code == 200
            assert notices.taken() == awaited, budget
        assert (await house.api("PATCH", path, admin, {})).status_code == 200
        assert notices.taken() == []


async def test_memberships(house: House, notices: Notices, admin: Person) -> None:
    person, group_id = await house.person(), await house.group()
    await house.endpoint("http://127.0.0.1:9/v1", "llama")
    model_id = await house.model("llama")
    notices.taken()
    for member, noun in ((f"users/{person.id}", "users"), (f"models/{model_id}", "models")):
        path = f"/groups/{group_id}/{member}"
        for method in ("POST", "DELETE"):
            assert (await house.api(method, path, admin)).status_code == 204
            assert notices.taken() == [noun]
            assert (await house.api(method, path, admin)).status_code == 204
            assert notices.taken() == []


@pytest.mark.parametrize("members", ["none", "person", "model", "many"])
async def test_deleting_a_group(house: House, notices: Notices, admin: Person, members: str) -> None:
    count = 101 if members == "many" else 1
    names = [f"model-{number}" for number in range(count)]
    await house.endpoint("http://127.0.0.1:9/v1", *names)
    models = [await house.model(name) for name in names] if members in ("model", "many") else []
    people = [await house.person()] if members == "person" else []
    group_id = await house.group(*people, models=models)
    notices.taken()
    assert (await house.api("DELETE", f"/groups/{group_id}", admin)).status_code == 204
    assert notices.taken() == {"none": [], "person": ["users"]}.get(members, ["models"])


async def test_people(house: House, notices: Notices, admin: Person) -> None:
    person = await house.person()
    assert (await house.api("DELETE", f"/users/{person.id}", admin)).status_code == 204
    assert notices.taken() == ["users"]


async def test_models(house: House, notices: Notices, admin: Person) -> None:
    endpoint_id = await house.endpoint("http://127.0.0.1:9/v1")
    body = {"model_name": "llama", "hosted_on": str(endpoint_id)}
    path = f"/models/{(await house.api('POST', '/models', admin, body)).json()['id']}"
    assert notices.taken() == ["models"]
    for change, awaited in (
        ({"alias": "big"}, ["models"]),
        ({"alias": "big"}, []),
        ({"model_type": "RERANKER"}, ["models"]),
        ({"trusted": True}, ["models"]),
        ({"trusted": True}, []),
        ({"sanitize_responses": True, "open_responses_adapter": False}, ["models"]),
        ({"chat_completions_adapter": True}, ["models"]),
        ({"chat_completions_adapter": True}, []),
        ({"traffic_routing_rules": [{"api_key_purpose": "batch", "action": {"type": "deny"}}]}, ["models"]),
        ({"traffic_routing_rules": [{"api_key_purpose": "batch", "action": {"type": "deny"}}]}, []),
        ({"traffic_routing_rules": None}, ["models"]),
        ({"traffic_routing_rules": []}, []),
        ({"reasoning_translation": {"responses": {"unsupported_efforts": list(EFFORTS)}}}, ["models"]),
        ({"reasoning_translation": {"responses": {"unsupported_efforts": list(EFFORTS)}}}, []),
        ({"description": "x", "display_name": "y", "capabilities": ["z"], "metadata": {}}, []),
        ({"requests_per_second": 0.5, "capacity": 3}, ["models"]),
        ({"requests_per_second": 0.5, "capacity": 3}, []),
        ({"capacity": None}, ["models"]),
        ({"throughput": 2}, ["models"]),
    ):
        assert (await house.api("PATCH", path, admin, change)).status_code == 200
        assert notices.taken() == awaited, change
    await house.api("DELETE", path, admin)
    assert notices.taken() == ["models"]
    await house.api("DELETE", path, admin)
    assert notices.taken() == []


async def test_endpoints(house: House, notices: Notices, admin: Person, model_server: ModelServer) -> None:
    body = {"name": "a", "url": model_server.url}
    made = (await house.api("POST", "/endpoints", admin, body)).json()
    assert notices.taken() == ["models"]
    path = f"/endpoints/{UUID(made['id'])}"
    for change, awaited in (
        ({"name": "b"}, ["endpoints"]),
        ({"name": "b"}, []),
        ({"description": "x"}, []),
        ({"model_filter": ["llama"]}, ["models"]),
        ({"model_filter": None}, ["models"]),
        ({"alias_mapping": {"llama": "big", "rerank-1": "llama", "bge-embed": "x"}}, ["models"]),
        ({"alias_mapping": {"llama": "big", "rerank-1": "llama", "bge-embed": "x"}}, []),
        ({"url": "http://127.0.0.1:9/v1"}, ["endpoints"]),
        ({"api_key": "secret"}, ["endpoints"]),
        ({"auth_header_prefix": "Token "}, ["endpoints"]),
        ({"api_key": None}, ["endpoints"]),
        ({"max_concurrent": 3}, ["endpoints"]),
        ({"max_concurrent": 3}, []),
        ({"max_concurrent": None}, ["endpoints"]),
    ):
        assert (await house.api("PATCH", path, admin, change)).status_code == 200
        assert notices.taken() == awaited, change
    await house.database.execute("update endpoints set url = $1", model_server.url)
    for models, awaited in ((("llama",), ["models"]), (("llama",), []), (("llama", "new"), ["models"])):
        model_server.lists(*models)
        assert (await house.api("POST", f"{path}/synchronize", admin)).status_code == 200
        assert notices.taken() == awaited
    assert (await house.api("DELETE", path, admin)).status_code == 204
    assert notices.taken() == ["endpoints"]
    unasked = {"name": "c", "url": "http://127.0.0.1:9/v1", "sync": False}
    await house.api("POST", "/endpoints", admin, unasked)
    assert notices.taken() == []


async def test_more_models_than_a_statement_names(
    house: House, notices: Notices, admin: Person, model_server: ModelServer
) -> None:
    model_server.lists(*(f"model-{number}" for number in range(150)))
    answer = await house.api("POST", "/endpoints", admin, {"name": "a", "url": model_server.url})
    assert answer.status_code == 201
    assert notices.taken() == ["models"]
