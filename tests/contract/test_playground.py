"""Models for whoever has signed in, over the whole product: the same pipeline, rows and rules as with a key."""

import httpx
import msgspec
import openai
import pytest

from dwctl.wire.sse import data_of, events
from tests.fakes import shapes
from tests.fakes.answers import frames, stream_reply
from tests.fakes.model import MODEL
from tests.fakes.upstream import UpstreamThread
from tests.server_process import Product

pytestmark = pytest.mark.xdist_group("contract")

AI = "/admin/api/v1/ai/v1"
BODY = {"model": MODEL, "messages": [{"role": "user", "content": "Say hello to me"}]}
TEXT = "Hello from the fake model."


def test_a_session_calls_a_model(admin: httpx.Client, upstream: UpstreamThread) -> None:
    answer = admin.post(f"{AI}/chat/completions", json=BODY, headers={"x-custom": "1"})
    assert answer.status_code == 200
    assert answer.json()["choices"][0]["message"]["content"] == TEXT
    assert answer.json()["id"] == answer.headers["x-onwards-response-id"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    seen = upstream.posts[0]
    assert seen.target == "/v1/chat/completions"
    assert seen.header("cookie") is None
    assert seen.header("x-custom") == "1"


def test_the_call_is_a_row_of_the_person(admin: httpx.Client, client: openai.OpenAI) -> None:
    answer = admin.post(f"{AI}/chat/completions", json=BODY)
    # The first key of the product belongs to the same person.
    stored = client.responses.retrieve(answer.json()["id"])
    assert (stored.status, stored.output_text) == ("completed", TEXT)


def test_a_stream_comes_as_it_is_made(admin: httpx.Client, upstream: UpstreamThread) -> None:
    first, *rest = frames(shapes.chat_chunks("fake-model", ["a", "b"]))
    upstream.push(stream_reply([first, b"".join(rest)], gap=0.5))
    with admin.stream("POST", f"{AI}/chat/completions", json={**BODY, "stream": True}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        pieces = list(answer.iter_raw())
    assert len(pieces) > 1
    assert b"[DONE]" not in pieces[0]
    assert pieces[-1].endswith(b"data: [DONE]\n\n")


def test_other_protocols_and_the_models(admin: httpx.Client) -> None:
    body = {**BODY, "max_tokens": 9, "stream": True}
    found = [
        msgspec.json.decode(data_of(event))["type"]
        for event in events(admin.post(f"{AI}/messages", json=body).content)
    ]
    assert (found[0], found[-1]) == ("message_start", "message_stop")
    assert [model["id"] for model in admin.get(f"{AI}/models").json()["data"]] == [MODEL]
    assert admin.get(f"{AI}/models/{MODEL}").json()["id"] == MODEL
    assert admin.get(f"{AI}/models/nothing").json()["error"]["code"] == "model_not_found"


def test_who_calls_is_never_taken_from_a_header(admin: httpx.Client, product: Product) -> None:
    cookies = "; ".join(f"{name}={value}" for name, value in admin.cookies.items())
    with httpx.Client(base_url=product.address, trust_env=False, timeout=20) as fresh:
        with_key = fresh.post(
            f"{AI}/chat/completions", json=BODY, headers={"authorization": f"Bearer {product.key}"}
        )
        assert (with_key.status_code, with_key.text) == (401, "Not authenticated")
        both = {"authorization": f"Bearer {product.key}", "cookie": cookies}
        assert fresh.post(f"{AI}/chat/completions", json=BODY, headers=both).status_code == 200


def test_access_is_the_persons_own(admin: httpx.Client) -> None:
    hosted = admin.get("/admin/api/v1/endpoints").json()[0]["id"]
    closed = {"model_name": "closed-model", "hosted_on": hosted}
    assert admin.post("/admin/api/v1/models", json=closed).status_code == 200
    refused = admin.post(f"{AI}/chat/completions", json={**BODY, "model": "closed-model"})
    assert refused.status_code == 403
    assert refused.json()["error"]["code"] == "forbidden"


def test_a_body_that_is_too_large_is_refused_and_a_bad_one_explained(admin: httpx.Client) -> None:
    large = admin.post(f"{AI}/chat/completions", content=b"x" * (33 * 1024 * 1024))
    assert large.status_code == 413
    assert large.json()["error"]["code"] == "payload_too_large"
    missing = admin.post(f"{AI}/chat/completions", json={"messages": []})
    assert (missing.status_code, missing.json()["error"]["param"]) == (400, "model")


def test_a_recording_goes_through_as_a_form(admin: httpx.Client, upstream: UpstreamThread) -> None:
    sound = b"RIFF" + bytes(300_000)
    admin.post(f"{AI}/audio/transcriptions", data={"model": MODEL}, files={"file": ("a.wav", sound)})
    seen = upstream.posts[0]
    assert seen.target == "/v1/audio/transcriptions"
    assert sound in seen.body
