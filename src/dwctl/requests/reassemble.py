"""A stream put together again: the reply that the server would have sent without streaming. Pure, tolerant."""

from typing import Any

import msgspec

from dwctl.wire.answers.fields import FAULTS
from dwctl.wire.sse import data_of, events

_TERMINAL = ("response.completed", "response.incomplete", "response.failed")


def whole_reply(body: bytes | None) -> dict[str, Any] | None:
    """The reply as one JSON object, or None when there is none to be read.

    The body itself tells whether it is a stream: some servers stream although nobody asked.
    """
    if not body:
        return None
    return _whole(_objects(body)) if is_stream(body) else object_of(body)


def is_stream(body: bytes) -> bool:
    """Whether it is no JSON object."""
    return body.lstrip()[:1] != b"{"


def unstreamed(body: bytes) -> bytes | None:
    """The JSON that the server would have sent in place of this stream; None when there is none to be read."""
    whole = _whole(_objects(body))
    return None if whole is None else msgspec.json.encode(whole)


def error_within(body: bytes) -> bytes | None:
    """The JSON object of a stream that tells of its failure: an `error`, or a response that failed."""
    for found in reversed(_objects(body)):
        if isinstance(found.get("error"), dict):
            return msgspec.json.encode(found)
        if found.get("type") == "error":
            return msgspec.json.encode({"error": found})
        response = found.get("response")
        if found.get("type") == "response.failed" and isinstance(response, dict):
            return msgspec.json.encode(response)
    return None


def _objects(body: bytes) -> list[dict[str, Any]]:
    return [found for event in events(body) if (found := object_of(data_of(event))) is not None]


def _whole(objects: list[dict[str, Any]]) -> dict[str, Any] | None:
    for found in reversed(objects):
        if found.get("type") in _TERMINAL and isinstance(found.get("response"), dict):
            response: dict[str, Any] = found["response"]
            return response
    chunks = [found for found in objects if isinstance(found.get("choices"), list)]
    return _from_chunks(chunks) if chunks else None


def _from_chunks(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    text = any(chunk.get("object") == "text_completion" for chunk in chunks)
    choices: dict[int, dict[str, Any]] = {}
    usage: Any = None
    first: dict[str, Any] = {}
    for chunk in chunks:
        if isinstance(chunk.get("usage"), dict):
            usage = chunk["usage"]
        for name, value in chunk.items():
            if value is not None and name not in ("object", "choices", "usage"):
                first.setdefault(name, value)
        for part in chunk["choices"]:
            if isinstance(part, dict):
                _add(choices, part, text=text)
    return {
        **first,
        "object": "text_completion" if text else "chat.completion",
        "choices": [choices[index] for index in sorted(choices)],
        "usage": usage,
    }


def _add(choices: dict[int, dict[str, Any]], part: dict[str, Any], *, text: bool) -> None:
    index = part.get("index")
    index = index if isinstance(index, int) else 0
    choice = choices.get(index)
    if choice is None:
        choice = choices[index] = {"index": index, "logprobs": None, "finish_reason": None}
        choice |= {"text": ""} if text else {"message": {"role": "assistant", "content": None}}
    if text:
        if isinstance(part.get("text"), str):
            choice["text"] += part["text"]
    else:
        _add_delta(choice["message"], part)
    if isinstance(part.get("logprobs"), dict):
        choice["logprobs"] = _joined(choice["logprobs"] or {}, part["logprobs"])
    if isinstance(part.get("finish_reason"), str):
        choice["finish_reason"] = part["finish_reason"]


def _add_delta(message: dict[str, Any], part: dict[str, Any]) -> None:
    delta = part.get("delta")
    if not isinstance(delta, dict):
        delta = {"content": part.get("text")}
    for name in ("content", "refusal", "reasoning_content", "reasoning"):
        piece = delta.get(name)
        if isinstance(piece, str):
            message[name] = (message.get(name) or "") + piece
    for detail in delta.get("reasoning_details") or ():
        if isinstance(detail, dict):
            _add_detail(message.setdefault("reasoning_details", []), detail)
    for call in delta.get("tool_calls") or ():
        if isinstance(call, dict):
            _add_call(message.setdefault("tool_calls", []), call)


def _add_detail(details: list[dict[str, Any]], part: dict[str, Any]) -> None:
    """Thoughts in pieces: each has its type and its index."""
    for detail in details:
        if (detail.get("type"), detail.get("index")) == (part.get("type"), part.get("index")):
            for name in ("text", "summary", "data"):
                if isinstance(part.get(name), str):
                    detail[name] = (detail.get(name) or "") + part[name]
            return
    details.append(dict(part))


def _joined(known: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """Log probabilities: lists by name, each of which goes on."""
    for name, value in more.items():
        before = known.get(name)
        known[name] = before + value if isinstance(before, list) and isinstance(value, list) else value
    return known


def _add_call(calls: list[dict[str, Any]], part: dict[str, Any]) -> None:
    index = part.get("index")
    place = index if isinstance(index, int) and 0 <= index < 1024 else len(calls)
    while len(calls) <= place:
        calls.append({"id": None, "type": "function", "function": {"name": "", "arguments": ""}})
    call = calls[place]
    if isinstance(part.get("id"), str):
        call["id"] = part["id"]
    function = part.get("function")
    if isinstance(function, dict):
        for name in ("name", "arguments"):
            if isinstance(function.get(name), str):
                call["function"][name] += function[name]


def object_of(data: bytes) -> dict[str, Any] | None:
    """A JSON object that anybody may have written; None when it is none. Bytes that are no UTF-8 are replaced."""
    try:
        try:
            found = msgspec.json.decode(data)
        except UnicodeDecodeError:
            found = msgspec.json.decode(data.decode(errors="replace"))
    except FAULTS:
        return None
    return found if isinstance(found, dict) else None
