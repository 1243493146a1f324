"""Batches through the official client, over the whole product."""

import asyncio
import uuid
from typing import Literal

import asyncpg
import httpx
import openai
import pytest

from dwctl.db.embedded import EmbeddedPostgres
from dwctl.db.postgres import set_codecs
from tests.fakes.model import MODEL
from tests.server_process import Product

pytestmark = pytest.mark.xdist_group("contract")

CHAT: Literal["/v1/chat/completions"] = "/v1/chat/completions"


async def _file(product: Product, lines: int) -> uuid.UUID:
    """A file of the first key's owner."""
    file_id = uuid.uuid4()
    connection = await asyncpg.connect(EmbeddedPostgres(product.data_dir).dsn)
    try:
        await set_codecs(connection)
        await connection.execute(
            """insert into files (id, name, purpose, lines, models, owner_id, creator_id)
            select $1, 'in.jsonl', 'batch', $2, $3, user_id, user_id
            from api_keys where purpose = 'realtime' limit 1""",
            file_id,
            lines,
            {MODEL: {"lines": lines, "bytes": 100 * lines, "urls": {CHAT: lines}}},
        )
    finally:
        await connection.close()
    return file_id


@pytest.fixture
def file_id(product: Product) -> str:
    """A file of ten requests whose lines are not there yet, so that nothing runs while it is looked at."""
    return f"file-{asyncio.run(_file(product, 10))}"


def test_create_retrieve_list_cancel(client: openai.OpenAI, file_id: str) -> None:
    made = client.batches.create(
        input_file_id=file_id,
        endpoint="/v1/chat/completions",
        completion_window="24h",
        metadata={"run": "one"},
        output_expires_after={"anchor": "created_at", "seconds": 3600},
    )
    assert (made.object, made.status, made.input_file_id) == (
        "batch",
        "validating",
        file_id.removeprefix("file-"),
    )
    assert made.metadata is not None
    assert made.metadata["run"] == "one"
    assert made.request_counts is not None
    assert (made.request_counts.total, made.request_counts.completed, made.request_counts.failed) == (
        10,
        0,
        0,
    )
    assert made.usage is not None
    assert made.usage.input_tokens_details.cached_tokens == 0
    assert made.output_file_id
    assert client.batches.retrieve(made.id).id == made.id
    assert client.batches.retrieve(f"batch_{made.id}").id == made.id
    found = [batch.id for batch in client.batches.list(limit=1)]
    assert made.id in found
    assert len(found) == len(set(found))
    cancelled = client.batches.cancel(made.id)
    assert cancelled.status in ("cancelling", "cancelled")
    assert cancelled.cancelling_at is not None
    assert client.batches.cancel(made.id).status in ("cancelling", "cancelled")


def test_errors_are_those_of_the_client(client: openai.OpenAI, file_id: str) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        client.batches.retrieve(str(uuid.uuid4()))
    assert missing.value.type == "invalid_request_error"
    with pytest.raises(openai.BadRequestError) as wrong:
        client.batches.create(
            input_file_id=file_id,
            endpoint="/v1/moderations",
            completion_window="24h",
        )
    assert (wrong.value.param, wrong.value.code) == ("endpoint", "invalid_value")
    with pytest.raises(openai.NotFoundError) as unknown:
        client.batches.create(input_file_id=str(uuid.uuid4()), endpoint=CHAT, completion_window="24h")
    assert unknown.value.param == "input_file_id"


def test_the_same_call_twice_makes_one(client: openai.OpenAI, file_id: str) -> None:
    key = {"Idempotency-Key": str(uuid.uuid4())}
    made = [
        client.batches.create(
            input_file_id=file_id, endpoint=CHAT, completion_window="24h", extra_headers=key
        ).id
        for _ in range(2)
    ]
    assert made[0] == made[1]
    with pytest.raises(openai.UnprocessableEntityError):
        client.batches.create(
            input_file_id=file_id,
            endpoint=CHAT,
            completion_window="24h",
            metadata={"a": "b"},
            extra_headers=key,
        )


def test_a_session_sees_what_its_keys_made(client: openai.OpenAI, admin: httpx.Client, file_id: str) -> None:
    made = client.batches.create(input_file_id=file_id, endpoint=CHAT, completion_window="24h")
    answer = admin.get(f"/ai/v1/batches/{made.id}")
    assert (answer.status_code, answer.json()["dwext"]["source"]) == (200, "api")
    assert admin.post(f"/ai/v1/batches/{made.id}/cancel").json()["status"] in ("cancelling", "cancelled")
