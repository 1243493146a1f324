"""What a new batch must pass, and what it is then."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from dwctl.core.ids import new_uuid
from dwctl.db.postgres import Database
from dwctl.engine.settings import BatchSettings
from tests.control.house import House
from tests.engine.batches.ground import BATCHES, CHAT, Ground


@pytest.fixture
def ground(house: House) -> Ground:
    return Ground(house)


async def test_it_is_there_at_once_and_waits_to_be_populated(ground: Ground) -> None:
    user = await ground.user()
    await ground.models("m", "n")
    file_id = await ground.file(user, ("m", "n", "m"))
    answer = await ground.create(user, f"file-{file_id}", metadata={"batch_description": "mine"})
    assert answer.status_code == 201
    batch = answer.json()
    now = datetime.now(UTC).timestamp()
    assert abs(batch.pop("created_at") - now) < 30
    assert abs(batch.pop("expires_at") - now - 86_400) < 30
    ids = [UUID(batch.pop(name)) for name in ("id", "output_file_id", "error_file_id")]
    assert batch == {
        "object": "batch",
        "endpoint": CHAT,
        "errors": None,
        "input_file_id": str(file_id),
        "completion_window": "24h",
        "status": "validating",
        "in_progress_at": None,
        "finalizing_at": None,
        "completed_at": None,
        "failed_at": None,
        "expired_at": None,
        "cancelling_at": None,
        "cancelled_at": None,
        "request_counts": {"total": 3, "completed": 0, "failed": 0},
        "metadata": {
            "batch_description": "mine", "request_source": "frontend", "created_by_email": user.email
        },
        "usage": {
            "input_tokens": 0,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 0,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 0,
        },
        "dwext": {
            "source": "frontend", "source_id": None, "source_name": None, "source_file": None, "sync_id": None
        },
    }  # fmt: skip
    files = await ground.database.fetch("select * from files where batch_id = $1 order by purpose", ids[0])
    assert [(row["id"], row["name"], row["purpose"], row["expires_at"]) for row in files] == [
        (ids[2], f"batch-{ids[0]}-error.jsonl", "batch_error", None),
        (ids[1], f"batch-{ids[0]}-output.jsonl", "batch_output", None),
    ]
    lanes = await ground.database.fetch("select model, promised, live, closed from lanes order by model")
    assert [tuple(row.values()) for row in lanes] == [("m", 2, 0, True), ("n", 1, 0, True)]
    await ground.populate(ids[0], 2)
    lanes = await ground.database.fetch("select model, promised, live, closed from lanes order by model")
    assert [tuple(row.values()) for row in lanes] == [("m", 0, 2, False), ("n", 0, 1, False)]


async def test_it_runs_as_a_hidden_key_and_names_the_one_that_made_it(ground: Ground) -> None:
    user = await ground.user()
    await ground.models("m")
    key_id, headers = await ground.house.key(user)
    first = await ground.create(headers, await ground.file(user))
    assert first.json()["metadata"]["request_source"] == "api"
    await ground.made(user)
    rows = await ground.database.fetch("select key_id, run_key_id from batches order by created_at, id")
    assert [row["key_id"] for row in rows] == [key_id, None]
    (run_key,) = {row["run_key_id"] for row in rows}
    key = await ground.database.fetch_row("select * from api_keys where id = $1", run_key)
    assert key is not None
    assert (key["user_id"], key["created_by"], key["purpose"], key["hidden"]) == (
        user.id,
        user.id,
        "batch",
        True,
    )
    assert str(run_key) in await ground.house.routed()


ENDPOINTS = "/v1/chat/completions, /v1/completions, /v1/embeddings, /v1/responses"


@pytest.mark.parametrize(
    ("fields", "param", "code", "text"),
    [
        ({"completion_window": "1h"}, "completion_window", "invalid_value",
         "Unsupported completion_window '1h'. Supported values are: 24h"),
        ({"endpoint": "/v1/moderations"}, "endpoint", "invalid_value",
         f"Unsupported endpoint '/v1/moderations'. Supported values are: {ENDPOINTS}"),
        ({"input_file_id": "file-x"}, "input_file_id", "invalid_value",
         "input_file_id: expected the id of a file, got 'file-x'"),
        ({"metadata": {"tags": ["a"]}}, "metadata.tags", "invalid_type",
         "Invalid type for 'metadata.tags': expected a string, got list"),
        ({"metadata": {"a": "x" * 70_000}}, "metadata", None, "metadata: expected at most 65536 bytes, got 70001"),
        ({"output_expires_after": {"anchor": "created_at", "seconds": 3599}}, "output_expires_after.seconds",
         "invalid_value", "output_expires_after.seconds: expected 3600 to 2592000, got 3599"),
        ({"output_expires_after": {"anchor": "created_at", "seconds": 2_592_001}}, "output_expires_after.seconds",
         "invalid_value", "output_expires_after.seconds: expected 3600 to 2592000, got 2592001"),
        ({"output_expires_after": {"anchor": "now", "seconds": 3600}}, None, None,
         "output_expires_after.anchor: expected one of created_at, got 'now'"),
        ({"endpoint": 1}, None, None, "endpoint: expected str, got int"),
    ],
)  # fmt: skip
async def test_what_is_refused_as_it_stands(
    ground: Ground, fields: dict[str, Any], param: str | None, code: str | None, text: str
) -> None:
    user = await ground.user()
    await ground.models("m")
    answer = await ground.create(user, fields.pop("input_file_id", await ground.file(user)), **fields)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["message"], error["param"], error["code"]) == (text, param, code)
    assert await ground.database.fetch_value("select count(*) from batches") == 0


async def test_the_first_thing_that_is_wrong_is_told(ground: Ground) -> None:
    """Each check is passed in turn, in the order of the contract."""
    user, other = await ground.user(), await ground.user()
    foreign = await ground.file(other)
    own = await ground.file(user, ("gone", "m"))
    await ground.models("m", windows=["1h"])
    fields: dict[str, Any] = {"completion_window": "1w", "endpoint": "/x"}
    await ground.house.grant(user, "1")
    await ground.database.execute("update accounts set balance = -1 where id = $1", user.id)
    seen = []
    file: object = "no"
    for change in (
        "completion_window",
        "endpoint",
        "file",
        "balance",
        "exists",
        "foreign",
        "model",
        "known",
        "",
    ):
        answer = await ground.create(user, file, **fields)
        seen.append((answer.status_code, answer.json().get("error", {}).get("param")))
        match change:
            case "completion_window":
                fields["completion_window"] = "24h"
            case "endpoint":
                fields["endpoint"] = CHAT
            case "file":
                file = new_uuid()
            case "balance":
                await ground.database.execute("update accounts set balance = 0 where id = $1", user.id)
            case "exists":
                file = foreign
            case "foreign":
                file = own
            case "model":
                await ground.database.execute("update models set allowed_batch_completion_windows = null")
            case "known":
                await ground.models("gone")
    assert seen == [
        (400, "completion_window"), (400, "endpoint"), (400, "input_file_id"), (402, None), (404, "input_file_id"),
        (403, "input_file_id"), (400, "completion_window"), (400, "input_file_id"), (201, None),
    ]  # fmt: skip


async def test_no_credit_is_final(ground: Ground) -> None:
    user = await ground.user()
    await ground.models("m")
    file_id = await ground.file(user)
    await ground.house.grant(user, "1")
    await ground.database.execute("update accounts set balance = -0.000000000000001 where id = $1", user.id)
    answer = await ground.create(user, file_id)
    assert (answer.status_code, answer.headers["x-should-retry"]) == (402, "false")
    assert answer.json()["error"]["code"] == "insufficient_credits"
    manager = await ground.house.manager()
    answer = await ground.create(manager, file_id)
    assert answer.status_code == 402
    assert str(user.id) in answer.json()["error"]["message"]


async def test_a_model_that_turns_batches_away_is_told_at_once(ground: Ground) -> None:
    user, manager = await ground.user(), await ground.house.manager()
    await ground.models("m", "n")
    path = f"/models/{await ground.house.model('n')}"
    rules = [{"api_key_purpose": "batch", "action": {"type": "deny"}}]
    changed = await ground.house.api("PATCH", path, manager, {"traffic_routing_rules": rules})
    assert changed.status_code == 200, changed.text
    file_id = await ground.file(user, ["m", "n"])
    for who in (user, manager):
        answer = await ground.create(who, file_id)
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["param"]) == (403, "forbidden", "input_file_id")
        assert error["message"] == "The model 'n' takes no calls with keys of the purpose 'batch'."
    assert (await ground.create(user, await ground.file(user, ["m"]))).status_code == 201
    # Led to another model it is answered there.
    rules = [{"api_key_purpose": "batch", "action": {"type": "redirect", "target": "m"}}]
    changed = await ground.house.api("PATCH", path, manager, {"traffic_routing_rules": rules})
    assert changed.status_code == 200, changed.text
    assert (await ground.create(user, file_id)).status_code == 201


async def test_a_manager_may_ask_for_more(ground: Ground) -> None:
    user, manager = await ground.user(), await ground.house.manager()
    await ground.models("m", windows=[])
    file_id = await ground.file(user)
    refused = await ground.create(user, file_id)
    assert refused.status_code == 400
    assert "It has no batch support." in refused.json()["error"]["message"]
    for window, seconds in (("90m", 5400), ("7d", 604_800), ("30s", 30)):
        answer = await ground.create(manager, file_id, completion_window=window)
        assert answer.status_code == 201
        batch = answer.json()
        assert batch["expires_at"] - batch["created_at"] in (seconds, seconds + 1)
    for window in ("", "24", "0h", "1w", "-1h", "1.5h", "999999999999d", "\u0661h"):
        answer = await ground.create(manager, file_id, completion_window=window)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "completion_window"), window


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ("update files set status = 'deleted'", 404),
        ("update files set status = 'uploading'", 404),
        ("update files set expires_at = now()", 404),
        ("update files set purpose = 'user_data'", 400),
        ("update files set lines = 0, models = '{}'", 400),
    ],
)
async def test_a_file_must_be_usable(ground: Ground, change: str, status: int) -> None:
    user = await ground.user()
    await ground.models("m")
    file_id = await ground.file(user)
    await ground.database.execute(change)
    assert (await ground.create(user, file_id)).status_code == status


async def test_keys_of_our_own_are_left_out_of_metadata(ground: Ground) -> None:
    user = await ground.user()
    await ground.models("m")
    given = {
        "a": "1",
        "created_by": "x",
        "request_source": "x",
        "dw_source_id": "x",
        "created_by_email": "x@y",
    }
    batch = (await ground.create(user, await ground.file(user), metadata=given)).json()
    assert batch["metadata"] == {"a": "1", "request_source": "frontend", "created_by_email": user.email}


async def test_output_expires(ground: Ground) -> None:
    user = await ground.user()
    await ground.models("m")
    expiry = {"anchor": "created_at", "seconds": 7200}
    batch = (await ground.create(user, await ground.file(user), output_expires_after=expiry)).json()
    rows = await ground.database.fetch(
        "select expires_at - created_at as life from files where batch_id is not null"
    )
    assert [row["life"] for row in rows] == [timedelta(hours=2)] * 2
    assert batch["status"] == "validating"


async def test_windows_of_the_configuration(database: Database) -> None:
    ground = Ground(House(database, batches=BatchSettings(allowed_completion_windows=("24h", "1h"))))
    user = await ground.user()
    await ground.models("m")
    file_id = await ground.file(user)
    assert (await ground.create(user, file_id, completion_window="1h")).status_code == 201
    assert (await ground.create(user, file_id, completion_window="60m")).status_code == 400


async def test_nobody_without_the_role(ground: Ground) -> None:
    person = await ground.house.person()
    answer = await ground.create(person, await ground.file(person))
    assert (answer.status_code, answer.json()["error"]["message"]) == (
        403, "Insufficient permissions to Create Batches"
    )  # fmt: skip
    assert (await ground.house.call("POST", BATCHES, None, {})).status_code == 401
