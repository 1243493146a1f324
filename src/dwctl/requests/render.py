"""A stored request as a Responses object (spec/responses §1.10, spec/wire-api §1.4). Pure.

Whatever route a call came by, it can be fetched as a response: a stored Responses object is shown as it is with
our id, a chat or text completion becomes output items, a stream is first put together again. Tolerant: a body
that cannot be read gives an empty `output`.
"""

from typing import Any
from uuid import UUID

from dwctl.core.errors import NotFound
from dwctl.requests.reassemble import object_of, whole_reply
from dwctl.requests.record import State
from dwctl.requests.store import StoredRequest

STATUS = {
    State.PENDING: "queued",
    State.CLAIMED: "in_progress",
    State.PROCESSING: "in_progress",
    State.FAILED: "failed",
    State.COMPLETED: "completed",
    State.CANCELED: "cancelled",
}
_ECHOED: dict[str, Any] = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": None,
    "safety_identifier": None,
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "truncation": "disabled",
}
_NULL_ALLOWED = frozenset(name for name, default in _ECHOED.items() if default is None)


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
    asked = object_of(row.request or b"") or {}
    reply = whole_reply(row.response) if row.state == State.COMPLETED else None
    shown: dict[str, Any] = {
        "id": f"resp_{row.id}",
        "object": "response",
        "created_at": int(row.created_at.timestamp()),
        "completed_at": None,
        "status": STATUS[row.standing],
        "background": row.background,
        "model": row.model,
        "output": [],
        "usage": None,
        "error": None,
        "incomplete_details": None,
        "service_tier": row.service_tier,
    }
    for name, default in _ECHOED.items():
        value = asked.get(name, default)
        shown[name] = default if value is None and name not in _NULL_ALLOWED else value
    if row.state == State.COMPLETED:
        shown["completed_at"] = None if row.completed_at is None else int(row.completed_at.timestamp())
        if reply is not None:
            _complete(shown, reply, row)
        if shown["usage"] is None:
            shown["usage"] = _usage(row)
    elif row.state == State.FAILED:
        shown["error"] = {
            "code": "rate_limit_exceeded" if row.status_code == 429 else "server_error",
            "type": "server_error",
            "message": row.error_message or "The call failed.",
        }
    return shown


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


def _complete(shown: dict[str, Any], reply: dict[str, Any], row: StoredRequest) -> None:
    if isinstance(reply.get("output"), list):
        # A Responses object: what the server said, under our id and the model that was asked for.
        kept = {name: shown[name] for name in ("id", "model", "background", "created_at", "service_tier")}
        shown.update({name: value for name, value in reply.items() if value is not None})
        shown.update(kept)
    elif isinstance(reply.get("choices"), list):
        shown["output"] = [
            item
            for index, choice in enumerate(reply["choices"])
            if isinstance(choice, dict)
            for item in _items(choice, row.id, index)
        ]
        reasons = [choice.get("finish_reason") for choice in reply["choices"] if isinstance(choice, dict)]
        if "length" in reasons:
            shown["status"] = "incomplete"
            shown["incomplete_details"] = {"reason": "max_output_tokens"}
        elif "content_filter" in reasons:
            shown["status"] = "incomplete"
            shown["incomplete_details"] = {"reason": "content_filter"}


def _items(choice: dict[str, Any], request_id: UUID, index: int) -> list[dict[str, Any]]:
    """The output items of one choice: a message, then its function calls."""
    status = "incomplete" if choice.get("finish_reason") in ("length", "content_filter") else "completed"
    message = choice.get("message")
    if not isinstance(message, dict):
        message = {"content": choice.get("text")}
    content: list[dict[str, Any]] = []
    text = message.get("content")
    if isinstance(text, str) and text:
        content.append({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
    refusal = message.get("refusal")
    if isinstance(refusal, str) and refusal:
        content.append({"type": "refusal", "refusal": refusal})
    calls = [call for call in message.get("tool_calls") or () if isinstance(call, dict)]
    items: list[dict[str, Any]] = []
    if content or not calls:
        items.append(
            {
                "id": f"msg_{request_id}_{index}",
                "type": "message",
                "status": status,
                "role": "assistant",
                "content": content,
            }
        )
    for number, call in enumerate(calls):
        function = call.get("function")
        function = function if isinstance(function, dict) else {}
        items.append(
            {
                "id": f"fc_{request_id}_{index}_{number}",
                "type": "function_call",
                "status": status,
                "call_id": str(call.get("id") or f"call_{number}"),
                "name": str(function.get("name") or ""),
                "arguments": str(function.get("arguments") or ""),
            }
        )
    return items


def _usage(row: StoredRequest) -> dict[str, Any] | None:
    if row.total_tokens is None:
        return None
    return {
        "input_tokens": row.prompt_tokens or 0,
        "input_tokens_details": {
            "cached_tokens": row.cached_tokens or 0,
            "cache_write_tokens": row.cache_write_tokens or 0,
        },
        "output_tokens": row.completion_tokens or 0,
        "output_tokens_details": {"reasoning_tokens": row.reasoning_tokens or 0},
        "total_tokens": row.total_tokens,
    }
