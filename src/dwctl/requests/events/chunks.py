"""A whole chat completion as the chunks that a client who asked for a stream understands. Pure."""

from typing import Any

import msgspec

from dwctl.requests.reassemble import object_of

_encode = msgspec.json.Encoder().encode


def chunked(body: bytes, ident: str, *, usage: bool) -> bytes:
    """The chunks of an answer: of each choice its role, what it says, its end; then the usage, if it was asked for."""
    whole = object_of(body) or {}
    base = {name: value for name, value in whole.items() if name not in ("choices", "usage", "object", "id")}
    base = {"id": ident, "object": "chat.completion.chunk", **base}
    if usage:
        base["usage"] = None
    found: list[dict[str, Any]] = []
    choices = whole.get("choices")
    for place, choice in enumerate(choices if isinstance(choices, list) else ()):
        if isinstance(choice, dict):
            found += _of_choice(base, choice, place)
    if usage:
        found.append({**base, "choices": [], "usage": whole.get("usage")})
    return b"".join(b"data: %b\n\n" % _encode(chunk) for chunk in found)


def _of_choice(base: dict[str, Any], choice: dict[str, Any], place: int) -> list[dict[str, Any]]:
    index = choice.get("index", place)
    message = choice.get("message")
    delta = {
        name: value
        for name, value in (message if isinstance(message, dict) else {}).items()
        if value is not None
    }
    calls = delta.get("tool_calls")
    if isinstance(calls, list):
        # In a stream each call says which one it is.
        delta["tool_calls"] = [
            {"index": number, **call} for number, call in enumerate(calls) if isinstance(call, dict)
        ]
    first = {"role": delta.pop("role", "assistant"), "content": ""}
    chunks = [_chunk(base, index, first)]
    if delta:
        chunks.append(_chunk(base, index, delta, choice.get("logprobs")))
    chunks.append(_chunk(base, index, {}, reason=choice.get("finish_reason")))
    return chunks


def _chunk(
    base: dict[str, Any], index: Any, delta: dict[str, Any], logprobs: Any = None, reason: Any = None
) -> dict[str, Any]:
    choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": reason}
    return {**base, "choices": [choice]}
