"""A stored request as a Responses object (spec/responses §1.10, spec/wire-api §1.4). Pure.

Whatever route a call came by, it can be fetched as a response: a stored Responses object is shown as it is with
our id, a chat or text completion is translated by the same code that answers clients (`wire/translate`), a stream is
first put together again. So a response that was made of a chat completion reads back as its client got it, ids of items
included. Tolerant: a body that cannot be read gives an empty `output`.
"""

from typing import Any
from uuid import UUID

from dwctl.core.errors import NotFound
from dwctl.requests.reassemble import is_stream, whole_reply
from dwctl.requests.record import State
from dwctl.requests.store import StoredRequest
from dwctl.wire.sse import data_of, events
from dwctl.wire.translate.chats import counted
from dwctl.wire.translate.echo import Call, Echo, echo_of
from dwctl.wire.translate.echo import response_object as bare_response
from dwctl.wire.translate.reply import response_of_chat
from dwctl.wire.translate.stream import Ended, ResponseStream

RESPONSES = "/v1/responses"
STATUS = {
    State.PENDING: "queued",
    State.CLAIMED: "in_progress",
    State.PROCESSING: "in_progress",
    State.FAILED: "failed",
    State.COMPLETED: "completed",
    State.CANCELED: "cancelled",
}
_OURS = ("id", "model", "background", "created_at", "service_tier", "store")
"""What the row knows better than the upstream."""
_CONTEXT = ("previous_response_id", "conversation")
"""What the upstream was not told (gateway/contexts.py)."""


def parse_response_id(text: str) -> UUID:
    """The request's id in `resp_<id>` or plain; raises NotFound."""
    try:
        return UUID(text.removeprefix("resp_"))
    except ValueError as error:
        raise NotFound(no_response(text)) from error


def no_response(name: str) -> str:
    """What whoever asks for it is told."""
    return f"Response with id '{name}' not found."


def response_object(row: StoredRequest) -> dict[str, Any]:
    """The object, with every required key."""
    call = Call(
        ident=str(row.id),
        created_at=int(row.created_at.timestamp()),
        model=row.model,
        background=row.background,
        service_tier=row.service_tier,
    )
    echo = echo_of(row.request or b"")
    if row.state == State.COMPLETED:
        shown = _completed(row, call, echo)
        if shown["usage"] is None:
            shown["usage"] = _usage(row)
        return shown
    error = None
    if row.state == State.FAILED:
        error = {
            "code": "rate_limit_exceeded" if row.status_code == 429 else "server_error",
            "type": "server_error",
            "message": row.error_message or "The call failed.",
        }
    return bare_response(call, echo, STATUS[row.standing], error=error)


def output_text(response: dict[str, Any]) -> str:
    """The text of a Responses object's messages."""
    output = response.get("output")
    parts = [
        part
        for item in (output if isinstance(output, list) else ())
        if isinstance(item, dict) and item.get("type") == "message" and isinstance(item.get("content"), list)
        for part in item["content"]
    ]
    texts = [
        part.get("text") for part in parts if isinstance(part, dict) and part.get("type") == "output_text"
    ]
    return "".join(text for text in texts if isinstance(text, str))


def _completed(row: StoredRequest, call: Call, echo: Echo) -> dict[str, Any]:
    at = None if row.completed_at is None else int(row.completed_at.timestamp())
    shown = bare_response(call, echo, "completed", completed_at=at)
    reply = whole_reply(row.response)
    if reply is None:
        return shown
    if isinstance(reply.get("output"), list):
        # A Responses object: what the server said, under our id and the model that was asked for.
        kept = {name: shown[name] for name in _OURS}
        kept |= {name: shown[name] for name in _CONTEXT if shown.get(name) is not None}
        return shown | {name: value for name, value in reply.items() if value is not None} | kept
    told = None
    if row.path == RESPONSES and row.response is not None and is_stream(row.response):
        # Its client saw the items in the order in which they came.
        told = _streamed(row, row.response, call, echo, at or 0)
    return told or response_of_chat(reply, call, echo, at) or shown


def _streamed(
    row: StoredRequest, body: bytes, call: Call, echo: Echo, completed_at: int
) -> dict[str, Any] | None:
    stream = ResponseStream(call, echo, lambda: Ended(completed_at, _usage(row)))
    for event in events(body):
        stream.feed(data_of(event))
    stream.end()
    return stream.response


def _usage(row: StoredRequest) -> dict[str, Any] | None:
    if row.total_tokens is None:
        return None
    return counted(
        row.prompt_tokens or 0,
        row.cached_tokens or 0,
        row.cache_write_tokens or 0,
        row.completion_tokens or 0,
        row.reasoning_tokens or 0,
    )
