"""The other way: a chat request as a Responses request, and a Responses object as a chat completion. Pure.

For servers that know only `/responses`. No model has a flag for such a server yet, so no call takes this way; what it
is here for is to show that nothing is lost on the way there and back.
"""

from typing import Any

from dwctl.wire.loose import list_of, object_of, string_of
from dwctl.wire.translate.request import LOGPROBS
from dwctl.wire.translate.tools import flat_choice, flat_tool

Json = dict[str, Any]
_RENAMED = {"max_tokens": "max_output_tokens", "max_completion_tokens": "max_output_tokens"}
_REASONS = {"max_output_tokens": "length", "content_filter": "content_filter"}


def response_request(chat: Json) -> Json:
    """The request; fields that are the same in both APIs, or in neither, stay as they are."""
    asked: Json = {}
    text: Json = {}
    for name, value in chat.items():
        if name == "messages":
            asked["input"] = [item for message in value for item in _items(message)]
        elif name == "tools":
            asked["tools"] = [_flat(tool) for tool in value]
        elif name == "tool_choice":
            asked["tool_choice"] = flat_choice(value)
        elif name == "response_format":
            text["format"] = {"type": value["type"], **object_of(value.get("json_schema"))}
        elif name == "verbosity":
            text["verbosity"] = value
        elif name == "reasoning_effort":
            asked["reasoning"] = {"effort": value}
        elif name == "logprobs":
            asked["include"] = [LOGPROBS] if value else []
        elif name != "stream_options":
            asked[_RENAMED.get(name, name)] = value
    return {**asked, "text": text} if text else asked


def completion_of(response: Json) -> Json:
    """The completion, of a response that has ended."""
    message: Json = {"role": "assistant", "content": None}
    logprobs: list[Any] = []
    for item in map(object_of, list_of(response.get("output"))):
        if item.get("type") == "reasoning":
            parts = list_of(item.get("content")) or list_of(item.get("summary"))
            _append(
                message,
                "reasoning_content",
                "".join(string_of(object_of(part).get("text")) for part in parts),
            )
        elif item.get("type") == "function_call":
            function = {"name": item.get("name"), "arguments": item.get("arguments")}
            call = {"id": item.get("call_id"), "type": "function", "function": function}
            message.setdefault("tool_calls", []).append(call)
        elif item.get("type") == "message":
            for part in map(object_of, list_of(item.get("content"))):
                if part.get("type") == "refusal":
                    _append(message, "refusal", string_of(part.get("refusal")))
                    continue
                _append(message, "content", string_of(part.get("text")))
                logprobs += list_of(part.get("logprobs"))
                for annotation in list_of(part.get("annotations")):
                    message.setdefault("annotations", []).append(_nested(annotation))
    details = object_of(response.get("incomplete_details"))
    finish = _REASONS.get(string_of(details.get("reason")))
    choice = {
        "index": 0,
        "message": message,
        "logprobs": {"content": logprobs} if logprobs else None,
        "finish_reason": finish or ("tool_calls" if "tool_calls" in message else "stop"),
    }
    return {
        "id": response.get("id"),
        "object": "chat.completion",
        "created": response.get("created_at"),
        "model": response.get("model"),
        "choices": [choice],
        "usage": _usage(object_of(response.get("usage"))),
    }


def _items(message: Json) -> list[Json]:
    role, content = message["role"], message.get("content")
    if role == "tool":
        output = content if isinstance(content, str) else [_part(part) for part in content or ()]
        return [{"type": "function_call_output", "call_id": message["tool_call_id"], "output": output}]
    if role != "assistant":
        parts = content if isinstance(content, str) else [_part(part) for part in content or ()]
        return [{"type": "message", "role": role, "content": parts}]
    items: list[Json] = []
    thoughts = message.get("reasoning_content")
    if thoughts:
        part = {"type": "reasoning_text", "text": thoughts}
        items.append({"type": "reasoning", "summary": [], "content": [part]})
    if content is not None:
        items.append({"type": "message", "role": role, "content": content})
    calls = message.get("tool_calls") or ()
    return items + [{"type": "function_call", "call_id": call["id"], **call["function"]} for call in calls]


def _part(part: Json) -> Json:
    kind = part["type"]
    if kind == "text":
        return {"type": "input_text", "text": part["text"]}
    if kind == "image_url":
        image = part["image_url"]
        return {
            "type": "input_image",
            **{"image_url" if name == "url" else name: image[name] for name in image},
        }
    if kind == "file":
        return {"type": "input_file", **part["file"]}
    if kind == "video_url":
        return {"type": "input_video", "video_url": part["video_url"]["url"]}
    return part


def _flat(tool: Json) -> object:
    """Without the keys that the tool does not have."""
    flat = object_of(flat_tool(tool))
    return {name: value for name, value in flat.items() if value is not None}


def _append(message: Json, name: str, text: str) -> None:
    message[name] = (message.get(name) or "") + text


def _nested(annotation: object) -> Json:
    given = object_of(annotation)
    kind = string_of(given.get("type"))
    return {"type": kind, kind: {name: value for name, value in given.items() if name != "type"}}


def _usage(counts: Json) -> Json | None:
    if not counts:
        return None
    inputs, outputs = (
        object_of(counts.get("input_tokens_details")),
        object_of(counts.get("output_tokens_details")),
    )
    return {
        "prompt_tokens": counts.get("input_tokens"),
        "completion_tokens": counts.get("output_tokens"),
        "total_tokens": counts.get("total_tokens"),
        "prompt_tokens_details": dict(inputs),
        "completion_tokens_details": dict(outputs),
    }
