"""How many tokens a request would be: asked of a server that knows, estimated for any other."""

import httpx
import openai
import pytest

from tests.contract.native import adapter
from tests.fakes.answers import json_reply
from tests.fakes.model import MODEL
from tests.fakes.shapes import error
from tests.fakes.upstream import UpstreamThread
from tests.server_process import Product

pytestmark = pytest.mark.xdist_group("contract")

TOLD = {"object": "response.input_tokens", "input_tokens": 4711}


def test_an_estimate_asks_nobody(client: openai.OpenAI, upstream: UpstreamThread) -> None:
    counted = client.responses.input_tokens.count(model=MODEL, input="word " * 400)
    assert counted.object == "response.input_tokens"
    # A token for every four bytes of the body, which has some more than the text.
    assert 500 <= counted.input_tokens <= 520
    assert upstream.requests == []


def test_a_native_server_is_asked(
    client: openai.OpenAI, admin: httpx.Client, upstream: UpstreamThread
) -> None:
    with adapter(admin, on=False):
        for _ in range(3):
            upstream.push(json_reply(TOLD))
            raw = client.responses.input_tokens.with_raw_response.count(
                model=MODEL, input="A secret of mine", instructions="Be kind"
            )
            assert raw.parse().input_tokens == 4711
            assert raw.headers["content-type"] == "application/json"
        assert [post.path for post in upstream.posts] == ["/v1/responses/input_tokens"] * 3
        assert upstream.posts[0].json()["input"] == "A secret of mine"
        upstream.push(json_reply(error("no such thing", code="bad"), status=400))
        with pytest.raises(openai.BadRequestError) as caught:
            client.responses.input_tokens.count(model=MODEL, input="x")
        assert caught.value.code == "bad"
    name = raw.headers["x-onwards-response-id"]
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(name)
    row = admin.get(f"/admin/api/v1/requests/{name}").json()
    assert (row["request_body"], row["response_body"], row["total_cost"]) == (None, None, None)
    assert row["total_tokens"] == 0


def test_who_may_not_call_may_not_count(client: openai.OpenAI, product: Product) -> None:
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="sk-wrong").responses.input_tokens.count(model=MODEL, input="x")
    with pytest.raises(openai.NotFoundError):
        client.responses.input_tokens.count(model="no-such-model", input="x")
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.input_tokens.count(input="x")
    assert caught.value.param == "model"
    plain = httpx.get(f"{product.base_url}/responses/input_tokens", trust_env=False)
    assert plain.status_code in (401, 405)
