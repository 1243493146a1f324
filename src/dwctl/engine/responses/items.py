"""The items of a stored call: what went in and what came out, as another call takes them. Pure.

What a client sent as items stays as its bytes came; a text becomes a message. A chat is told in items too: its
messages, the calls of its tools and their results. Ids: an item that came without one is known by its response and its
place, `msg_<response>_i<n>`, so that whoever is told an id can come back with it.
"""

import re
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Raw

from dwctl.core.errors import BadRequest
from dwctl.requests.record import State
from dwctl.requests.render import response_object
from dwctl.requests.store import StoredRequest
from dwctl.wire.answers.fields import FAULTS

RESPONSES = "/v1/responses"
CHAT = "/v1/chat/completions"
PREFIXES = {
    "message": "msg",
    "function_call": "fc",
    "function_call_output": "fco",
    "reasoning": "rs",
    "compaction": "cmp",
}
_USABLE = frozenset({"completed", "incomplete"})
_OWN_ID = re.compile(r"[a-z]+_([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})(?:_.*)?")
_list = msgspec.json.Decoder(list[Raw]).decode
_encode = msgspec.json.Encoder().encode


class Asked(msgspec.Struct, gc=False):
    """What a body says that matters for its context; each value as it came."""

    input: Raw = Raw(b"null")
    messages: Raw = Raw(b"null")
    previous_response_id: Any = None
    conversation: Any = None
    store: Any = None


_asked = msgspec.json.Decoder(Asked).decode


def asked_of(body: bytes | None) -> Asked | None:
    """None when nothing can be read: it was not kept, or is no JSON object."""
    if not body:
        return None
    try:
        return _asked(body)
    except FAULTS:
        return None


def items_of(given: Raw) -> list[Raw]:
    """The value of `input` as items; raises `BadRequest`."""
    text = bytes(given)
    if text.startswith(b'"'):
        return [Raw(b'{"type":"message","role":"user","content":[{"type":"input_text","text":%b}]}' % text)]
    if text == b"null":
        return []
    try:
        return _list(text)
    except FAULTS as error:
        raise BadRequest(
            "Invalid type for 'input': expected a string or an array of items.",
            param="input",
            code="invalid_type",
        ) from error


def fault_of(row: StoredRequest) -> str | None:
    """Why no call can go on from this one; None when one can."""
    return turn_of(row)[1]


def turn_of(row: StoredRequest) -> tuple[list[Raw], str | None]:
    """What a call was asked and what it answered; or nothing, and why no call can go on from it."""
    fault = _fault_of_row(row)
    if fault is not None:
        return [], fault
    response = response_object(row)
    if response["status"] not in _USABLE:
        return [], "it has failed"
    return input_items(row) + [Raw(_encode(item)) for item in response["output"]], None


def _fault_of_row(row: StoredRequest) -> str | None:
    if row.path not in (RESPONSES, CHAT):
        return f"it is a call of {row.path}, and only responses and chat completions can be continued"
    if row.standing < State.FAILED:
        return "it is still in progress; wait until it has ended"
    if row.state != State.COMPLETED:
        return "it has failed" if row.state == State.FAILED else "it was cancelled"
    if asked_of(row.request) is None or not row.response:
        return "its content was not kept"
    return None


def input_items(row: StoredRequest) -> list[Raw]:
    """What a call was asked, without what it went on from."""
    asked = asked_of(row.request)
    if asked is None:
        return []
    if row.path == CHAT:
        return [Raw(_encode(item)) for item in _of_chat(asked.messages)]
    try:
        return items_of(asked.input)
    except BadRequest:
        return []


def output_items(row: StoredRequest) -> list[Raw]:
    """What came of it, with the ids that its client was shown."""
    return [Raw(_encode(item)) for item in response_object(row)["output"]]


def shown(row: StoredRequest) -> list[dict[str, Any]]:
    """All items of a call that has ended well, each with its id."""
    found = [normal(item, f"{row.id}_i{index}") for index, item in enumerate(input_items(row))]
    found += [normal(item, f"{row.id}_o{index}") for index, item in enumerate(output_items(row))]
    return found


def normal(raw: Raw, name: str) -> dict[str, Any]:
    """An item with the keys that every item has; `name` is the rest of its id if it has none."""
    try:
        item = msgspec.json.decode(raw)
    except FAULTS:
        item = None
    if not isinstance(item, dict):
        return {"id": f"item_{name}", "type": "unknown", "status": "completed"}
    kind = str(item.get("type") or "message")
    item["type"] = kind
    if not isinstance(item.get("id"), str):
        item["id"] = f"{PREFIXES.get(kind, 'item')}_{name}"
    if item.get("status") is None:
        item["status"] = "completed"
    if kind == "message" and isinstance(item.get("content"), str):
        item["content"] = _content(item["content"], str(item.get("role")))
    return item


def response_in(item_id: str) -> UUID | None:
    """The call whose item this is, when its id was made here."""
    match = _OWN_ID.fullmatch(item_id)
    return None if match is None else UUID(match[1])


def _content(text: str, role: str) -> list[dict[str, Any]]:
    if role == "assistant":
        return [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}]
    return [{"type": "input_text", "text": text}]


def _of_chat(messages: Raw) -> Iterable[dict[str, Any]]:
    """The items that say what the messages of a chat say."""
    try:
        given = msgspec.json.decode(messages)
    except FAULTS:
        return
    for message in _list_of(given):
        if not isinstance(message, dict):
            continue
        role, content = str(message.get("role")), message.get("content")
        if role in ("tool", "function"):
            output = content if isinstance(content, str) else "".join(_texts(content))
            call_id = str(message.get("tool_call_id") or message.get("name") or "")
            yield {"type": "function_call_output", "call_id": call_id, "output": output}
            continue
        parts = _content(content, role) if isinstance(content, str) else _parts(content, role)
        if isinstance(message.get("refusal"), str):
            parts.append({"type": "refusal", "refusal": message["refusal"]})
        if parts:
            yield {"type": "message", "role": role, "content": parts}
        for call in _list_of(message.get("tool_calls")):
            function = call.get("function") if isinstance(call, dict) else None
            if isinstance(function, dict):
                yield {
                    "type": "function_call",
                    "call_id": str(call.get("id") or ""),
                    "name": str(function.get("name") or ""),
                    "arguments": str(function.get("arguments") or ""),
                }


def _list_of(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _texts(content: Any) -> Iterable[str]:
    for part in _list_of(content):
        if isinstance(part, dict) and isinstance(part.get("text"), str):
            yield part["text"]


def _parts(content: Any, role: str) -> list[dict[str, Any]]:
    """Parts of a chat's message as parts of an item; what has no counterpart goes on as it is."""
    found: list[dict[str, Any]] = []
    for part in _list_of(content):
        if not isinstance(part, dict):
            continue
        kind, inner = part.get("type"), part.get(str(part.get("type")))
        if kind == "text":
            found += _content(str(part.get("text")), role)
        elif kind == "image_url" and isinstance(inner, dict):
            image = {"type": "input_image", "image_url": inner.get("url")}
            found.append({**image, "detail": inner.get("detail") or "auto"})
        elif kind == "file" and isinstance(inner, dict):
            found.append({"type": "input_file", **inner})
        else:
            found.append(part)
    return found
