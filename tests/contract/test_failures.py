"""What the official client raises for each way in which a call can fail."""

import httpx
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from tests.fakes import shapes
from tests.fakes.answers import (
    CLOSED,
    GARBAGE,
    Answer,
    bad_gateway_page,
    frames,
    json_reply,
    server_error,
    stream_reply,
    too_many_requests,
)
from tests.fakes.model import MODEL
from tests.fakes.upstream import UpstreamThread
from tests.server_process import Product

pytestmark = pytest.mark.xdist_group("contract")

MESSAGES: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Say hello to me"}]


def envelope(error: openai.APIStatusError) -> dict[str, object]:
    """OpenAI's error object as it came, with all four keys."""
    body = error.response.json()
    assert list(body) == ["error"]
    inner: dict[str, object] = body["error"]
    assert set(inner) == {"message", "type", "param", "code"}
    return inner


def test_wrong_key(client: openai.OpenAI) -> None:
    with pytest.raises(openai.AuthenticationError) as caught:
        client.with_options(api_key="sk-wrong").chat.completions.create(model=MODEL, messages=MESSAGES)
    assert caught.value.code == "invalid_api_key"
    assert envelope(caught.value)["type"] == "invalid_request_error"
    assert caught.value.response.headers["www-authenticate"] == "Bearer"


def test_no_key(product: Product) -> None:
    answer = httpx.post(
        f"{product.base_url}/chat/completions", json={"model": MODEL, "messages": MESSAGES}, trust_env=False
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")


def test_unknown_model(client: openai.OpenAI, upstream: UpstreamThread) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="no-such-model", messages=MESSAGES)
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
    assert "no-such-model" in str(envelope(caught.value)["message"])
    assert upstream.posts == []


def test_key_that_is_not_for_calls(client: openai.OpenAI, admin: httpx.Client) -> None:
    made = admin.post(
        "/admin/api/v1/users/current/api-keys", json={"name": "for scripts", "purpose": "platform"}
    )
    assert made.status_code == 201, made.text
    with pytest.raises(openai.PermissionDeniedError) as caught:
        client.with_options(api_key=made.json()["key"]).chat.completions.create(
            model=MODEL, messages=MESSAGES
        )
    assert envelope(caught.value)["code"] == "forbidden"


def test_revoked_key(client: openai.OpenAI, admin: httpx.Client) -> None:
    keys = "/admin/api/v1/users/current/api-keys"
    made = admin.post(keys, json={"name": "for a while"}).json()
    with client.with_options(api_key=made["key"]) as other:
        other.chat.completions.create(model=MODEL, messages=MESSAGES)
        assert admin.delete(f"{keys}/{made['id']}").status_code == 204
        with pytest.raises(openai.AuthenticationError):
            other.chat.completions.create(model=MODEL, messages=MESSAGES)


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        (b"{", None, None),
        (b"[]", None, "invalid_type"),
        (b'{"messages": []}', "model", "missing_required_parameter"),
        (b'{"model": 5}', "model", "invalid_type"),
        (b'{"model": "a", "model": "b"}', "model", "invalid_value"),
    ],
)
def test_bad_bodies_name_the_field(
    product: Product, body: bytes, param: str | None, code: str | None
) -> None:
    answer = httpx.post(
        f"{product.base_url}/chat/completions",
        content=body,
        headers={"authorization": f"Bearer {product.key}", "content-type": "application/json"},
        trust_env=False,
    )
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", param, code)


def test_upstream_says_too_many(client: openai.OpenAI, upstream: UpstreamThread) -> None:
    upstream.push(too_many_requests(None))
    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(model=MODEL, messages=MESSAGES)
    assert caught.value.code == "rate_limit_exceeded"
    # What the upstream says of its own limits is not for the client.
    assert "x-ratelimit-remaining-requests" not in caught.value.response.headers


def test_upstream_refuses_the_request(client: openai.OpenAI, upstream: UpstreamThread) -> None:
    told = shapes.error("The prompt is too long.", param="messages", code="context_length_exceeded")
    upstream.push(json_reply(told, status=400))
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=MODEL, messages=MESSAGES)
    assert envelope(caught.value) == told["error"]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(server_error(500), id="500"),
        pytest.param(bad_gateway_page(), id="a page"),
        pytest.param(CLOSED, id="no answer"),
        pytest.param(GARBAGE, id="not HTTP"),
        pytest.param(json_reply(shapes.chat_completion(MODEL, "x" * 100)).cut(40), id="half a head"),
    ],
)
def test_upstream_fails(client: openai.OpenAI, upstream: UpstreamThread, answer: Answer) -> None:
    # A connection that ends before an answer may be tried once more on a fresh one.
    upstream.push(answer, answer)
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model=MODEL, messages=MESSAGES)
    assert caught.value.response.headers["x-onwards-response-id"].startswith("resp_")


def test_stream_with_an_error_inside(client: openai.OpenAI, upstream: UpstreamThread) -> None:
    chunks = shapes.chat_chunks(MODEL, ["Hello"])[:2]
    upstream.push(stream_reply(frames([*chunks, shapes.error("The GPU is gone.", kind="server_error")])))
    with client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True) as stream:
        assert next(stream).choices[0].delta.role == "assistant"
        with pytest.raises(openai.APIError, match=r"The GPU is gone\."):
            list(stream)


def test_stream_cut_inside_an_event(client: openai.OpenAI, upstream: UpstreamThread) -> None:
    upstream.push(stream_reply(frames(shapes.chat_chunks(MODEL, ["One", " two"]))).cut(-60))
    with (
        client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True) as stream,
        pytest.raises(openai.APIError),
    ):
        list(stream)


def test_the_client_tries_again_by_itself(client: openai.OpenAI, upstream: UpstreamThread) -> None:
    upstream.push(server_error(500))
    answer = client.with_options(max_retries=2).chat.completions.create(model=MODEL, messages=MESSAGES)
    assert answer.choices[0].finish_reason == "stop"
    assert len(upstream.posts) == 2
