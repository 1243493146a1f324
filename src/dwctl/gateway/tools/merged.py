"""The answers of several rounds as one: its items, its events under one numbering, one beginning and one end. Pure.

Each round's answer is a response of its own under the call's id. Of the events the first round's beginning is passed
on, every item's at its place in the whole, and no end but the last. Ids that come again are told otherwise, for an item
has one id in a response: those that are made of a place (wire/translate/assembly.py) get the place in the whole.

What the model calls of the server's tools is told as `mcp_call` (wire/hosted.py): an item that is done once the tool
has run, and has its result. A `function_call` would be the client's to answer, and clients try that.
"""

from collections.abc import Container
from typing import Any, NamedTuple

import msgspec

from dwctl.wire.hosted import call_item, is_open
from dwctl.wire.loose import decoded, list_of, object_of, string_of
from dwctl.wire.sse import data_of, events

Json = dict[str, Any]
DONE = b"data: [DONE]\n\n"
_ENDS = frozenset(
    {"response.completed", "response.incomplete", "response.failed", "response.cancelled", "error"}
)
_BEGINS = frozenset({"response.created", "response.queued", "response.in_progress"})
_encode = msgspec.json.Encoder().encode


class Calling(NamedTuple):
    """A call of a function among the items of a round."""

    place: int
    """In the whole."""
    call_id: str
    """By which the model server knows it."""
    name: str
    arguments: str
    ours: bool
    """Whether a tool of the server is called."""


class Merged:
    """One call's answer."""

    __slots__ = (
        "_done", "_names", "_number", "_offset", "_ours", "_tools", "_used", "begun", "end", "ident", "output",
        "response",
    )  # fmt: skip

    def __init__(self, ident: str, tools: Container[str] = ()) -> None:
        self.ident = ident
        self._tools = tools
        """Names of the server's tools."""
        self.output: list[Json] = []
        """All items so far, of rounds that have ended and of tools."""
        self.begun: Json | None = None
        """The response as it was shown at its beginning."""
        self.end: Json | None = None
        """The round's last event."""
        self.response: Json | None = None
        """The round's response, once it has ended."""
        self._number = 0
        self._offset = 0
        """Where the round's items begin."""
        self._names: dict[str, str] = {}
        """Ids of the round that are told otherwise."""
        self._used: set[str] = set()
        """Ids of earlier rounds."""
        self._done: dict[int, Json] = {}
        """Items of the round that are whole, by their place in it."""
        self._ours: set[int] = set()
        """Places in the round of what is told as a call of the server's tools."""

    def begin(self) -> None:
        """Another round."""
        self._offset = len(self.output)
        self._names = {}
        self._done = {}
        self._ours = set()
        self.end = self.response = None

    def feed(self, data: bytes) -> bytes:
        """Whole events of the round, as the client gets them."""
        return b"".join([self._event(event) for event in events(data)])

    def whole(self, response: Json) -> None:
        """The round's answer came in one piece, or its last event has."""
        items = [item for item in list_of(response.get("output")) if isinstance(item, dict)]
        self.response = {**response, "output": items or [self._done[n] for n in sorted(self._done)]}

    def settle(self) -> tuple[list[Calling], list[bytes]]:
        """The round's items are the answer's. Gives what it calls, and its items as the next round is told of them."""
        items = [] if self.response is None else self.response["output"]
        calls, sent = [], []
        for place, item in enumerate(items):
            named = self._renamed(item, place)
            # The model server knows its items by its own ids, but each call has an id of its own in the conversation.
            sent.append(_encode({**item, "call_id": named["call_id"]} if "call_id" in item else item))
            self._used.update(filter(None, (string_of(named.get("id")), string_of(named.get("call_id")))))
            ours = self._is_ours(item)
            if named.get("type") == "function_call":
                name, arguments = string_of(named.get("name")), string_of(named.get("arguments"))
                calls.append(
                    Calling(len(self.output), string_of(named.get("call_id")), name, arguments, ours)
                )
            self.output.append(self._as_call(item, place) if ours else named)
        return calls, sent

    def unfolded(self) -> bytes:
        """Events of the items of a round that was not streamed; they are settled already."""
        told = []
        for index in range(self._offset, len(self.output)):
            item = self.output[index]
            begun = {**item, "status": "in_progress"} if "status" in item else item
            told.append(self._of_item("added", index, begun))
            if is_open(item):
                told.append(self._of_call("in_progress", index))
            else:
                told.append(self._of_item("done", index, item))
        return b"".join(told)

    def close_call(self, index: int, text: str, status: str) -> bytes:
        """A tool has run, or will not; the model is told so much of it."""
        self.output[index] = item = {**self.output[index], "status": status, "output": text}
        step = "completed" if status == "completed" else "failed"
        return self._of_call(step, index) + self._of_item("done", index, item)

    def close_open(self) -> bytes:
        """No tool runs any more: calls that are not done stay as they are."""
        told = []
        for index, item in enumerate(self.output):
            if is_open(item):
                self.output[index] = {**item, "status": "incomplete"}
                told += [self._of_call("failed", index), self._of_item("done", index, self.output[index])]
        return b"".join(told)

    def closing(self, kind: str, response: Json) -> bytes:
        """The last event, and the stream's end."""
        return self._numbered({"type": kind, "response": response}) + DONE

    def error(self, members: Json) -> bytes:
        """An error before anything of the response was shown."""
        return self._numbered({**members, "type": "error"}) + DONE

    def _event(self, event: bytes) -> bytes:
        data = data_of(event)
        if not data.startswith(b"{"):
            # A comment lives; the end of a round's stream is not that of the answer.
            return event if event.startswith(b":") else b""
        members = object_of(decoded(data))
        kind = string_of(members.get("type"))
        if kind in _ENDS or not kind:
            if self.end is None and kind:
                self.end = members
                if kind != "error":
                    self.whole(object_of(members.get("response")))
            return b""
        if kind in _BEGINS:
            if self._offset:
                return b""
            self.begun = object_of(members.get("response"))
            return self._numbered(members)
        place = members.get("output_index")
        if isinstance(place, int):
            item = object_of(members.get("item"))
            if kind == "response.output_item.added" and self._is_ours(item):
                self._ours.add(place)
                begun = self._as_call(item, place)
                index = self._offset + place
                return self._of_item("added", index, begun) + self._of_call("in_progress", index)
            if place in self._ours:
                return self._of_arguments(kind, place, members)
        return self._numbered(self._placed(kind, members))

    def _of_arguments(self, kind: str, place: int, members: Json) -> bytes:
        """Of a call of ours: what the model says of it. It is done when the tool is."""
        if kind == "response.output_item.done":
            self._done[place] = object_of(members.get("item"))
        step = kind.removeprefix("response.function_call_arguments.")
        what = {"delta": "delta", "done": "arguments"}.get(step)
        if what is None:
            return b""
        told = {"type": f"response.mcp_call_arguments.{step}", **self._where(self._offset + place)}
        return self._numbered({**told, what: string_of(members.get(what))})

    def _placed(self, kind: str, members: Json) -> Json:
        """At its place in the whole."""
        place = members.get("output_index")
        if isinstance(place, int):
            item = members.get("item")
            if isinstance(item, dict):
                if kind == "response.output_item.done":
                    self._done[place] = item
                members["item"] = self._renamed(item, place)
            members["output_index"] = self._offset + place
        ident = members.get("item_id")
        if isinstance(ident, str):
            members["item_id"] = self._names.get(ident, ident)
        return members

    def _is_ours(self, item: Json) -> bool:
        return item.get("type") == "function_call" and string_of(item.get("name")) in self._tools

    def _as_call(self, item: Json, place: int) -> Json:
        """What the model calls of ours, as it is told until it has run."""
        return call_item(self._ident_of(self._offset + place), item)

    def _where(self, index: int) -> Json:
        return {"item_id": self._ident_of(index), "output_index": index}

    def _ident_of(self, index: int) -> str:
        return f"mcp_{self.ident}_{index}"

    def _of_call(self, step: str, index: int) -> bytes:
        return self._numbered({"type": f"response.mcp_call.{step}", **self._where(index)})

    def _renamed(self, item: Json, place: int) -> Json:
        named = dict(item)
        for field in ("id", "call_id"):
            ident = item.get(field)
            if isinstance(ident, str) and ident:
                named[field] = self._name(ident, place, placed=field == "id")
        return named

    def _name(self, ident: str, place: int, *, placed: bool) -> str:
        known = self._names.get(ident)
        if known is not None:
            return known
        index = self._offset + place
        suffix = f"_{self.ident}_{place}"
        if placed and self._offset and ident.endswith(suffix):
            name = f"{ident.removesuffix(suffix)}_{self.ident}_{index}"
        else:
            name = f"{ident}_{index}" if ident in self._used else ident
        self._names[ident] = name
        return name

    def _of_item(self, what: str, index: int, item: Json) -> bytes:
        return self._numbered({"type": f"response.output_item.{what}", "output_index": index, "item": item})

    def _numbered(self, members: Json) -> bytes:
        members["sequence_number"] = self._number
        self._number += 1
        kind = string_of(members["type"]).replace("\n", "").replace("\r", "")
        return b"event: %b\ndata: %b\n\n" % (kind.encode(), _encode(members))


def summed(one: object, other: object) -> Any:
    """Usage of several rounds: numbers are added, whatever either has is there."""
    if isinstance(one, dict) and isinstance(other, dict):
        return {
            name: summed(one.get(name), other.get(name))
            for name in (*one, *(n for n in other if n not in one))
        }
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one + other
    return other if one is None else one
