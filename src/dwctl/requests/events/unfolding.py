"""The events that are made here: the first two and the last one of every log, and those between when the model server
did not stream. Pure.

All are functions of a call's row, so whoever reads the log, at whatever time and in whatever process, is shown the
same. A response that was cancelled ends with `response.incomplete`, for no protocol has an event of its own for it; its
status says `cancelled`.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from dwctl.requests.events.numbering import event
from dwctl.requests.record import State
from dwctl.requests.render import response_object
from dwctl.requests.store import StoredRequest

DONE = b"data: [DONE]\n\n"
_encode = msgspec.json.Encoder().encode
_LAST = {"completed": "response.completed", "failed": "response.failed"}

Event = tuple[str, dict[str, Any]]


def numbered(kind: str, number: int, members: dict[str, Any]) -> bytes:
    """One event."""
    return event(kind, _encode({"type": kind, "sequence_number": number, **members}))


def opening(row: StoredRequest, after: int) -> bytes:
    """The first two events, without those up to the number `after`."""
    waiting = msgspec.structs.replace(
        row, state=State.PENDING, running=False, response=None, completed_at=None, status_code=None
    )
    shown = response_object(waiting)
    kinds = ("response.created", "response.queued")
    return b"".join(
        numbered(kind, number, {"response": shown}) for number, kind in enumerate(kinds) if number > after
    )


def closing(row: StoredRequest, number: int) -> bytes:
    """The last event of a call that has ended."""
    shown = response_object(row)
    kind = _LAST.get(shown["status"], "response.incomplete")
    return numbered(kind, number, {"response": shown})


def unfolded(row: StoredRequest, first: int) -> list[bytes]:
    """The events of a call that has completed, as if it had been streamed, but for the first two and the last."""
    shown = response_object(row)
    begun = shown | {"status": "in_progress", "output": [], "usage": None, "completed_at": None}
    begun["incomplete_details"] = None
    found: list[Event] = [("response.in_progress", {"response": begun})]
    for index, item in enumerate(shown["output"]):
        if isinstance(item, dict):
            found += _of_item(index, item)
    return [numbered(kind, number, members) for number, (kind, members) in enumerate(found, first)]


def _of_item(index: int, item: dict[str, Any]) -> Iterator[Event]:
    place = {"output_index": index}
    begun = dict(item)
    if "status" in item:
        begun["status"] = "in_progress"
    inner: list[Event] = []
    where = {"item_id": item.get("id"), "output_index": index}
    match item.get("type"):
        case "message":
            begun["content"] = []
            for number, part in enumerate(_parts(item.get("content"))):
                inner += _of_part({**where, "content_index": number}, part)
        case "mcp_call":
            begun |= {"output": None, "error": None}
            ended = "completed" if item.get("status") == "completed" else "failed"
            inner += [(f"response.mcp_call.{step}", where) for step in ("in_progress", ended)]
        case "function_call":
            begun["arguments"] = ""
            arguments = item.get("arguments")
            name = "response.function_call_arguments"
            if arguments:
                inner.append((f"{name}.delta", {**where, "delta": arguments}))
            inner.append((f"{name}.done", {**where, "name": item.get("name"), "arguments": arguments}))
        case "reasoning":
            begun["summary"] = []
            for number, part in enumerate(_parts(item.get("summary"))):
                inner += _of_summary({**where, "summary_index": number}, part)
            if item.get("content"):
                begun["content"] = []
            for number, part in enumerate(_parts(item.get("content"))):
                inner += _of_text({**where, "content_index": number}, "reasoning_text", "text", part)
        case _:
            pass
    yield "response.output_item.added", {**place, "item": begun}
    yield from inner
    yield "response.output_item.done", {**place, "item": item}


def _parts(value: Any) -> list[dict[str, Any]]:
    return [part for part in value if isinstance(part, dict)] if isinstance(value, list) else []


def _of_part(where: dict[str, Any], part: dict[str, Any]) -> Iterator[Event]:
    empty = dict(part)
    inner: list[Event] = []
    match part.get("type"):
        case "output_text":
            empty |= {"text": "", "annotations": [], "logprobs": []}
            inner += _of_text(where, "output_text", "text", part)
        case "refusal":
            empty["refusal"] = ""
            inner += _of_text(where, "refusal", "refusal", part)
        case _:
            pass
    yield "response.content_part.added", {**where, "part": empty}
    yield from inner
    yield "response.content_part.done", {**where, "part": part}


def _of_summary(where: dict[str, Any], part: dict[str, Any]) -> Iterator[Event]:
    yield "response.reasoning_summary_part.added", {**where, "part": {**part, "text": ""}}
    yield from _of_text(where, "reasoning_summary_text", "text", part)
    yield "response.reasoning_summary_part.done", {**where, "part": part}


def _of_text(where: dict[str, Any], name: str, member: str, part: dict[str, Any]) -> Iterator[Event]:
    text = part.get(member)
    logprobs = {"logprobs": part.get("logprobs") or []} if name == "output_text" else {}
    if text:
        yield f"response.{name}.delta", {**where, "delta": text, **logprobs}
    if name == "output_text":
        for number, annotation in enumerate(part.get("annotations") or ()):
            shown = {**where, "annotation_index": number, "annotation": annotation}
            yield "response.output_text.annotation.added", shown
    yield f"response.{name}.done", {**where, member: text or "", **logprobs}
