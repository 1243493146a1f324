"""Responses by their id: cancelled, deleted, not stored."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from tests.contract.test_queued import ended
from tests.fakes.answers import Answer, Hang, json_reply
from tests.fakes.model import MODEL, ModelServer
from tests.fakes.upstream import UpstreamThread
from tests.waiting import until

pytestmark = pytest.mark.xdist_group("contract")

TEXT = "Hello from the fake model."
HEADER = "x-onwards-response-id"
MESSAGES: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Say hello to me"}]
SILENT = Answer((Hang(),))
UNKNOWN = ["resp_6fdc21ba-726d-4ce9-a981-f8433ba0a40c", "resp_nonsense", "nonsense"]
ROUTES: dict[str, Callable[[openai.OpenAI, str], object]] = {
    "get": lambda client, name: client.responses.retrieve(name),
    "cancel": lambda client, name: client.responses.cancel(name),
    "delete": lambda client, name: client.delete(f"/responses/{name}", cast_to=object),
    "items": lambda client, name: client.responses.input_items.list(name),
}


def logged(admin: httpx.Client, name: str) -> dict[str, Any]:
    """The call in the log, whatever it is as a response."""
    found = admin.get(f"/admin/api/v1/requests/{name.removeprefix('resp_')}")
    assert found.status_code == 200, found.text
    row: dict[str, Any] = found.json()
    return row


def is_gone(client: openai.OpenAI, name: str) -> None:
    for ask in ROUTES.values():
        with pytest.raises(openai.NotFoundError) as caught:
            ask(client, name)
        error = caught.value.response.json()["error"]
        assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", None, None)
        assert name in error["message"]


def background(client: openai.OpenAI, **more: Any) -> str:
    body: dict[str, Any] = {"model": MODEL, "input": "Say hello to me", "background": True}
    return str(client.responses.create(**body | more).id)


# Whose they are


@pytest.mark.parametrize("name", UNKNOWN)
def test_an_id_that_nothing_has(client: openai.OpenAI, name: str) -> None:
    is_gone(client, name)


def test_another_account_finds_nothing_and_changes_nothing(
    client: openai.OpenAI, stranger: openai.OpenAI
) -> None:
    name = client.responses.create(model=MODEL, input="x").id
    is_gone(stranger, name)
    assert client.responses.retrieve(name).output_text == TEXT


def test_a_wrong_key_is_told_so(client: openai.OpenAI) -> None:
    name = client.responses.create(model=MODEL, input="x").id
    for ask in ROUTES.values():
        with pytest.raises(openai.AuthenticationError):
            ask(client.with_options(api_key="sk-wrong"), name)


# Cancelled


def test_a_call_under_way_is_cancelled_within_a_second(
    client: openai.OpenAI, upstream: UpstreamThread
) -> None:
    upstream.push(SILENT)
    name = background(client)
    upstream.wait_until(lambda: len(upstream.posts) == 1, "it is run")
    began = time.monotonic()
    cancelled = client.responses.cancel(name)
    assert time.monotonic() - began < 1
    assert (cancelled.id, cancelled.status, cancelled.output) == (name, "cancelled", [])
    assert client.responses.retrieve(name).status == "cancelled"
    # Once more, which changes nothing.
    assert client.responses.cancel(name).status == "cancelled"
    assert len(upstream.posts) == 1


def test_a_call_that_waits_for_another_try_is_cancelled(
    client: openai.OpenAI, upstream: UpstreamThread
) -> None:
    away = json_reply({"error": {"message": "busy"}}, status=503, headers=[("retry-after", "60")])
    upstream.push(away)
    name = background(client, service_tier="flex")
    until(lambda: client.responses.retrieve(name).status == "queued" and bool(upstream.posts), "it failed")
    assert client.responses.cancel(name).status == "cancelled"
    assert client.responses.retrieve(name).status == "cancelled"


def test_a_call_that_has_ended_stays_as_it_is(client: openai.OpenAI) -> None:
    name = background(client)
    done = ended(client, name)
    cancelled = client.responses.cancel(name)
    assert (cancelled.status, cancelled.output_text) == ("completed", TEXT)
    assert cancelled.completed_at == done.completed_at


@pytest.mark.parametrize("ask", ["response", "chat"])
def test_a_synchronous_call_cannot_be_cancelled(client: openai.OpenAI, ask: str) -> None:
    if ask == "chat":
        name = client.chat.completions.create(model=MODEL, messages=MESSAGES).id
    else:
        name = client.responses.create(model=MODEL, input="x").id
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.cancel(name)
    error = caught.value.response.json()["error"]
    assert error == {
        "message": "Cannot cancel a synchronous response.",
        "type": "invalid_request_error",
        "param": None,
        "code": None,
    }


@pytest.mark.parametrize("ask", ["response", "chat"])
def test_a_client_that_waits_is_told_of_the_cancellation(
    client: openai.OpenAI, admin: httpx.Client, upstream: UpstreamThread, ask: str
) -> None:
    upstream.push(SILENT)
    waiting: dict[str, Callable[[], object]] = {
        "response": lambda: client.responses.create(model=MODEL, input="x", service_tier="flex").status,
        "chat": lambda: client.chat.completions.create(model=MODEL, messages=MESSAGES, service_tier="flex"),
    }
    with ThreadPoolExecutor() as threads:
        call = threads.submit(waiting[ask])
        upstream.wait_until(lambda: len(upstream.posts) == 1, "it is run")
        (entry,) = admin.get("/admin/api/v1/requests", params={"limit": 1}).json()["entries"]
        assert client.responses.cancel(entry["id"]).status == "cancelled"
        if ask == "response":
            assert call.result() == "cancelled"
        else:
            with pytest.raises(openai.BadRequestError) as caught:
                call.result()
            assert caught.value.code == "cancelled"


# Deleted


def test_a_deleted_response_is_gone_and_its_row_stays(client: openai.OpenAI, admin: httpx.Client) -> None:
    name = client.responses.create(model=MODEL, input="x").id
    assert client.responses.retrieve(name).output_text == TEXT
    told = client.delete(f"/responses/{name}", cast_to=object)
    assert told == {"id": name, "object": "response", "deleted": True}
    is_gone(client, name)
    row = logged(admin, name)
    assert (row["status_code"], row["total_tokens"]) == (200, 6)
    assert TEXT not in str(row)


def test_the_official_client_deletes(client: openai.OpenAI) -> None:
    name = background(client)
    ended(client, name)
    client.responses.delete(name)
    is_gone(client, name)


def test_a_call_under_way_is_ended_and_deleted(
    client: openai.OpenAI, admin: httpx.Client, upstream: UpstreamThread
) -> None:
    upstream.push(SILENT)
    name = background(client)
    upstream.wait_until(lambda: len(upstream.posts) == 1, "it is run")
    client.responses.delete(name)
    is_gone(client, name)
    until(lambda: logged(admin, name)["status"] == "cancelled", "it is cancelled", 5)
    is_gone(client, name)


def test_a_stream_is_deleted_while_it_comes(
    client: openai.OpenAI, admin: httpx.Client, upstream: UpstreamThread
) -> None:
    upstream.forget(ModelServer(chunk_gap=0.2))
    with client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True) as stream:
        name = next(stream).id
        client.responses.delete(name)
        rest = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
    assert rest.endswith("model.")
    is_gone(client, name)
    until(lambda: logged(admin, name)["status"] == "completed", "its end is written")
    assert "Hello" not in str(logged(admin, name))


def test_a_line_of_a_batch_is_neither_cancelled_nor_deleted(client: openai.OpenAI) -> None:
    line = {
        "custom_id": "a",
        "method": "POST",
        "url": "/v1/responses",
        "body": {"model": MODEL, "input": "x"},
    }
    file = client.files.create(file=("in.jsonl", json.dumps(line).encode()), purpose="batch")
    batch = client.batches.create(input_file_id=file.id, endpoint="/v1/responses", completion_window="24h")
    until(lambda: client.batches.retrieve(batch.id).status == "completed", "the batch is done")
    output = client.files.content(client.batches.retrieve(batch.id).output_file_id or "").text
    name = json.loads(output)["response"]["body"]["id"]
    for ask in ("cancel", "delete"):
        with pytest.raises(openai.BadRequestError, match="batch"):
            ROUTES[ask](client, name)
    assert client.responses.retrieve(name).output_text == TEXT


# Not stored


@pytest.mark.parametrize("how", [{}, {"stream": True}, {"service_tier": "flex"}])
def test_a_call_that_is_not_stored_is_answered_and_logged(
    client: openai.OpenAI, admin: httpx.Client, how: dict[str, Any]
) -> None:
    raw = client.responses.with_raw_response.create(model=MODEL, input="A secret of mine", store=False, **how)
    name = raw.headers[HEADER]
    if how.get("stream"):
        with raw.parse() as stream:
            assert "response.completed" in [event.type for event in stream]
    else:
        assert raw.parse().output_text == TEXT
    is_gone(client, name)
    until(lambda: logged(admin, name)["status"] == "completed", "its end is written")
    row = logged(admin, name)
    assert (row["request_body"], row["response_body"], row["status_code"]) == (None, None, 200)
    assert row["total_tokens"]
    assert "secret" not in str(row)


def test_the_field_goes_to_the_model_server(client: openai.OpenAI, upstream: UpstreamThread) -> None:
    client.responses.create(model=MODEL, input="x", store=False)
    assert upstream.posts[0].json()["store"] is False


def test_the_field_of_a_chat_is_another_one(client: openai.OpenAI, upstream: UpstreamThread) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=MESSAGES, store=False)
    assert upstream.posts[0].json()["store"] is False
    assert client.responses.retrieve(answer.id).output_text == TEXT
