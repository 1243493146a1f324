"""Responses over a WebSocket (spec/wire-api §1.9), over the whole product."""

import asyncio
import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import openai
import pytest
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    CloseConnection,
    Event,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)

from tests.contract.adapter import set_adapter
from tests.fakes.answers import Answer, Hang, frames, json_reply, stream_reply
from tests.fakes.model import MODEL
from tests.fakes.shapes import chat_chunks
from tests.fakes.upstream import UpstreamThread
from tests.server_process import Product
from tests.waiting import until
from tests.wire.open_responses import response

pytestmark = pytest.mark.xdist_group("contract")

DEADLINE = 20.0
ENDS = ("response.completed", "response.incomplete", "response.failed", "error")


class Socket:
    """A client that speaks through wsproto."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._protocol = WSConnection(ConnectionType.CLIENT)
        self._events: list[Event] = []

    def put(self, event: Event) -> None:
        """Send one event."""
        self.writer.write(self._protocol.send(event))

    def ask(self, **fields: Any) -> None:
        """Send one turn."""
        self.put(TextMessage(json.dumps({"type": "response.create", "model": MODEL, **fields})))

    async def next(self) -> Event | None:
        """The next event; None when the server has closed the connection."""
        async with asyncio.timeout(DEADLINE):
            while not self._events:
                data = await self.reader.read(65536)
                self._protocol.receive_data(data or None)
                self._events += self._protocol.events()
                if not data and not self._events:
                    return None
        return self._events.pop(0)

    async def message(self) -> dict[str, Any]:
        """The next message as JSON."""
        text = ""
        while True:
            event = await self.next()
            assert isinstance(event, TextMessage), event
            text += event.data
            if event.message_finished:
                found: dict[str, Any] = json.loads(text)
                return found

    async def turn(self, **fields: Any) -> list[dict[str, Any]]:
        """All events of one turn."""
        self.ask(**fields)
        seen = [await self.message()]
        while seen[-1]["type"] not in ENDS:
            seen.append(await self.message())
        return seen


@asynccontextmanager
async def opened(product: Product, key: str | None = None) -> AsyncIterator[tuple[Socket, Event | None]]:
    """A connection, and how its opening was answered."""
    place = urlsplit(product.address)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    socket = Socket(reader, writer)
    given = product.key if key is None else key
    headers = [(b"authorization", f"Bearer {given}".encode())] if given else []
    try:
        socket.put(Request(host=place.netloc, target="/ai/v1/responses", extra_headers=headers))
        yield socket, await socket.next()
    finally:
        writer.transport.abort()


@asynccontextmanager
async def connected(product: Product) -> AsyncIterator[Socket]:
    """A connection that was accepted."""
    async with opened(product) as (socket, answer):
        assert isinstance(answer, AcceptConnection), answer
        yield socket


async def test_a_turn_has_the_events_of_a_stream(
    product: Product, upstream: UpstreamThread, client: openai.OpenAI
) -> None:
    async with connected(product) as socket:
        events = await socket.turn(input="Say hello to me")
        assert [event["sequence_number"] for event in events] == list(range(len(events)))
        assert events[0]["type"] == "response.created"
        assert events[-1]["type"] == "response.completed"
        name = events[-1]["response"]["id"]
        assert name == events[0]["response"]["id"]
        second = await socket.turn(input="Say hello to me again")
        assert second[-1]["response"]["id"] != name
    stored = await asyncio.to_thread(client.responses.retrieve, name)
    assert (stored.id, stored.status) == (name, "completed")
    assert "type" not in upstream.posts[0].json()


async def test_turns_that_are_sent_at_once_run_one_after_the_other(
    product: Product, upstream: UpstreamThread
) -> None:
    async with connected(product) as socket:
        for text in ("one", "two", "three"):
            socket.ask(input=text)
        ended = 0
        while ended < 3:
            event = await socket.message()
            assert event["sequence_number"] == 0 or event["type"] != "response.created"
            ended += event["type"] in ENDS
        said = [post.json()["messages"][0]["content"] for post in upstream.posts]
        assert said == ["one", "two", "three"]


async def test_what_is_not_stored_can_be_gone_on_from_on_its_connection(
    product: Product, upstream: UpstreamThread
) -> None:
    async with connected(product) as socket:
        first = (await socket.turn(input="My name is Ada.", store=False))[-1]["response"]
        events = await socket.turn(input="Who am I?", store=False, previous_response_id=first["id"])
        assert {event["response"]["previous_response_id"] for event in events if "response" in event} == {
            first["id"]
        }
        second = events[-1]["response"]
        await socket.turn(input="And now?", store=False, previous_response_id=second["id"])
        sent = upstream.posts[2].json()
        assert "previous_response_id" not in sent
        said = [(message["role"], message["content"]) for message in sent["messages"]]
        texts = ["My name is Ada.", "Who am I?", "And now?"]
        assert said[::2] == [("user", text) for text in texts]
        assert [role for role, _ in said] == ["user", "assistant", "user", "assistant", "user"]


async def test_a_turn_that_asks_no_model_is_gone_on_from(product: Product, upstream: UpstreamThread) -> None:
    async with connected(product) as socket:
        events = await socket.turn(input="My name is Ada.", generate=False, instructions="Be short.")
        assert [event["type"] for event in events] == [
            "response.created", "response.in_progress", "response.completed"
        ]  # fmt: skip
        assert [event["sequence_number"] for event in events] == [0, 1, 2]
        warm = events[-1]["response"]
        response(warm)
        assert (warm["status"], warm["output"], warm["instructions"]) == ("completed", [], "Be short.")
        assert (warm["model"], warm["usage"]["total_tokens"]) == (MODEL, 0)
        assert upstream.posts == []
        # And once more, on top of it.
        more = await socket.turn(input="I live in London.", generate=False, previous_response_id=warm["id"])
        assert more[-1]["response"]["previous_response_id"] == warm["id"]
        asked = {"input": "Who am I?", "previous_response_id": more[-1]["response"]["id"], "generate": True}
        assert (await socket.turn(**asked))[-1]["response"]["previous_response_id"] == more[-1]["response"][
            "id"
        ]
        (post,) = upstream.posts
        said = [message["content"] for message in post.json()["messages"]]
        assert said == ["My name is Ada.", "I live in London.", "Who am I?"]
        assert "generate" not in post.json()


async def test_what_was_only_warmed_is_nothing_to_anybody_else(
    product: Product, upstream: UpstreamThread, async_client: openai.AsyncOpenAI
) -> None:
    async with connected(product) as socket:
        warm = (await socket.turn(input="My name is Ada.", generate=False))[-1]["response"]
        with pytest.raises(openai.NotFoundError):
            await async_client.responses.retrieve(warm["id"])
        async with connected(product) as other:
            (error,) = await other.turn(input="Who am I?", previous_response_id=warm["id"])
            assert error["error"]["code"] == "previous_response_not_found"
    assert upstream.posts == []


async def test_an_output_without_its_call_is_an_error_and_forgets_what_it_went_on_from(
    product: Product, upstream: UpstreamThread
) -> None:
    async with connected(product) as socket:
        first = (await socket.turn(input="My name is Ada.", store=False))[-1]["response"]
        output = {"type": "function_call_output", "call_id": "call_9", "output": "42"}
        went_on = {"store": False, "previous_response_id": first["id"]}
        (error,) = await socket.turn(input=[output], **went_on)
        assert (error["status"], error["error"]["param"]) == (400, "input")
        assert "'call_9'" in error["error"]["message"]
        (gone,) = await socket.turn(input="Who am I?", **went_on)
        assert gone["error"]["code"] == "previous_response_not_found"
        assert len(upstream.posts) == 1
        # With its call it is an answer to it.
        call = {"type": "function_call", "call_id": "call_9", "name": "f", "arguments": "{}"}
        warm = (await socket.turn(input=[call], generate=False))[-1]["response"]
        answered = await socket.turn(input=[output], store=False, previous_response_id=warm["id"])
        assert answered[-1]["type"] == "response.completed"


async def test_a_failed_turn_is_an_error_and_the_connection_goes_on(
    product: Product, upstream: UpstreamThread
) -> None:
    async with connected(product) as socket:
        first = (await socket.turn(input="My name is Ada.", store=False))[-1]["response"]
        refusal = {"error": {"message": "no", "type": "invalid_request_error", "param": "x", "code": "bad"}}
        upstream.push(json_reply(refusal, status=400))
        (error,) = await socket.turn(input="Who am I?", store=False, previous_response_id=first["id"])
        assert (error["type"], error["status"]) == ("error", 400)
        assert error["error"]["message"]
        # What a turn failed on is forgotten: going on from it finds nothing.
        (model,) = await socket.turn(model="no-such-model", input="hi")
        assert (model["status"], model["error"]["code"]) == (404, "model_not_found")
        assert (await socket.turn(input="hi"))[-1]["type"] == "response.completed"


@pytest.mark.parametrize(
    ("text", "param"),
    [
        ("no json", None),
        ('{"type":"response.cancel"}', "type"),
        (
            json.dumps({"type": "response.create", "model": MODEL, "input": "x", "background": True}),
            "background",
        ),
        (json.dumps({"type": "response.create", "model": MODEL, "input": "x", "stream": False}), "stream"),
        (json.dumps({"type": "response.create", "model": MODEL, "stream_options": {}}), "stream_options"),
        (json.dumps({"type": "response.create", "model": MODEL, "input": 7}), None),
    ],
)
async def test_a_message_that_is_no_turn_is_told(
    product: Product, upstream: UpstreamThread, text: str, param: str | None
) -> None:
    async with connected(product) as socket:
        socket.put(TextMessage(text))
        error = await socket.message()
        assert (error["type"], error["status"], error["error"]["param"]) == ("error", 400, param)
        assert (await socket.turn(input="hi"))[-1]["type"] == "response.completed"


@pytest.mark.parametrize("key", ["sk-wrong", ""])
async def test_without_a_key_there_is_no_connection(
    product: Product, upstream: UpstreamThread, key: str
) -> None:
    async with opened(product, key) as (socket, answer):
        assert isinstance(answer, RejectConnection)
        assert answer.status_code == 401
        body = await socket.next()
        assert isinstance(body, RejectData)
        assert json.loads(body.data)["error"]["code"] == "invalid_api_key"


async def test_too_many_turns_at_once_end_the_connection(product: Product, upstream: UpstreamThread) -> None:
    async with connected(product) as socket:
        for _ in range(40):
            socket.ask(input="x")
        while True:
            event = await socket.next()
            if isinstance(event, CloseConnection):
                assert event.code == 1008
                return
            assert event is not None


async def test_a_client_that_leaves_cancels_its_turn(
    product: Product, upstream: UpstreamThread, client: openai.OpenAI
) -> None:
    begun = frames(chat_chunks(MODEL, ["a"]))
    upstream.push(Answer((*stream_reply(begun).steps[:2], Hang())))
    async with connected(product) as socket:
        socket.ask(input="x")
        name = (await socket.message())["response"]["id"]

    def over() -> bool:
        return client.responses.retrieve(name).status == "failed"

    await asyncio.to_thread(until, over, "the turn has ended")


async def test_what_is_stored_is_gone_on_from_by_any_connection(
    product: Product, client: openai.OpenAI, upstream: UpstreamThread
) -> None:
    async with connected(product) as socket:
        first = (await socket.turn(input="one"))[-1]["response"]
    async with connected(product) as socket:
        events = await socket.turn(input="two", store=False, previous_response_id=first["id"])
        second = events[-1]["response"]
        assert second["previous_response_id"] == first["id"]
        # What the connection remembers stands behind what is stored.
        third = (await socket.turn(input="three", store=False, previous_response_id=second["id"]))[-1]
        assert third["response"]["previous_response_id"] == second["id"]
    assert [len(post.json()["messages"]) for post in upstream.posts[1:]] == [3, 5]


@pytest.fixture
def strict(open_directory: Path, upstream: UpstreamThread) -> Iterator[Product]:
    """A product whose connections live shortly and remember nothing."""
    home = Path(tempfile.mkdtemp(dir=open_directory))
    home.chmod(0o755)
    limits = {"DWCTL_RESPONSE_SOCKETS__LIFETIME": "2s", "DWCTL_RESPONSE_SOCKETS__MAX_MEMORY": "1"}
    running = Product(home, upstream=upstream.url, environment=limits)
    running.start()
    set_adapter(running, False)
    yield running
    running.close()
    shutil.rmtree(home, ignore_errors=True)


async def test_a_connection_has_its_time_and_its_memory(strict: Product, upstream: UpstreamThread) -> None:
    async with connected(strict) as socket:
        first = (await socket.turn(input="My name is Ada.", store=False))[-1]["response"]
        refused = (await socket.turn(input="Who am I?", store=False, previous_response_id=first["id"]))[-1]
        # It was not remembered, so nobody knows it any more.
        assert (refused["type"], refused["error"]["code"]) == ("error", "previous_response_not_found")
        assert len(upstream.posts) == 1
        last = await socket.message()
        assert (last["type"], last["error"]["code"]) == ("error", "websocket_connection_limit_reached")
        assert isinstance(await socket.next(), CloseConnection)


async def test_a_get_on_the_path_is_no_conversation(product: Product, upstream: UpstreamThread) -> None:
    async with httpx.AsyncClient() as plain:
        answer = await plain.get(
            f"{product.base_url}/responses", headers={"authorization": f"Bearer {product.key}"}
        )
    assert answer.status_code in (404, 405)
