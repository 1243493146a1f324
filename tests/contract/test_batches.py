"""Batches through the official client, over the whole product."""

import uuid
from collections.abc import Iterator
from typing import Literal

import httpx
import msgspec
import openai
import pytest

from tests.fakes.answers import HANG
from tests.fakes.model import MODEL
from tests.fakes.upstream import UpstreamThread
from tests.waiting import until

pytestmark = pytest.mark.xdist_group("contract")

CHAT: Literal["/v1/chat/completions"] = "/v1/chat/completions"


@pytest.fixture
def file_id(client: openai.OpenAI, upstream: UpstreamThread) -> Iterator[str]:
    """A file of ten requests. The model server never answers, so no batch of it ends by itself; at the end all have."""
    upstream.forget(lambda _: HANG)
    lines = [
        {
            "custom_id": f"line-{number}",
            "method": "POST",
            "url": CHAT,
            "body": {"model": MODEL, "messages": [{"role": "user", "content": "Say hello"}]},
        }
        for number in range(10)
    ]
    content = b"\n".join(map(msgspec.json.encode, lines))
    made = client.files.create(file=("in.jsonl", content), purpose="batch")
    yield made.id
    for batch in _running(client):
        client.batches.cancel(batch)
    until(lambda: not _running(client), "all batches have ended")


def _running(client: openai.OpenAI) -> list[str]:
    return [
        batch.id
        for batch in client.batches.list()
        if batch.status in ("validating", "in_progress", "cancelling")
    ]


def test_create_retrieve_list_cancel(client: openai.OpenAI, file_id: str) -> None:
    made = client.batches.create(
        input_file_id=file_id,
        endpoint="/v1/chat/completions",
        completion_window="24h",
        metadata={"run": "one"},
        output_expires_after={"anchor": "created_at", "seconds": 3600},
    )
    assert (made.object, made.input_file_id) == ("batch", file_id.removeprefix("file-"))
    # Its lines may be there before the answer is written.
    assert made.status in ("validating", "in_progress")
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
