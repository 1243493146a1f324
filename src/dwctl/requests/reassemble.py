"""A stream put together again: the reply that the server would have sent without streaming. Pure, tolerant."""

from typing import Any

import msgspec

from dwctl.wire.sse import data_of, events

_TERMINAL = ("response.completed", "response.incomplete", "response.failed")


def whole_reply(body: bytes | None) -> dict[str, Any] | None:
    """The reply as one JSON object, or None when there is none to be read.

    The body itself tells whether it is a stream: some servers stream although nobody asked.
    """
    if not body:
        return None
    if body.lstrip()[:1] == b"{":
        return _object(body)
    objects = [found for event in events(body) if (found := _object(data_of(event))) is not None]
    for found in reversed(objects):
        if found.get("type") in _TERMINAL and isinstance(found.get("response"), dict):
            response: dict[str, Any] = found["response"]
            return response
    chunks = [found for found in objects if isinstance(found.get("choices"), list)]
    return _from_chunks(chunks) if chunks else None


def _from_chunks(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    choices: dict[int, dict[str, Any]] = {}
    usage: Any = None
    for chunk in chunks:
        if isinstance(chunk.get("usage"), dict):
            usage = chunk["usage"]
        for part in chunk["choices"]:
            if isinstance(part, dict):
                _add(choices, part)
    first = {name: chunks[0].get(name) for name in ("id", "created", "model", "service_tier")}
    return {**first, "choices": [choices[index] for index in sorted(choices)], "usage": usage}


def _add(choices: dict[int, dict[str, Any]], part: dict[str, Any]) -> None:
    index = part.get("index")
    index = index if isinstance(index, int) else 0
    choice = choices.setdefault(
        index, {"index": index, "message": {"role": "assistant", "content": None}, "finish_reason": None}
    )
    message = choice["message"]
    delta = part.get("delta")
    if not isinstance(delta, dict):
        delta = {"content": part.get("text")}
    for name in ("content", "refusal", "reasoning_content"):
        piece = delta.get(name)
        if isinstance(piece, str):
            message[name] = (message.get(name) or "") + piece
    for call in delta.get("tool_calls") or ():
        if isinstance(call, dict):
            _add_call(message.setdefault("tool_calls", []), call)
    if isinstance(part.get("finish_reason"), str):
        choice["finish_reason"] = part["finish_reason"]


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


def _object(data: bytes) -> dict[str, Any] | None:
    try:
        found = msgspec.json.decode(data)
    except msgspec.MsgspecError:
        return None
    return found if isinstance(found, dict) else None
