"""Responses objects and their events through the public schema (spec/wire-api §1.4 to §1.6). Pure: bytes in, bytes out.

A response gets every key that clients rely on: what the upstream leaves out is what the request said, else the
default. Members that the schema does not name are dropped; items and parts of a type that it does not name are kept as
they came, since tools bring their own.
"""

from collections.abc import Callable

import msgspec
from msgspec import Raw

from dwctl.wire.answers.fields import (
    NULL,
    Kept,
    Malformed,
    arguments_of,
    list_of,
    missing,
    number_of,
    object_of,
    starts,
    text_of,
)
from dwctl.wire.answers.usage import of_response

Mask = Callable[[Raw], object]
"""An error object as the client may see it."""

_DEFAULTS: dict[str, Raw] = {
    "completed_at": NULL,
    "incomplete_details": NULL,
    "previous_response_id": NULL,
    "instructions": NULL,
    "tools": Raw(b"[]"),
    "tool_choice": Raw(b'"auto"'),
    "truncation": Raw(b'"disabled"'),
    "parallel_tool_calls": Raw(b"true"),
    "text": Raw(b'{"format":{"type":"text"}}'),
    "top_p": Raw(b"1.0"),
    "presence_penalty": Raw(b"0.0"),
    "frequency_penalty": Raw(b"0.0"),
    "top_logprobs": Raw(b"0"),
    "temperature": Raw(b"1.0"),
    "reasoning": NULL,
    "max_output_tokens": NULL,
    "max_tool_calls": NULL,
    "store": Raw(b"true"),
    "background": Raw(b"false"),
    "service_tier": Raw(b'"default"'),
    "metadata": Raw(b"{}"),
    "safety_identifier": NULL,
    "prompt_cache_key": NULL,
}
_FOUND_ONLY = ("completed_at", "incomplete_details", "service_tier")
"""Not in a request, or there with another meaning."""
_OF_A_FUNCTION = ("description", "parameters", "strict")
"""What an object shows of a function, be it null."""
_MORE = ("user", "conversation", "prompt", "prompt_cache_retention")
"""Kept where they are, and not added."""

_ITEMS = {
    "message": ("id", "type", "status", "role", "content", "phase"),
    "function_call": ("id", "type", "status", "call_id", "name", "arguments"),
    "function_call_output": ("id", "type", "status", "call_id", "output"),
    "reasoning": ("id", "type", "status", "summary", "content", "encrypted_content"),
}
_PREFIXES = {"message": "msg", "function_call": "fc", "function_call_output": "fco", "reasoning": "rs"}
_PARTS = {
    "output_text": ("type", "text", "annotations", "logprobs"),
    "refusal": ("type", "refusal"),
    "reasoning_text": ("type", "text"),
    "summary_text": ("type", "text"),
}
_TEXTS = {"output_text": "text", "refusal": "refusal", "reasoning_text": "text", "summary_text": "text"}
_EVENT_MEMBERS = frozenset(
    {
        *("item_id", "output_index", "content_index", "summary_index", "annotation_index", "annotation"),
        *("delta", "text", "refusal", "arguments", "name", "input", "logprobs", "obfuscation", "code"),
        *("partial_image_b64", "partial_image_index", "message", "param"),
    }
)
_STATUSES = {
    "response.created": "in_progress",
    "response.queued": "queued",
    "response.in_progress": "in_progress",
    "response.failed": "failed",
    "response.incomplete": "incomplete",
}
_UNFINISHED = frozenset({"in_progress", "queued"})
_BARE = frozenset({"in_progress", "queued", "failed", "cancelled"})
"""What a response may be that has no output."""
_NO_TOOLS = b"[]"
_encode = msgspec.json.Encoder().encode


class ResponseAnswer:
    """One call's answer. `asked` is the request's body, read when the upstream leaves out what it says."""

    __slots__ = ("_alias", "_asked", "_ident", "_mask", "_number", "_request")

    def __init__(self, alias: str, ident: str, asked: bytes, mask: Mask) -> None:
        self._alias = alias
        self._ident = ident
        self._asked: dict[str, Raw] | None = None
        self._request = asked
        self._mask = mask
        self._number = -1
        """`sequence_number` of the last event."""

    def whole(self, body: bytes) -> bytes:
        """A complete answer."""
        return _encode(self._response(object_of(body), "completed"))

    def event(self, data: bytes) -> bytes:
        """An event with its name, since clients go by it."""
        given = object_of(data)
        kind = text_of(given.get("type"))
        if kind is None or "\n" in kind or "\r" in kind:
            raise Malformed("an event has no type")
        self._number = number_of(given.get("sequence_number"), self._number + 1)
        shown: dict[str, object] = {"type": kind, "sequence_number": self._number}
        for name, raw in given.items():
            if name in _EVENT_MEMBERS:
                shown[name] = raw
            elif name == "response":
                shown[name] = self._response(object_of(raw), _STATUSES.get(kind, "completed"))
            elif name == "item":
                shown[name] = (
                    NULL if missing(raw) else self._item(raw, number_of(given.get("output_index")), kind)
                )
            elif name == "part":
                shown[name] = _part(raw)
        if kind.endswith(".delta"):
            shown.setdefault("delta", "")
        return b"event: %b\ndata: %b\n\n" % (kind.encode(), _encode(shown))

    def failure(self, data: bytes) -> bytes:
        """An `error` event, masked, in the flat and in the nested form, for clients read either."""
        given = object_of(data)
        self._number = number_of(given.get("sequence_number"), self._number + 1)
        flat = {name: given[name] for name in ("code", "message") if name in given}
        error = given.get("error")
        known = Raw(_encode(flat)) if missing(error) or not isinstance(error, Raw) else error
        told = self._mask(known)
        shown: dict[str, object] = {"type": "error", "sequence_number": self._number}
        if isinstance(told, dict):
            shown |= {"code": told["code"], "message": told["message"], "param": None}
        shown["error"] = told
        return b"event: error\ndata: %b\n\n" % _encode(shown)

    def _response(self, given: dict[str, Raw], status: str) -> dict[str, object]:
        status = text_of(given.get("status")) or status
        shown: dict[str, object] = {
            "id": text_of(given.get("id")) or f"resp_{self._ident}",
            "object": "response",
            "created_at": number_of(given.get("created_at")),
            "status": status,
            "model": self._alias,
            "output": self._output(given.get("output"), status),
            "error": NULL if missing(given.get("error")) else self._mask(given["error"]),
            "usage": of_response(given.get("usage")),
        }
        for name, default in _DEFAULTS.items():
            raw = given.get(name)
            if raw is None:
                raw = self._echo(name)
            kept = default if missing(raw) or raw is None else raw
            shown[name] = _tools(kept) if name == "tools" else kept
        for name in _MORE:
            if name in given:
                shown[name] = given[name]
        return shown

    def _echo(self, name: str) -> Raw | None:
        """What the request said."""
        if self._asked is None:
            try:
                self._asked = object_of(self._request)
            except Malformed:
                self._asked = {}
        return None if name in _FOUND_ONLY else self._asked.get(name)

    def _output(self, raw: Raw | None, status: str) -> list[object]:
        if raw is None or missing(raw):
            if status not in _BARE:
                raise Malformed("a response has no output")
            return []
        kind = "response.created" if status in _UNFINISHED else "response.completed"
        return [self._item(item, at, kind) for at, item in enumerate(list_of(raw))]

    def _item(self, raw: Raw, at: int, event: str) -> object:
        given = object_of(raw)
        kind = text_of(given.get("type"))
        if kind is None:
            raise Malformed("an item has no type")
        if kind not in _ITEMS:
            return raw
        begun = event in ("response.output_item.added", "response.created")
        shown: dict[str, object] = {name: given[name] for name in _ITEMS[kind] if name in given}
        shown["id"] = text_of(given.get("id")) or f"{_PREFIXES[kind]}_{self._ident}_{at}"
        if kind != "reasoning":
            shown["status"] = text_of(given.get("status")) or ("in_progress" if begun else "completed")
        if kind == "message":
            shown["role"] = text_of(given.get("role")) or "assistant"
            shown["content"] = self._content(given.get("content"), begun=begun)
        elif kind == "function_call":
            if text_of(given.get("name")) is None:
                raise Malformed("a call names no function")
            arguments: Kept = given.get("arguments", NULL)
            shown["call_id"] = text_of(given.get("call_id")) or shown["id"]
            shown["arguments"] = "" if begun and missing(arguments) else arguments
            if not begun:
                shown["arguments"] = arguments_of(arguments)
        elif kind == "reasoning":
            summary = given.get("summary", NULL)
            shown["summary"] = [] if missing(summary) else [_part(part) for part in list_of(summary)]
            if not missing(given.get("content")):
                shown["content"] = [_part(part) for part in list_of(given["content"])]
        return shown

    @staticmethod
    def _content(raw: Raw | None, *, begun: bool) -> list[object]:
        if raw is None or missing(raw):
            if not begun:
                raise Malformed("a message has no content")
            return []
        return [_part(part) for part in list_of(raw)]


def _part(raw: Raw) -> object:
    given = object_of(raw)
    kind = text_of(given.get("type"))
    if kind is None:
        raise Malformed("a part has no type")
    if kind not in _PARTS:
        return raw
    if not starts(given.get(_TEXTS[kind]), b'"'):
        raise Malformed("a part has no text")
    shown: dict[str, object] = {name: given[name] for name in _PARTS[kind] if name in given}
    if kind == "output_text":
        for name in ("annotations", "logprobs"):
            if missing(given.get(name)):
                shown[name] = []
    return shown


def _tools(raw: Raw) -> object:
    """Functions with all their keys; whatever else there is as it came."""
    if bytes(raw) == _NO_TOOLS:
        return raw
    return [_tool(each) for each in list_of(raw)]


def _tool(raw: Raw) -> object:
    given = object_of(raw)
    if text_of(given.get("type")) != "function":
        return raw
    return {**dict.fromkeys(_OF_A_FUNCTION, NULL), **given}
