"""A provider with habits of its own, in front of which answers are sanitised."""

from typing import Any

import msgspec

from dwctl.routing.snapshot import Model
from dwctl.wire.sse import data_of, events
from tests.fakes import shapes
from tests.fakes.shapes import Json
from tests.fakes.upstream import FakeUpstream
from tests.gateway.house import CHAT, House, model, target

COMPLETIONS, EMBEDDINGS, RESPONSES = "/ai/v1/completions", "/ai/v1/embeddings", "/ai/v1/responses"
BODY = {"prompt": "hi", "input": "hi", "messages": [{"role": "user", "content": "hi"}]}
SECRETS = (b"gpu-7", b"acme", b"fake-model", b"cost")
EVENTS = [("content-type", "text/event-stream")]


def hidden(upstream: FakeUpstream, *, trusted: bool = False, sanitize: bool = True) -> Model:
    """A model whose answers are sanitised."""
    place = msgspec.structs.replace(target(upstream.url), trusted=trusted)
    return msgspec.structs.replace(model("m", place), sanitize=sanitize)


def strict(upstream: FakeUpstream, *, trusted: bool = False, **settings: Any) -> House:
    """A gateway in strict mode. What a model says of sanitising does not matter there."""
    return House(hidden(upstream, trusted=trusted, sanitize=False), strict=True, **settings)


def noisy(value: Json) -> Json:
    """The same as a provider sends it that adds its own."""
    return {"provider": "acme", **value, "cost": 0.1, "acme_metadata": {"node": "gpu-7"}}


def failure(code: object = None) -> Json:
    """An error in a provider's words."""
    return {"error": {"message": "acme: node gpu-7 is out of memory", "type": "acme_error", "code": code}}


def objects(body: bytes) -> list[Any]:
    """The JSON of each event."""
    return [msgspec.json.decode(data_of(event)) for event in events(body) if data_of(event).startswith(b"{")]


WHOLE = {
    CHAT: shapes.chat_completion("fake-model", "Hello"),
    COMPLETIONS: shapes.completion("fake-model", "Hello"),
    EMBEDDINGS: shapes.embeddings("fake-model", ["Hello"]),
    RESPONSES: shapes.response("fake-model", "Hello"),
}
STREAMED = {
    CHAT: shapes.chat_chunks("fake-model", ["Hel", "lo"], include_usage=True),
    COMPLETIONS: [shapes.completion("fake-model", piece) for piece in ("Hel", "lo")],
    RESPONSES: shapes.response_events("fake-model", ["Hel", "lo"]),
}
