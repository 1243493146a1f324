"""A whole Responses object as a chat completion. Pure, tolerant."""

from typing import Any

from dwctl.wire.loose import list_of, object_of, string_of

Json = dict[str, Any]
BETWEEN = "\n"
"""Stands between two pieces of thought."""
_REASONS = {"max_output_tokens": "length", "content_filter": "content_filter"}
_UNFINISHED = ("queued", "in_progress", "cancelled", "failed")


def completion_of(response: Json) -> Json | None:
    """The completion; None when there is none in `response`, or not all of it."""
    if not isinstance(response.get("output"), list) or response.get("status") in _UNFINISHED:
        return None
    message: Json = {"role": "assistant", "content": None}
    logprobs: list[Any] = []
    thoughts: list[str] = []
    for item in map(object_of, response["output"]):
        kind = item.get("type")
        if kind == "reasoning":
            thoughts += thoughts_in(item)
        elif kind == "function_call":
            message.setdefault("tool_calls", []).append(call_of(item))
        elif kind == "message":
            for part in map(object_of, list_of(item.get("content"))):
                logprobs += _say(message, part)
    if any(thoughts):
        message["reasoning_content"] = BETWEEN.join(filter(None, thoughts))
    choice = {
        "index": 0,
        "message": message,
        "logprobs": {"content": logprobs} if logprobs else None,
        "finish_reason": finish_of(response, calls="tool_calls" in message),
    }
    return {
        "id": response.get("id"),
        "object": "chat.completion",
        "created": response.get("created_at"),
        "model": response.get("model"),
        "choices": [choice],
        "usage": usage_of(response),
        **tier_of(response),
    }


def thoughts_in(item: Json) -> list[str]:
    """What an item of thoughts says: as they are, or else summed up."""
    parts = list_of(item.get("content")) or list_of(item.get("summary"))
    return [string_of(object_of(part).get("text")) for part in parts]


def call_of(item: Json) -> Json:
    """A call of a function."""
    function = {"name": string_of(item.get("name")), "arguments": string_of(item.get("arguments"))}
    ident = string_of(item.get("call_id")) or string_of(item.get("id"))
    return {"id": ident, "type": "function", "function": function}


def finish_of(response: Json, *, calls: bool) -> str:
    """Why the answer ended."""
    details = object_of(response.get("incomplete_details"))
    reason = details.get("reason")
    if reason or response.get("status") == "incomplete":
        # Whatever cut the answer short, a client must not take it for whole.
        return _REASONS.get(string_of(reason), "length")
    return "tool_calls" if calls else "stop"


def usage_of(response: Json) -> Json | None:
    """Token counts under a chat's names."""
    counts = object_of(response.get("usage"))
    if not counts:
        return None
    return {
        "prompt_tokens": counts.get("input_tokens"),
        "completion_tokens": counts.get("output_tokens"),
        "total_tokens": counts.get("total_tokens"),
        "prompt_tokens_details": object_of(counts.get("input_tokens_details")),
        "completion_tokens_details": object_of(counts.get("output_tokens_details")),
    }


def tier_of(response: Json) -> Json:
    """The tier of service, where one is told."""
    tier = response.get("service_tier")
    return {"service_tier": tier} if isinstance(tier, str) else {}


def nested(annotation: object) -> Json:
    """A citation as a chat has it."""
    given = object_of(annotation)
    kind = string_of(given.get("type"))
    return {"type": kind, kind: {name: value for name, value in given.items() if name != "type"}}


def _say(message: Json, part: Json) -> list[Any]:
    """Add a part of a message; its log probabilities."""
    if part.get("type") == "refusal":
        message["refusal"] = (message.get("refusal") or "") + string_of(part.get("refusal"))
        return []
    message["content"] = (message["content"] or "") + string_of(part.get("text"))
    for annotation in list_of(part.get("annotations")):
        message.setdefault("annotations", []).append(nested(annotation))
    return list_of(part.get("logprobs"))
