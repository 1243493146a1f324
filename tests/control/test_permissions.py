"""Every route, asked by everybody: one table. A route without a row fails."""

import re
from typing import Any

import msgspec
from litestar.routes import HTTPRoute

from dwctl.identity.principal import NIL
from tests.control.house import ADMIN, House, Person
from tests.control.model_server import ModelServer
from tests.engine.batches.ground import Ground, failed


class Row(msgspec.Struct, frozen=True):
    """The status for whoever owns what is asked for, for another account, for a manager, for an administrator.

    A platform key of the owner does what the owner does, but for what only a session may. Without a credential, and
    with a realtime key, everything but what is public is 401.
    """

    own: int
    foreign: int
    manager: int
    admin: int
    body: Any = None
    public: bool = False
    any_key: bool = False
    """Takes keys of every purpose."""
    ai_key: bool = False
    """Takes keys for models and no others."""
    session_only: bool = False
    """Takes no key at all."""
    key_only: bool = False
    """Takes keys for models and nothing else."""


def managed(status: int = 200, body: Any = None) -> Row:
    """For managers and administrators."""
    return Row(403, 403, status, status, body)


def anybody(status: int = 200, body: Any = None) -> Row:
    """For everyone who is known."""
    return Row(status, status, status, status, body)


def owned(status: int = 200, body: Any = None) -> Row:
    """For the owner, managers and administrators."""
    return Row(status, 403, status, status, body)


def public(status: int = 200, body: Any = None) -> Row:
    """For everyone."""
    return Row(status, status, status, status, body, public=True)


def ai(own: int, foreign: int, manager: int, body: Any = None) -> Row:
    """For keys for calls, and for sessions."""
    return Row(own, foreign, manager, manager, body, ai_key=True)


def called(status: int) -> Row:
    """For keys for calls of the account whose call it is."""
    return Row(status, 401, 401, 401, key_only=True)


FORM = {"purpose": (None, "user_data"), "file": ("a.txt", "text")}
SERVER = "http://127.0.0.1:9/v1"
CREATE_ENDPOINT = {"name": "new {n}", "url": SERVER, "skip_fetch": True, "model_filter": ["new-{n}"]}
CREATE_BATCH = {
    "input_file_id": "{batch_file_id}",
    "endpoint": "/v1/chat/completions",
    "completion_window": "24h",
}
MESSAGE = {"role": "user", "content": "Hi"}
WRONG_LOGIN = {"email": "x@example.com", "password": "wrong"}
REGISTER = {"username": "x", "email": "x@example.com", "password": "long enough"}
BUDGET = {"amount": "5", "period": "month"}

TABLE: dict[tuple[str, str], Row] = {
    ("GET", "/ai/v1/daemons"): Row(403, 403, 200, 200, ai_key=True),
    ("GET", f"{ADMIN}/groups"): managed(),
    ("POST", f"{ADMIN}/groups"): managed(201, {"name": "new {n}"}),
    ("GET", f"{ADMIN}/groups/{{group_id}}"): managed(),
    ("PATCH", f"{ADMIN}/groups/{{group_id}}"): managed(200, {"name": "new {n}"}),
    ("DELETE", f"{ADMIN}/groups/{{group_id}}"): managed(204),
    ("GET", f"{ADMIN}/groups/{{group_id}}/users"): managed(),
    ("POST", f"{ADMIN}/groups/{{group_id}}/users/{{user_id}}"): managed(204),
    ("DELETE", f"{ADMIN}/groups/{{group_id}}/users/{{user_id}}"): managed(204),
    ("GET", f"{ADMIN}/groups/{{group_id}}/models"): managed(),
    ("POST", f"{ADMIN}/groups/{{group_id}}/models/{{model_id}}"): managed(204),
    ("DELETE", f"{ADMIN}/groups/{{group_id}}/models/{{model_id}}"): managed(204),
    ("GET", f"{ADMIN}/users/{{user_id}}/groups"): owned(),
    ("GET", f"{ADMIN}/users/current/groups"): anybody(),
    ("POST", f"{ADMIN}/users/{{user_id}}/groups/{{group_id}}"): managed(204),
    ("DELETE", f"{ADMIN}/users/{{user_id}}/groups/{{group_id}}"): managed(204),
    ("GET", f"{ADMIN}/models/{{model_id}}/groups"): managed(),
    ("GET", f"{ADMIN}/users"): managed(),
    ("POST", f"{ADMIN}/users"): managed(201, {"username": "new {n}", "email": "new{n}@example.com"}),
    ("GET", f"{ADMIN}/users/current"): anybody(),
    ("PATCH", f"{ADMIN}/users/current"): anybody(200, {"display_name": "x"}),
    ("GET", f"{ADMIN}/users/{{user_id}}"): owned(),
    ("PATCH", f"{ADMIN}/users/{{user_id}}"): owned(200, {"display_name": "x"}),
    ("DELETE", f"{ADMIN}/users/{{user_id}}"): managed(204),
    ("GET", f"{ADMIN}/users/{{user_id}}/api-keys"): owned(),
    ("POST", f"{ADMIN}/users/{{user_id}}/api-keys"): owned(201, {"name": "new {n}"}),
    ("GET", f"{ADMIN}/users/{{user_id}}/api-keys/{{key_id}}"): owned(),
    ("PATCH", f"{ADMIN}/users/{{user_id}}/api-keys/{{key_id}}"): owned(200, {"budget": BUDGET}),
    ("DELETE", f"{ADMIN}/users/{{user_id}}/api-keys/{{key_id}}"): owned(204),
    ("GET", f"{ADMIN}/users/current/api-keys"): anybody(),
    ("POST", f"{ADMIN}/users/current/api-keys"): anybody(201, {"name": "new {n}"}),
    ("GET", f"{ADMIN}/users/current/api-keys/{{key_id}}"): Row(200, 404, 404, 404),
    ("PATCH", f"{ADMIN}/users/current/api-keys/{{key_id}}"): Row(200, 404, 404, 404, {"budget": BUDGET}),
    ("DELETE", f"{ADMIN}/users/current/api-keys/{{key_id}}"): Row(204, 404, 404, 404),
    # The owner belongs to the organization, alone; to others but managers it is not there.
    ("GET", f"{ADMIN}/users/{{user_id}}/organizations"): owned(),
    ("GET", f"{ADMIN}/users/current/organizations"): anybody(),
    ("POST", f"{ADMIN}/session/organization"): Row(
        200, 403, 403, 403, {"organization_id": "{organization_id}"}
    ),
    ("GET", f"{ADMIN}/organizations"): anybody(),
    ("POST", f"{ADMIN}/organizations"): anybody(201, {"name": "new {n}", "email": "new{n}@example.org"}),
    ("GET", f"{ADMIN}/organizations/{{organization_id}}"): Row(200, 404, 200, 200),
    ("PATCH", f"{ADMIN}/organizations/{{organization_id}}"): Row(200, 404, 200, 200, {"display_name": "x"}),
    ("DELETE", f"{ADMIN}/organizations/{{organization_id}}"): managed(204),
    ("GET", f"{ADMIN}/organizations/{{organization_id}}/members"): Row(200, 404, 200, 200),
    ("POST", f"{ADMIN}/organizations/{{organization_id}}/members"): Row(
        201, 404, 201, 201, {"user_id": "{other_id}"}
    ),
    # Its last owner.
    ("PATCH", f"{ADMIN}/organizations/{{organization_id}}/members/{{user_id}}"): Row(
        400, 404, 400, 400, {"role": "member"}
    ),
    ("DELETE", f"{ADMIN}/organizations/{{organization_id}}/members/{{user_id}}"): Row(400, 404, 400, 400),
    ("POST", f"{ADMIN}/organizations/{{organization_id}}/leave"): Row(400, 404, 404, 404),
    ("GET", f"{ADMIN}/endpoints"): managed(),
    ("POST", f"{ADMIN}/endpoints"): managed(201, CREATE_ENDPOINT),
    ("POST", f"{ADMIN}/endpoints/validate"): managed(200, {"type": "new", "url": SERVER}),
    ("GET", f"{ADMIN}/endpoints/{{endpoint_id}}"): managed(),
    ("PATCH", f"{ADMIN}/endpoints/{{endpoint_id}}"): managed(200, {"description": "x"}),
    ("DELETE", f"{ADMIN}/endpoints/{{endpoint_id}}"): managed(204),
    ("POST", f"{ADMIN}/endpoints/{{endpoint_id}}/synchronize"): managed(),
    ("GET", f"{ADMIN}/models"): anybody(),
    ("POST", f"{ADMIN}/models"): managed(200, {"model_name": "made-{n}", "hosted_on": "{endpoint_id}"}),
    ("GET", f"{ADMIN}/models/{{model_id}}"): anybody(),
    ("PATCH", f"{ADMIN}/models/{{model_id}}"): managed(200, {"description": "x"}),
    ("DELETE", f"{ADMIN}/models/{{model_id}}"): managed(),
    ("GET", f"{ADMIN}/models/{{composite_id}}/components"): managed(),
    # It is a component already: who may not know is told nothing of it.
    ("POST", f"{ADMIN}/models/{{composite_id}}/components/{{component_id}}"): managed(409, {}),
    ("PATCH", f"{ADMIN}/models/{{composite_id}}/components/{{component_id}}"): managed(200, {"weight": 2}),
    ("DELETE", f"{ADMIN}/models/{{composite_id}}/components/{{component_id}}"): managed(),
    ("GET", f"{ADMIN}/ai/{{path}}"): Row(404, 404, 404, 404, session_only=True),
    ("POST", f"{ADMIN}/ai/{{path}}"): Row(404, 404, 404, 404, session_only=True),
    ("GET", f"{ADMIN}/requests"): anybody(),
    # Whose call it is not must not learn that there is one.
    ("GET", f"{ADMIN}/requests/{{request_id}}"): Row(200, 404, 404, 200),
    ("GET", f"{ADMIN}/requests/{{request_id}}/events"): Row(200, 404, 404, 200),
    ("GET", f"{ADMIN}/transactions"): anybody(),
    # BillingManagers may too (test_transactions).
    ("POST", f"{ADMIN}/transactions"): managed(
        201,
        {
            "user_id": "{user_id}",
            "transaction_type": "admin_grant",
            "amount": "1.5",
            "source_id": "new {n}",
        },
    ),
    ("GET", f"{ADMIN}/transactions/{{transaction_id}}"): Row(200, 404, 200, 200),
    # The call has ended, and was no queued one. Nobody's role opens another account's.
    ("GET", "/ai/v1/responses/{response_id}"): ai(200, 404, 404),
    ("DELETE", "/ai/v1/responses/{response_id}"): ai(200, 404, 404),
    ("POST", "/ai/v1/responses/{response_id}/cancel"): ai(400, 404, 404),
    ("GET", "/ai/v1/responses/{response_id}/input_items"): ai(200, 404, 404),
    # Without a body.
    ("POST", "/ai/v1/responses/compact"): called(400),
    # Whoever has BatchAPIUser; the owner and the foreign person of these tests have it.
    ("GET", "/ai/v1/files"): ai(200, 200, 200),
    ("POST", "/ai/v1/files"): ai(201, 201, 201, FORM),
    ("GET", "/ai/v1/files/{file_id}"): ai(200, 404, 200),
    ("DELETE", "/ai/v1/files/{file_id}"): ai(200, 404, 200),
    ("GET", "/ai/v1/files/{file_id}/content"): ai(200, 404, 200),
    # It is no file of requests.
    ("GET", "/ai/v1/files/{file_id}/cost-estimate"): ai(400, 404, 400),
    # Whoever may call models has conversations, and nobody has anybody else's.
    ("POST", "/ai/v1/conversations"): ai(200, 200, 200, {"items": [MESSAGE]}),
    ("GET", "/ai/v1/conversations/{conversation_id}"): ai(200, 404, 404),
    ("POST", "/ai/v1/conversations/{conversation_id}"): ai(200, 404, 404, {"metadata": {"a": "b"}}),
    ("DELETE", "/ai/v1/conversations/{conversation_id}"): ai(200, 404, 404),
    ("GET", "/ai/v1/conversations/{conversation_id}/items"): ai(200, 404, 404),
    ("POST", "/ai/v1/conversations/{conversation_id}/items"): ai(200, 404, 404, {"items": [MESSAGE]}),
    ("GET", "/ai/v1/conversations/{conversation_id}/items/{item_id}"): ai(200, 404, 404),
    ("DELETE", "/ai/v1/conversations/{conversation_id}/items/{item_id}"): ai(200, 404, 404),
    ("GET", f"{ADMIN}/tool-sources"): managed(),
    ("POST", f"{ADMIN}/tool-sources"): managed(201, {"name": "new_{n}", "url": "http://127.0.0.1:9/tool"}),
    ("GET", f"{ADMIN}/tool-sources/{{source_id}}"): managed(),
    ("PATCH", f"{ADMIN}/tool-sources/{{source_id}}"): managed(200, {"description": "x"}),
    ("DELETE", f"{ADMIN}/tool-sources/{{source_id}}"): managed(204),
    ("GET", f"{ADMIN}/deployments/{{model_id}}/tool-sources"): managed(),
    ("PUT", f"{ADMIN}/deployments/{{model_id}}/tool-sources/{{source_id}}"): managed(204),
    ("DELETE", f"{ADMIN}/deployments/{{model_id}}/tool-sources/{{source_id}}"): managed(204),
    ("GET", f"{ADMIN}/groups/{{group_id}}/tool-sources"): managed(),
    ("PUT", f"{ADMIN}/groups/{{group_id}}/tool-sources/{{source_id}}"): managed(204),
    ("DELETE", f"{ADMIN}/groups/{{group_id}}/tool-sources/{{source_id}}"): managed(204),
    ("GET", f"{ADMIN}/config"): anybody(),
    ("GET", f"{ADMIN}/monitoring/pending-request-counts"): managed(),
    ("GET", f"{ADMIN}/monitoring/demand"): managed(400),
    # The owner and the foreign person of these tests have BatchAPIUser; the batch has failed, and so has its request.
    ("GET", "/ai/v1/batches"): ai(200, 200, 200),
    ("POST", "/ai/v1/batches"): ai(201, 403, 201, CREATE_BATCH),
    ("GET", "/ai/v1/batches/{batch_id}"): ai(200, 404, 200),
    ("DELETE", "/ai/v1/batches/{batch_id}"): ai(204, 404, 204),
    ("GET", "/ai/v1/batches/{batch_id}/analytics"): ai(200, 404, 200),
    ("GET", "/ai/v1/batches/{batch_id}/results"): ai(200, 404, 200),
    ("POST", "/ai/v1/batches/{batch_id}/cancel"): ai(200, 404, 200),
    ("POST", "/ai/v1/batches/{batch_id}/retry"): ai(200, 404, 200),
    ("POST", "/ai/v1/batches/{batch_id}/retry-requests"): ai(
        200, 404, 200, {"request_ids": ["{batch_request_id}"]}
    ),
    ("GET", "/authentication/login"): public(),
    ("POST", "/authentication/login"): public(401, WRONG_LOGIN),
    ("GET", "/authentication/register"): public(),
    ("POST", "/authentication/register"): public(400, REGISTER),
    ("POST", "/authentication/logout"): public(),
    ("POST", "/authentication/password-change"): Row(
        400, 400, 400, 400, {"current_password": "x", "new_password": "long enough"}, any_key=True
    ),
    ("GET", "/healthz"): public(),
    ("HEAD", "/healthz"): public(),
    ("GET", "/health"): public(),
    ("HEAD", "/health"): public(),
    ("GET", "/readyz"): public(),
    ("HEAD", "/readyz"): public(),
    ("GET", "/internal/metrics"): public(),
    ("GET", "/admin/openapi.json"): public(),
    ("GET", "/admin/openapi.json/{path}"): public(404),
    ("GET", "/admin/docs"): public(),
    ("GET", "/ai/openapi.json"): public(),
    ("GET", "/ai/docs"): public(),
}


def routes(house: House) -> set[tuple[str, str]]:
    """Every method and path of the application."""
    return {
        (method, route.path_format)
        for route in house.app.routes
        if isinstance(route, HTTPRoute)
        for method in route.methods
        if method != "OPTIONS"
    }


def test_every_route_has_a_row_and_every_row_a_route(house: House) -> None:
    assert routes(house) == set(TABLE)


_PLACEHOLDER = re.compile(r"\{(\w+)")
_MODELS = {"endpoint_id", "model_id", "composite_id", "component_id"}
_BATCHES = {"batch_id", "batch_file_id", "batch_request_id"}


class Fresh(msgspec.Struct, frozen=True):
    """Rows that nobody has touched, and their owner."""

    owner: Person
    names: dict[str, Any]


async def fresh(house: House, server: ModelServer, text: str) -> Fresh:
    """An account with a key, and what else the placeholders in `text` name."""
    owner = await house.person("BatchAPIUser")
    number = house.number()
    names: dict[str, Any] = {"user_id": owner.id, "n": number, "path": "x"}
    wanted = set(_PLACEHOLDER.findall(text))
    if wanted & {*_MODELS, *_BATCHES}:
        alias = f"model-{number}"
        names["endpoint_id"] = await house.endpoint(server.url, alias, open_to=NIL)
        server.lists(alias)
        names["model_id"] = names["component_id"] = model_id = await house.model(alias)
        if wanted & {"composite_id", "component_id"}:
            names["composite_id"] = await house.composite(f"composite-{number}", model_id)
        if wanted & _BATCHES:
            ground = Ground(house)
            names["batch_id"] = batch_id = await ground.made(owner, [alias])
            await ground.run(batch_id, failed)
            (line,) = await ground.results(owner, batch_id)
            names |= {"batch_request_id": line["id"], "batch_file_id": await ground.file(owner, [alias])}
    if "group_id" in wanted:
        names["group_id"] = await house.group()
    if "source_id" in wanted:
        names["source_id"] = await house.tool_source()
    if "conversation_id" in wanted:
        names["conversation_id"], names["item_id"] = await house.conversation(owner)
    if wanted & {"key_id", "request_id", "response_id"}:
        names["key_id"], _ = await house.key(owner)
        names["request_id"] = await house.request(owner, names["key_id"])
        names["response_id"] = f"resp_{names['request_id']}"
    if "transaction_id" in wanted:
        names["transaction_id"] = await house.grant(owner, "1")
    if "file_id" in wanted:
        names["file_id"] = await house.file(owner)
    if "organization_id" in wanted:
        names |= {"organization_id": await house.organization(owner), "other_id": (await house.person()).id}
    return Fresh(owner, names)


def filled(value: Any, names: dict[str, Any]) -> Any:
    """A body with its placeholders replaced."""
    if isinstance(value, str):
        return value.format(**names)
    if isinstance(value, dict):
        return {key: filled(inner, names) for key, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner, names) for inner in value]
    return value


def expectations(row: Row) -> dict[str, int]:
    """Status by who asks."""
    if row.public:
        return dict.fromkeys(("anonymous", "realtime key", "own", "platform key"), row.own)
    return {
        "anonymous": 401,
        "realtime key": row.own if row.any_key or row.ai_key or row.key_only else 401,
        "own": 401 if row.key_only else row.own,
        "platform key": 401 if row.session_only or row.ai_key or row.key_only else row.own,
        "foreign": row.foreign,
        "manager": row.manager,
        "admin": row.admin,
    }


async def test_every_route_answers_as_the_table_says(house: House, model_server: ModelServer) -> None:
    foreign, manager, admin = await house.person("BatchAPIUser"), await house.manager(), await house.admin()
    wrong = []
    for (method, path), row in TABLE.items():
        for who, expected in expectations(row).items():
            around = await fresh(house, model_server, f"{path} {row.body}")
            headers: dict[str, dict[str, str]] = {
                "anonymous": {},
                "own": around.owner.headers,
                "foreign": foreign.headers,
                "manager": manager.headers,
                "admin": admin.headers,
            }
            if who.endswith("key"):
                headers[who] = (await house.key(around.owner, who.removesuffix(" key")))[1]
            answer = await house.call(
                method,
                path.format(**around.names),
                headers[who],
                None if row.body is FORM else filled(row.body, around.names),
                form=FORM if row.body is FORM else None,
            )
            if answer.status_code != expected:
                wrong.append(f"{method} {path} as {who}: {answer.status_code}, not {expected}: {answer.text}")
    assert wrong == []


async def test_the_spelling_of_a_path_opens_nothing(house: House) -> None:
    _, realtime = await house.key(await house.admin())
    for path in (f"/{ADMIN}/users", "/admin//api/v1/users", f"{ADMIN}/users/", "/./admin/api/v1/users"):
        answer = await house.call("GET", f"http://dwctl.test{path}", realtime)
        assert answer.status_code in (401, 404), path
