"""What the tests of chats on servers that know only responses share."""

from typing import Any

import msgspec

from dwctl.routing.snapshot import Model, Target
from tests.fakes.answers import Answer, Framing, frames, stream_reply
from tests.fakes.responses import ResponsesServer, events_of, response
from tests.fakes.shapes import Json
from tests.fakes.upstream import FakeUpstream
from tests.gateway.house import model, target
from tests.gateway.provider import objects

FAILED = {"code": "server_error", "message": "out of memory"}


def turned(place: Target) -> Target:
    """A target whose server knows only responses."""
    return msgspec.structs.replace(place, adapts_chat=True, adapts_responses=False)


def responses_only(upstream: FakeUpstream, **server: Any) -> Model:
    """A model on such a server."""
    upstream.respond = ResponsesServer(**server)
    return model("m", turned(target(upstream.url)))


def streamed(ended: Json, *, size: int = 3) -> Answer:
    """A stream that ends with this response."""
    return stream_reply(frames(events_of(ended, size), named=True), framing=Framing.CHUNKED)


def failed(failure: Json = FAILED, **more: Any) -> Json:
    """A response that failed."""
    return response(status="failed", error=failure, **more)


def joined(body: bytes) -> Json:
    """What a client makes of a stream: the message, its finish reason and the usage."""
    found: Json = {"message": {}, "usage": None, "finish_reason": None}
    message = found["message"]
    for chunk in objects(body):
        found["usage"] = chunk.get("usage") or found["usage"]
        for choice in chunk["choices"]:
            found["finish_reason"] = choice["finish_reason"] or found["finish_reason"]
            for name, piece in choice["delta"].items():
                if name != "tool_calls":
                    message[name] = message.get(name, "") + (piece or "")
                    continue
                for call in piece:
                    calls = message.setdefault("tool_calls", [])
                    if call["index"] == len(calls):
                        calls.append({"id": call["id"], **call["function"]})
                    else:
                        calls[call["index"]]["arguments"] += call["function"]["arguments"]
    return found
