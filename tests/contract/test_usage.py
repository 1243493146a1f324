"""What a call used, as the log of calls shows it: told by the model server or estimated, streamed, cut or whole."""

import httpx
import openai
import pytest

from tests.fakes.answers import Answer, Hang, frames, json_reply, stream_reply
from tests.fakes.model import MODEL
from tests.fakes.shapes import Json, chat_chunks, chat_completion
from tests.fakes.upstream import UpstreamThread
from tests.server_process import Product
from tests.waiting import until

pytestmark = pytest.mark.xdist_group("contract")
ASKED: Json = {"model": MODEL, "messages": [{"role": "user", "content": "Say hello."}]}
COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens", "usage_estimated")


def used(admin: httpx.Client, name: str) -> tuple[object, ...]:
    """The row's counts, once the call has ended."""
    path = f"/admin/api/v1/requests/{name}"
    until(lambda: admin.get(path).json().get("status") in ("completed", "failed"), f"{name} has ended")
    detail = admin.get(path).json()
    return tuple(detail[count] for count in COUNTS)


def call(product: Product, body: Json, events: int | None = None) -> tuple[str, int]:
    """Post it; read so many events of the answer and leave, or all. Its id, and the size of the request."""
    with (
        httpx.Client(base_url=product.base_url, timeout=20, trust_env=False) as session,
        session.stream(
            "POST", "chat/completions", json=body, headers={"authorization": f"Bearer {product.key}"}
        ) as answer,
    ):
        seen = 0
        for line in answer.iter_lines():
            seen += line.startswith("data:")
            if seen == events:
                break
        return answer.headers["x-onwards-response-id"], int(answer.request.headers["content-length"])


def estimate(size: int, output: int) -> tuple[object, ...]:
    """A token for four bytes of the request, and the output."""
    given = -(-size // 4)
    return given, output, given + output, True


def test_usage_that_was_told(client: openai.OpenAI, product: Product, admin: httpx.Client) -> None:
    for stream in (False, True):
        name, _ = call(product, {**ASKED, "stream": stream})
        assert used(admin, name) == (2, 5, 7, False)


def test_no_usage_at_all(upstream: UpstreamThread, product: Product, admin: httpx.Client) -> None:
    silent = {**chat_completion(MODEL, "abcd" * 10), "usage": None}
    upstream.push(json_reply(silent), stream_reply(frames(chat_chunks(MODEL, ["a"] * 6))))
    name, size = call(product, ASKED)
    assert used(admin, name) == estimate(size, 10)
    name, size = call(product, {**ASKED, "stream": True})
    assert used(admin, name) == estimate(size, 6)
    shown = admin.get(f"/admin/api/v1/requests/{name}").json()["response"]["usage"]
    assert (shown["output_tokens"], shown["total_tokens"]) == (6, -(-size // 4) + 6)


def test_a_stream_cut_by_the_client(upstream: UpstreamThread, product: Product, admin: httpx.Client) -> None:
    steps = stream_reply(frames(chat_chunks(MODEL, ["a"] * 6)[:-1], done=False)).steps
    upstream.push(Answer((*steps[:-1], Hang())))
    name, size = call(product, {**ASKED, "stream": True}, events=7)
    assert used(admin, name) == estimate(size, 6)


def test_a_stream_cut_by_the_model_server(
    upstream: UpstreamThread, product: Product, admin: httpx.Client
) -> None:
    steps = stream_reply(frames(chat_chunks(MODEL, ["a"] * 6)[:-1], done=False)).steps
    upstream.push(Answer(steps[:-1]).closing())
    name, size = call(product, {**ASKED, "stream": True})
    assert used(admin, name) == estimate(size, 6)


def test_a_call_that_failed(upstream: UpstreamThread, product: Product, admin: httpx.Client) -> None:
    upstream.push(json_reply({"error": {"message": "No.", "type": "server_error"}}, status=400))
    name, _ = call(product, ASKED)
    assert used(admin, name) == (0, 0, 0, False)
