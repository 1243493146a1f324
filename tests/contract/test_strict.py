"""Strict mode as a user turns it on: the official client before, a provider with habits of its own behind."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from tests.fakes import shapes
from tests.fakes.answers import json_reply
from tests.fakes.model import MODEL
from tests.fakes.upstream import UpstreamThread
from tests.server_process import Product

pytestmark = pytest.mark.xdist_group("contract")

SECRET = "node gpu-7"


@pytest.fixture(scope="module")
def product(open_directory: Path, shared_upstream: UpstreamThread) -> Iterator[Product]:
    """`DWCTL_ONWARDS__STRICT_MODE=true dwctl serve --upstream URL`."""
    shared_upstream.forget()
    home = Path(tempfile.mkdtemp(dir=open_directory))
    home.chmod(0o755)
    running = Product(home, upstream=shared_upstream.url, environment={"DWCTL_ONWARDS__STRICT_MODE": "true"})
    running.start()
    yield running
    running.close()
    shutil.rmtree(home, ignore_errors=True)


def post(product: Product, path: str, body: Any) -> httpx.Response:
    """A call without the client's own checks."""
    headers = {"authorization": f"Bearer {product.key}"}
    return httpx.post(product.base_url + path, json=body, headers=headers, timeout=20, trust_env=False)


def test_every_typed_route_serves_the_official_client(client: openai.OpenAI) -> None:
    messages: Any = [{"role": "user", "content": "Say hello to me"}]
    chat = client.chat.completions.create(model=MODEL, messages=messages)
    assert chat.choices[0].message.content == "Hello from the fake model."
    with client.chat.completions.create(model=MODEL, messages=messages, stream=True) as stream:
        pieces = [chunk.choices[0].delta.content or "" for chunk in stream]
    assert "".join(pieces) == "Hello from the fake model."
    assert client.completions.create(model=MODEL, prompt="hi").choices[0].text
    assert client.embeddings.create(model=MODEL, input="hi").data[0].embedding
    assert client.responses.create(model=MODEL, input="hi").output_text == "Hello from the fake model."
    with client.responses.stream(model=MODEL, input="hi") as events:
        assert [event.type for event in events][-1] == "response.completed"
    assert [known.id for known in client.models.list()] == [MODEL]


@pytest.mark.usefixtures("native_responses")
def test_calls_go_on_from_earlier_ones(client: openai.OpenAI, upstream: UpstreamThread) -> None:
    conversation = client.conversations.create()
    first = client.responses.create(model=MODEL, input="one", conversation=conversation.id)
    with client.responses.create(
        model=MODEL, input="two", previous_response_id=first.id, stream=True
    ) as stream:
        shown = [event.response for event in stream if hasattr(event, "response")]
    assert first.conversation is not None
    assert first.conversation.id == conversation.id
    assert {response.previous_response_id for response in shown} == {first.id}
    assert len(upstream.posts[1].json()["input"]) == 3


@pytest.mark.parametrize("path", ["/rerank", "/audio/speech", "/nothing/at/all"])
def test_other_routes_are_unknown(product: Product, upstream: UpstreamThread, path: str) -> None:
    answer = post(product, path, {"model": MODEL})
    assert answer.status_code == 404
    assert answer.json()["error"]["message"] == f"Unknown endpoint: POST /ai/v1{path}"
    assert upstream.posts == []


def test_a_body_that_does_not_fit_names_its_field(client: openai.OpenAI, product: Product) -> None:
    answer = post(product, "/chat/completions", {"model": MODEL, "messages": [{"role": 5}]})
    assert answer.status_code == 422
    assert answer.json()["error"] == {
        "message": "Invalid 'messages[0].role': expected string, got integer.",
        "type": "invalid_request_error",
        "param": "messages[0].role",
        "code": None,
    }
    with pytest.raises(openai.UnprocessableEntityError):
        client.post("/completions", cast_to=object, body={"prompt": "no model"})


@pytest.mark.usefixtures("native_responses")
def test_what_was_hidden_stays_hidden_when_the_call_is_read_back(
    client: openai.OpenAI, upstream: UpstreamThread
) -> None:
    """A failed answer, a failed response, and a good one with more in it than the schema knows."""
    error = {"error": {"message": SECRET, "type": "x", "param": None, "code": "y"}}
    failed = shapes.response(MODEL, "", status="failed") | {
        "error": {"code": "server_error", "message": SECRET}
    }
    good = shapes.response(MODEL, "Hello") | {"acme": SECRET}
    upstream.push(json_reply(error, status=401), json_reply(failed), json_reply(good))
    with pytest.raises(openai.InternalServerError) as caught:
        client.responses.create(model=MODEL, input="hi")
    names = [caught.value.response.headers["x-onwards-response-id"]]
    names += [client.responses.create(model=MODEL, input="hi").id for _ in range(2)]
    for name, status in zip(names, ("failed", "failed", "completed"), strict=True):
        stored = client.responses.with_raw_response.retrieve(name)
        assert SECRET not in stored.text
        told = stored.parse()
        # Not in the whole text: an id may have these digits.
        assert "401" not in f"{told.error} {told.incomplete_details} {told.metadata} {told.output_text}"
        assert told.status == status
