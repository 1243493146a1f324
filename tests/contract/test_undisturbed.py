"""While some clients and model servers misbehave, everyone else is served as ever."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import openai
import pytest

from tests.fakes import shapes
from tests.fakes.answers import CLOSED, GARBAGE, HANG, Answer, Hang, bad_gateway_page, frames, stream_reply
from tests.fakes.model import MODEL
from tests.fakes.upstream import Respond, UpstreamThread
from tests.server_process import Product

pytestmark = pytest.mark.xdist_group("contract")

TEXT = "Hello from the fake model."
FIFTY_MB = 50_000_000
MOST = 32 * 1024 * 1024


def ask(client: openai.OpenAI) -> str | None:
    """A good call."""
    answer = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Hello"}])
    return answer.choices[0].message.content


def always(answer: Answer) -> Respond:
    """A model server that has one answer."""
    return lambda _: answer


@contextmanager
def begun(product: Product, data: bytes) -> Iterator[socket.socket]:
    """A connection on which this much was sent."""
    place = urlsplit(product.address)
    with socket.create_connection((place.hostname, place.port), timeout=30) as made:
        made.sendall(data)
        yield made


def head(product: Product, *lines: str) -> bytes:
    """The head of a call."""
    first = ["POST /ai/v1/chat/completions HTTP/1.1", "host: x", f"authorization: Bearer {product.key}"]
    return "\r\n".join([*first, *lines, "", ""]).encode()


def test_half_requests_and_model_servers_that_hang(
    product: Product, client: openai.OpenAI, upstream: UpstreamThread
) -> None:
    body = b'{"model": "fake-model", "messages": [{"role": "user", "content": "Hello"}]}'
    whole = head(product, f"content-length: {len(body)}") + body
    stuck = stream_reply(frames(shapes.chat_chunks(MODEL, ["One"])[:2]))
    upstream.push(HANG, Answer((*stuck.steps[:2], Hang())))
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(begun(product, whole))
        upstream.wait_until(lambda: len(upstream.posts) == 2, "both hang")
        for data in (b"POST /ai/v1/ch", whole[:-5], head(product, "content-length: 1000000"), b"\r\n"):
            stack.enter_context(begun(product, data))
        half_closed = stack.enter_context(begun(product, head(product, "content-length: 10")))
        half_closed.shutdown(socket.SHUT_WR)
        assert half_closed.recv(1) == b""
        for wrong in (CLOSED, GARBAGE, bad_gateway_page()):
            upstream.forget(always(wrong))
            with pytest.raises(openai.InternalServerError):
                ask(client)
            upstream.forget()
            assert ask(client) == TEXT


def test_a_body_of_50_mb(product: Product, client: openai.OpenAI, upstream: UpstreamThread) -> None:
    answers: list[httpx.Response] = []

    def send(content: bytes) -> None:
        answers.append(
            httpx.post(
                f"{product.base_url}/chat/completions",
                content=content,
                headers={"authorization": f"Bearer {product.key}", "content-type": "application/json"},
                timeout=60,
                trust_env=False,
            )
        )

    before = resident(product.pid)
    senders = [threading.Thread(target=send, args=(b"x" * FIFTY_MB,)) for _ in range(3)]
    for sender in senders:
        sender.start()
    while any(sender.is_alive() for sender in senders):
        assert ask(client) == TEXT
    for answer in answers:
        assert answer.status_code == 413
        error = answer.json()["error"]
        assert error["code"] == "payload_too_large"
        assert error["message"] == f"The request's body is larger than {MOST} bytes."
    assert len(answers) == 3
    # It was refused by its length: nothing of it was held.
    assert resident(product.pid) - before < FIFTY_MB
    # What is below the limit goes through.
    answers.clear()
    upstream.forget()
    text = b"a" * (MOST - 200)
    send(b'{"model": "fake-model", "messages": [{"role": "user", "content": "%b"}]}' % text)
    assert answers[0].status_code == 200
    assert ask(client) == TEXT


def test_a_body_too_large_for_the_admin_api(product: Product, client: openai.OpenAI) -> None:
    answer = httpx.post(
        f"{product.address}/authentication/login",
        content=b"x" * FIFTY_MB,
        headers={"content-type": "application/json"},
        timeout=60,
        trust_env=False,
    )
    assert answer.status_code == 413
    assert answer.text == "The request's body is larger than 2097152 bytes."
    assert answer.headers["connection"] == "close"
    assert ask(client) == TEXT


def test_a_flood_of_headers(product: Product, client: openai.OpenAI) -> None:
    flood = head(product, *[f"x-{number}: {'a' * 100}" for number in range(5000)])
    for _ in range(20):
        with begun(product, b"") as made:
            told = b""
            try:
                made.sendall(flood)
            finally:
                while piece := made.recv(65536):
                    told += piece
        assert told.startswith(b"HTTP/1.1 431 ")
        assert b'"error"' in told
    assert ask(client) == TEXT


def resident(pid: int) -> int:
    """Bytes of memory that a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096
