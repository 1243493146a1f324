"""How much one call may go on from, from both sides of each bound; and a database that hangs."""

import select
import shutil
import signal
import socket
import struct
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import openai
import pytest

from tests.contract.adapter import set_adapter
from tests.contract.test_context import TEXT, refused, texts
from tests.contract.test_external_database import Server
from tests.fakes.model import MODEL
from tests.fakes.upstream import UpstreamThread, upstream_in_thread
from tests.server_process import Product
from tests.waiting import DEADLINE, until

pytestmark = pytest.mark.xdist_group("contract")

TURNS, BYTES, WAITING = 3, 20_000, 2
TOO_LONG = "context_length_exceeded"
MESSAGE: Any = {"type": "message", "role": "user", "content": "Hi"}


@pytest.fixture(scope="module")
def small(open_directory: Path) -> Iterator[tuple[Product, UpstreamThread]]:
    """A product with narrow bounds, and one that keeps no bodies of its own accord."""
    home = Path(tempfile.mkdtemp(dir=open_directory))
    home.chmod(0o755)
    bounds = {
        "DWCTL_RESPONSES__CONTEXT__MAX_TURNS": str(TURNS),
        "DWCTL_RESPONSES__CONTEXT__MAX_BYTES": str(BYTES),
        "DWCTL_RESPONSES__CONTEXT__MAX_WAITING": str(WAITING),
    }
    with upstream_in_thread() as upstream:
        made = Product(home, upstream=upstream.url, environment=bounds)
        made.start()
        set_adapter(made, False)
        yield made, upstream
        made.close()
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def upstream(small: tuple[Product, UpstreamThread]) -> UpstreamThread:
    """Its model server."""
    small[1].forget()
    return small[1]


@pytest.fixture
def client(small: tuple[Product, UpstreamThread]) -> Iterator[openai.OpenAI]:
    """Its client."""
    with openai.OpenAI(base_url=small[0].base_url, api_key=small[0].key, max_retries=0, timeout=60) as made:
        yield made


def test_turns_of_a_chain(client: openai.OpenAI, upstream: UpstreamThread) -> None:
    name = client.responses.create(model=MODEL, input="0").id
    for turn in range(1, TURNS + 1):
        name = client.responses.create(model=MODEL, input=str(turn), previous_response_id=name).id
    assert len(upstream.posts[TURNS].json()["input"]) == 2 * TURNS + 1
    ask = partial(client.responses.create, model=MODEL, input="x", previous_response_id=name)
    assert f"{TURNS} responses" in refused(ask, TOO_LONG)


def test_entries_of_a_conversation(client: openai.OpenAI, upstream: UpstreamThread) -> None:
    made = client.conversations.create(items=[MESSAGE] * (TURNS - 1))
    client.responses.create(model=MODEL, input="x", conversation=made.id)
    client.responses.create(model=MODEL, input="x", conversation=made.id)
    assert len(upstream.posts[1].json()["input"]) == TURNS - 1 + 2 + 1
    ask = partial(client.responses.create, model=MODEL, input="x", conversation=made.id)
    refused(ask, TOO_LONG, "conversation")
    # It can still be read.
    assert len(list(client.conversations.items.list(made.id))) == TURNS - 1 + 4


@pytest.mark.parametrize("where", ["chain", "conversation", "input", "file"])
def test_bytes(client: openai.OpenAI, where: str) -> None:
    def ask(size: int) -> None:
        text = "x" * size
        if where == "chain":
            first = client.responses.create(model=MODEL, input=text)
            client.responses.create(model=MODEL, input="y", previous_response_id=first.id)
        elif where == "conversation":
            item: Any = {**MESSAGE, "content": text}
            made = client.conversations.create(items=[item])
            client.responses.create(model=MODEL, input="y", conversation=made.id)
        elif where == "input":
            made = client.conversations.create()
            client.responses.create(model=MODEL, input=text, conversation=made.id)
        else:
            file = client.files.create(file=("a.txt", text[: size * 3 // 4].encode()), purpose="user_data")
            part: Any = {"type": "input_file", "file_id": file.id}
            client.responses.create(model=MODEL, input=[{"role": "user", "content": [part]}])

    ask(BYTES - 3000)
    params = {"chain": "previous_response_id", "file": "input[0].content[0].file_id"}
    refused(partial(ask, BYTES + 3000), TOO_LONG, params.get(where, where))


def test_a_long_call_alone_is_as_long_as_it_likes(client: openai.OpenAI) -> None:
    assert client.responses.create(model=MODEL, input="x" * 2 * BYTES).output_text == TEXT


def begun(product: Product, body: dict[str, Any]) -> socket.socket:
    """A call whose answer has not been read."""
    text = msgspec.json.encode(body)
    head = (
        f"POST /ai/v1/responses HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {product.key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(text)}\r\n\r\n"
    )
    place = urlsplit(product.address)
    connection = socket.create_connection((place.hostname or "", place.port or 0), timeout=60)
    connection.sendall(head.encode() + text)
    return connection


def test_calls_that_wait(small: tuple[Product, UpstreamThread], client: openai.OpenAI) -> None:
    first = client.responses.create(model=MODEL, input="one")
    assert client.responses.retrieve(first.id).output_text == TEXT
    body = {"model": MODEL, "input": "two", "previous_response_id": first.id}
    server = Server.of(small[0].data_dir)
    with ExitStack() as stack:
        server.hang(signal.SIGSTOP)
        try:
            waiting = [stack.enter_context(begun(small[0], body)) for _ in range(WAITING + 1)]
            # One of them came last, and is answered at once.
            ((refused, *_), _, _) = select.select(waiting, [], [], DEADLINE)
            answer = refused.recv(4096)
        finally:
            server.hang(signal.SIGCONT)
        assert answer.startswith(b"HTTP/1.1 503")
        assert b"Too many calls wait" in answer
        assert b"\r\nretry-after: 1\r\n" in answer
        for connection in waiting:
            if connection is not refused:
                assert connection.recv(100).startswith(b"HTTP/1.1 200")


@pytest.mark.long
def test_a_database_that_hangs(
    small: tuple[Product, UpstreamThread], client: openai.OpenAI, upstream: UpstreamThread
) -> None:
    first = client.responses.create(model=MODEL, input="one")
    assert client.responses.retrieve(first.id).output_text == TEXT
    server = Server.of(small[0].data_dir)
    server.hang(signal.SIGSTOP)
    try:
        with pytest.raises(openai.InternalServerError) as caught:
            client.responses.create(model=MODEL, input="two", previous_response_id=first.id)
        assert caught.value.status_code == 503
        assert caught.value.response.headers["retry-after"] == "1"
        leaving = begun(small[0], {"model": MODEL, "input": "gone", "previous_response_id": first.id})
        leaving.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        leaving.close()
        # Who refers to nothing is served.
        assert client.responses.create(model=MODEL, input="x").output_text == TEXT
    finally:
        server.hang(signal.SIGCONT)

    def answered() -> bool:
        try:
            client.responses.create(model=MODEL, input="two", previous_response_id=first.id)
        except openai.InternalServerError:
            return False
        return True

    until(answered, "the database is back")
    # Nobody was called for whoever left meanwhile.
    assert not any(b"gone" in post.body for post in upstream.posts)
    assert texts(upstream.posts[-1].json()["input"]) == [
        ("user", "one"),
        ("assistant", TEXT),
        ("user", "two"),
    ]
