"""The input of a stored call as a list of items (spec/wire-api §1.5, §2.6). Pure.

A call on `/v1/responses` said items already, in their short forms too; they are written out. The messages of a chat,
the prompt of a completion and the texts of other calls become the items that mean the same. Every item has an id: its
own where the client gave it one that no other item has, else one made of the row's id and the item's place, the same
at every reading. Tolerant: what is no item is left out, as nobody could read it.
"""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from dwctl.requests.reassemble import object_of

PREFIXES = {
    "message": "msg",
    "function_call": "fc",
    "function_call_output": "fco",
    "reasoning": "rs",
    "compaction": "cmp",
    "mcp_call": "mcp",
}
_ROLES = frozenset({"user", "assistant", "system", "developer"})
_TEXTS = frozenset({"text", "input_text", "output_text"})
Item = dict[str, Any]


def input_items(request_id: UUID, request: bytes | None) -> list[Item]:
    """The items in their order, oldest first, each with its id."""
    return named(request_id, asked_items(request))


def asked_items(request: bytes | None) -> list[Item]:
    """The same without ids that were not given."""
    asked = object_of(request or b"") or {}
    if isinstance(asked.get("messages"), list):
        return [item for message in asked["messages"] for item in _of_message(message)]
    return items_of(asked.get("input", asked.get("prompt")))


def items_of(given: Any) -> list[Item]:
    """What `input` says, written out, without ids that were not given."""
    if isinstance(given, str):
        return [_message("user", given)]
    return [item for one in given if (item := written(one)) is not None] if isinstance(given, list) else []


def named(request_id: UUID, items: Iterable[Item], side: str = "i") -> list[Item]:
    """The items, each with its id, type and status first; `side` is `i` for what went in, `o` for what came out."""
    seen: set[str] = set()
    done = []
    for index, item in enumerate(items):
        kind = item["type"]
        ident = item.get("id")
        if not isinstance(ident, str) or not ident or ident in seen:
            ident = f"{PREFIXES.get(kind, 'item')}_{request_id}_{side}{index}"
            while ident in seen:
                # The client has given one like ours to another item.
                ident += "_"
        seen.add(ident)
        first: Item = {"id": ident, "type": kind}
        if kind != "item_reference":
            first["status"] = item.get("status") or "completed"
        done.append(first | {name: value for name, value in item.items() if name not in first})
    return done


def written(given: Any) -> Item | None:
    """An item written out; None for what is none."""
    if isinstance(given, str):
        # Texts to embed, or prompts.
        return _message("user", given)
    if not isinstance(given, dict):
        return None
    kind = given.get("type", "message")
    if kind != "message":
        return {**given, "type": kind} if isinstance(kind, str) else None
    made = _message(_role(given), given.get("content"))
    return {**given, **made}


def _role(given: dict[str, Any]) -> str:
    role = given.get("role")
    return role if isinstance(role, str) and role in _ROLES else "user"


def _message(role: str, content: Any) -> Item:
    return {"type": "message", "role": role, "content": _parts(role, content)}


def _parts(role: str, content: Any) -> list[Any]:
    if content is None:
        return []
    given = content if isinstance(content, list) else [content]
    return [_part(role, part) for part in given]


def _part(role: str, part: Any) -> Any:
    if isinstance(part, str):
        part = {"type": "text", "text": part}
    if not isinstance(part, dict):
        return part
    kind = part.get("type")
    if isinstance(kind, str) and kind in _TEXTS:
        if role == "assistant":
            return {"annotations": [], "logprobs": [], **part, "type": "output_text"}
        return {**part, "type": "input_text"}
    if kind == "image_url":
        image = part.get("image_url")
        inner = image if isinstance(image, dict) else {"url": image}
        return {
            "type": "input_image",
            "image_url": inner.get("url"),
            "detail": inner.get("detail") or "auto",
        }
    if kind == "file" and isinstance(part.get("file"), dict):
        return {"type": "input_file", **part["file"]}
    return part


def _of_message(given: Any) -> list[Item]:
    """The items of one message of a chat."""
    if not isinstance(given, dict):
        return []
    role, content = given.get("role"), given.get("content")
    if role in ("tool", "function"):
        return [
            {
                "type": "function_call_output",
                "call_id": str(given.get("tool_call_id") or given.get("name") or ""),
                "output": content if isinstance(content, str) else _parts("user", content),
            }
        ]
    parts = _parts(_role(given), content)
    if isinstance(given.get("refusal"), str) and given["refusal"]:
        parts.append({"type": "refusal", "refusal": given["refusal"]})
    called = given.get("tool_calls")
    calls = [call for call in called if isinstance(call, dict)] if isinstance(called, list) else []
    items: list[Item] = []
    if parts or not calls:
        items.append({"type": "message", "role": _role(given), "content": parts})
    for number, call in enumerate(calls):
        function = call.get("function")
        function = function if isinstance(function, dict) else {}
        items.append(
            {
                "type": "function_call",
                "call_id": str(call.get("id") or f"call_{number}"),
                "name": str(function.get("name") or ""),
                "arguments": str(function.get("arguments") or ""),
            }
        )
    return items
