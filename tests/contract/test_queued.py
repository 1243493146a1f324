"""Calls that are queued: in the background, and flex (spec/responses §2.7 to §2.9, §2.11)."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from tests.fakes.answers import json_reply, reply, server_error
from tests.fakes.model import MODEL
from tests.fakes.upstream import UpstreamThread
from tests.server_process import Product
from tests.waiting import until

pytestmark = pytest.mark.xdist_group("contract")

MESSAGES: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Say hello to me"}]
TEXT = "Hello from the fake model."
REFUSED = {
    "error": {"message": "no such parameter", "type": "invalid_request_error", "param": "x", "code": "bad"}
}


def ended(client: openai.OpenAI, name: str) -> Any:
    """The response once it has ended."""
    found: list[Any] = []

    def done() -> bool:
        found[:] = [client.responses.retrieve(name)]
        return found[0].status not in ("queued", "in_progress")

    until(done, f"{name} ends")
    return found[0]


def test_background_is_accepted_and_polled(client: openai.OpenAI, upstream: UpstreamThread) -> None:
    raw = client.responses.with_raw_response.create(model=MODEL, input="Say hello to me", background=True)
    assert raw.http_response.status_code == 202
    accepted = raw.parse()
    assert (accepted.status, accepted.background, accepted.output) == ("in_progress", True, [])
    assert raw.headers["x-onwards-response-id"] == accepted.id
    prefix, _, number = accepted.id.partition("_")
    assert (prefix, uuid.UUID(number).version) == ("resp", 7)
    done = ended(client, accepted.id)
    assert (done.id, done.status, done.background, done.output_text) == (accepted.id, "completed", True, TEXT)
    sent = upstream.posts[0].json()
    assert "background" not in sent
    assert sent["messages"] == [{"role": "user", "content": "Say hello to me"}]


def test_flex_in_the_background_is_queued(client: openai.OpenAI, upstream: UpstreamThread) -> None:
    raw = client.responses.with_raw_response.create(
        model=MODEL, input="Say hello to me", background=True, service_tier="flex"
    )
    accepted = raw.parse()
    assert (raw.http_response.status_code, accepted.status, accepted.service_tier) == (202, "queued", "flex")
    done = ended(client, accepted.id)
    assert (done.status, done.service_tier) == ("completed", "flex")
    assert "service_tier" not in upstream.posts[0].json()


def test_flex_waits_for_its_answer(client: openai.OpenAI) -> None:
    answer = client.responses.create(model=MODEL, input="Say hello to me", service_tier="flex")
    assert (answer.status, answer.output_text, answer.background) == ("completed", TEXT, False)
    assert client.responses.retrieve(answer.id).output_text == TEXT


def test_flex_of_a_chat_gives_the_chat(client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model=MODEL, messages=MESSAGES, service_tier="flex"
    )
    answer = raw.parse()
    assert answer.choices[0].message.content == TEXT
    assert raw.headers["x-onwards-response-id"] == answer.id
    assert client.responses.retrieve(answer.id).output_text == TEXT


@pytest.mark.parametrize("ask", ["chat", "responses"])
def test_a_refusal_of_the_model_server_keeps_its_status(
    client: openai.OpenAI, upstream: UpstreamThread, ask: str
) -> None:
    upstream.push(json_reply(REFUSED, status=400))
    calls: dict[str, Callable[[], object]] = {
        "chat": lambda: client.chat.completions.create(model=MODEL, messages=MESSAGES, service_tier="flex"),
        "responses": lambda: client.responses.create(model=MODEL, input="x", service_tier="flex"),
    }
    with pytest.raises(openai.BadRequestError) as caught:
        calls[ask]()
    assert len(upstream.posts) == 1
    stored = client.responses.retrieve(caught.value.response.headers["x-onwards-response-id"])
    assert stored.status == "failed"


def test_a_failure_that_may_pass_is_tried_again(client: openai.OpenAI, upstream: UpstreamThread) -> None:
    upstream.push(server_error(), server_error())
    answer = client.responses.create(model=MODEL, input="x", service_tier="flex")
    assert answer.status == "completed"
    assert len(upstream.posts) == 3


def test_nothing_is_queued_for_a_wrong_key_or_model(client: openai.OpenAI, upstream: UpstreamThread) -> None:
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="sk-wrong").responses.create(model=MODEL, input="x", background=True)
    with pytest.raises(openai.NotFoundError):
        client.responses.create(model="no-such-model", input="x", background=True)
    assert upstream.posts == []


UNREADABLE = reply(
    b'{"choices":[{"message":{"content":"a\xffb"}}]}', headers=[("content-type", "application/json")]
)


@pytest.mark.parametrize("how", [{"service_tier": "flex"}, {"background": True}])
def test_an_answer_that_is_not_utf8_harms_nobody_else(
    client: openai.OpenAI, upstream: UpstreamThread, how: dict[str, Any]
) -> None:
    upstream.push(UNREADABLE)
    raw = client.responses.with_raw_response.create(model=MODEL, input="x", **how)
    name = raw.headers["x-onwards-response-id"]
    stored = ended(client, name)
    assert (stored.status, stored.output_text) == ("completed", "a\N{REPLACEMENT CHARACTER}b")
    assert client.responses.create(model=MODEL, input="x", service_tier="flex").output_text == TEXT


@pytest.mark.usefixtures("native_responses")
def test_a_question_that_is_not_utf8_harms_nobody_else(
    product: Product, client: openai.OpenAI, upstream: UpstreamThread
) -> None:
    upstream.push(json_reply(REFUSED, status=400))
    for name in (b"input", b"in\xffput"):
        answer = httpx.post(
            f"{product.base_url}/responses",
            content=b'{"model":"%b","%b":"\xff","background":true}' % (MODEL.encode(), name),
            headers={"Authorization": f"Bearer {product.key}", "Content-Type": "application/json"},
            trust_env=False,
        )
        assert answer.status_code == (202 if name == b"input" else 400), answer.text
    upstream.wait_until(lambda: len(upstream.posts) == 1, "the first one is run")
    assert client.responses.create(model=MODEL, input="x", service_tier="flex").output_text == TEXT


def test_the_header_that_names_a_model_goes_before_the_body(
    client: openai.OpenAI, upstream: UpstreamThread
) -> None:
    answer = client.responses.create(
        model="no-such-model", input="x", service_tier="flex", extra_headers={"model-override": MODEL}
    )
    assert (answer.status, answer.model, answer.output_text) == ("completed", MODEL, TEXT)
    assert upstream.posts[0].json()["model"] == MODEL


@pytest.mark.parametrize("tier", [None, "auto", "default", "priority"])
@pytest.mark.parametrize("path", ["/chat/completions", "/responses"])
def test_a_tier_that_is_not_flex_is_run_at_once(
    client: openai.OpenAI, upstream: UpstreamThread, path: str, tier: str | None
) -> None:
    said: dict[str, Any] = {"messages": MESSAGES} if path == "/chat/completions" else {"input": "x"}
    if tier is not None:
        said["service_tier"] = tier
    answer = client.post(path, body={"model": MODEL, **said}, cast_to=dict[str, Any])
    stored = client.responses.retrieve(answer["id"])
    assert (stored.id, stored.status, stored.background) == (answer["id"], "completed", False)
    assert stored.output_text == TEXT
    assert len(upstream.posts) == 1


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/chat/completions", {"messages": MESSAGES, "background": True}),
        ("/embeddings", {"input": "x", "background": True, "service_tier": "flex"}),
        ("/completions", {"prompt": "x", "background": True, "service_tier": "flex"}),
    ],
)
def test_other_routes_queue_nothing(
    product: Product, upstream: UpstreamThread, path: str, fields: dict[str, Any]
) -> None:
    headers = {"authorization": f"Bearer {product.key}"}
    with httpx.Client(base_url=product.base_url, headers=headers, timeout=20, trust_env=False) as http:
        answer = http.post(path, json={"model": MODEL, **fields})
        assert answer.status_code == 200
        stored = http.get(f"/responses/{answer.headers['x-onwards-response-id']}").json()
    assert (stored["status"], stored["background"]) == ("completed", False)
    # They are the model server's to judge.
    assert upstream.posts[0].json() | fields == upstream.posts[0].json()


def test_another_accounts_response_is_not_there(
    client: openai.OpenAI, admin: httpx.Client, product: Product
) -> None:
    accepted = client.responses.create(model=MODEL, input="x", background=True)
    made = admin.post(
        "/admin/api/v1/users",
        json={"username": f"u{uuid.uuid4().hex}", "email": f"{uuid.uuid4().hex}@example.org", "roles": []},
    )
    assert made.status_code == 201, made.text
    key = admin.post(f"/admin/api/v1/users/{made.json()['id']}/api-keys", json={"name": "k"})
    assert key.status_code == 201, key.text
    with pytest.raises(openai.NotFoundError):
        client.with_options(api_key=key.json()["key"]).responses.retrieve(accepted.id)


def test_a_client_that_leaves_is_answered_later(
    product: Product, client: openai.OpenAI, upstream: UpstreamThread
) -> None:
    upstream.push(*(server_error() for _ in range(3)))
    body = {"model": MODEL, "input": "x", "service_tier": "flex"}
    headers = {"Authorization": f"Bearer {product.key}"}
    with httpx.Client(trust_env=False, timeout=0.2) as impatient, pytest.raises(httpx.TimeoutException):
        impatient.post(f"{product.base_url}/responses", json=body, headers=headers)
    upstream.wait_until(lambda: len(upstream.posts) >= 4, "the call runs on")
    # The product is as well as before.
    assert client.responses.create(model=MODEL, input="x", service_tier="flex").status == "completed"


@pytest.fixture
def without_batches(admin: httpx.Client) -> Iterator[None]:
    """Keys of the purpose batch are turned away by the model."""
    (model,) = (
        found for found in admin.get("/admin/api/v1/models").json()["data"] if found["alias"] == MODEL
    )
    path = f"/admin/api/v1/models/{model['id']}"
    for rules in ([{"api_key_purpose": "batch", "action": {"type": "deny"}}], []):
        changed = admin.patch(path, json={"traffic_routing_rules": rules})
        assert changed.status_code == 200, changed.text
        if rules:
            yield


@pytest.mark.usefixtures("without_batches")
def test_what_would_be_turned_away_when_it_is_run_is_refused_at_once(
    client: openai.OpenAI, upstream: UpstreamThread
) -> None:
    for background in (False, True):
        with pytest.raises(openai.PermissionDeniedError) as refused:
            client.responses.create(model=MODEL, input="x", service_tier="flex", background=background)
        assert (refused.value.code, refused.value.param) == ("forbidden", "model")
        assert "keys of the purpose 'batch'" in refused.value.message
    with pytest.raises(openai.PermissionDeniedError):
        client.chat.completions.create(model=MODEL, messages=MESSAGES, service_tier="flex")
    assert upstream.posts == []
    # In the background it runs as the key that asked.
    accepted = client.responses.create(model=MODEL, input="x", background=True)
    assert ended(client, accepted.id).status == "completed"
