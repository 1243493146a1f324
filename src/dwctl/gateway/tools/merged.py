"""The answers of several rounds as one: its items, its events under one numbering, one beginning and one end. Pure.

Each round's answer is a response of its own under the call's id. Of the events the first round's beginning is passed
on, every item's at its place in the whole, and no end but the last. Ids that come again are told otherwise, for an item
has one id in a response: those that are made of a place (wire/translate/assembly.py) get the place in the whole.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from dwctl.wire.loose import decoded, list_of, object_of, string_of
from dwctl.wire.sse import data_of, events

Json = dict[str, Any]
DONE = b"data: [DONE]\n\n"
_ENDS = frozenset(
    {"response.completed", "response.incomplete", "response.failed", "response.cancelled", "error"}
)
_BEGINS = frozenset({"response.created", "response.queued", "response.in_progress"})
_encode = msgspec.json.Encoder().encode


class Merged:
    """One call's answer."""

    __slots__ = (
        "_done", "_names", "_number", "_offset", "_used", "begun", "end", "ident", "output", "response",
    )  # fmt: skip

    def __init__(self, ident: str) -> None:
        self.ident = ident
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

    def begin(self) -> None:
        """Another round."""
        self._offset = len(self.output)
        self._names = {}
        self._done = {}
        self.end = self.response = None

    def feed(self, data: bytes) -> bytes:
        """Whole events of the round, as the client gets them."""
        return b"".join([self._event(event) for event in events(data)])

    def whole(self, response: Json) -> None:
        """The round's answer came in one piece, or its last event has."""
        items = [item for item in list_of(response.get("output")) if isinstance(item, dict)]
        self.response = {**response, "output": items or [self._done[n] for n in sorted(self._done)]}

    def settle(self) -> tuple[list[Json], list[bytes]]:
        """The round's items are the answer's: as they are told, and as the next round is told of them."""
        items = [] if self.response is None else self.response["output"]
        told = [self._renamed(item, place) for place, item in enumerate(items)]
        # The model server knows its items by its own ids, but each call has an id of its own in the conversation.
        sent = [
            _encode({**item, "call_id": shown["call_id"]} if "call_id" in item else item)
            for item, shown in zip(items, told, strict=True)
        ]
        self.output += told
        for item in told:
            self._used.update(filter(None, (string_of(item.get("id")), string_of(item.get("call_id")))))
        return told, sent

    def unfolded(self, items: Iterable[Json]) -> bytes:
        """Events of items of a round that was not streamed; they are settled already."""
        told = []
        for index, item in enumerate(items, self._offset):
            begun = {**item, "status": "in_progress"} if "status" in item else item
            told += [self._of_item("added", index, begun), self._of_item("done", index, item)]
        return b"".join(told)

    def open_result(self, call_id: str) -> tuple[int, bytes]:
        """The result of a call of a tool that is run now: its place, and the event that tells of it."""
        index = len(self.output)
        item: Json = {
            "id": f"fco_{self.ident}_{index}",
            "type": "function_call_output",
            "status": "in_progress",
            "call_id": call_id,
            "output": "",
        }
        self.output.append(item)
        return index, self._of_item("added", index, item)

    def close_result(self, index: int, text: str) -> bytes:
        """It is there."""
        self.output[index] = item = {**self.output[index], "status": "completed", "output": text}
        return self._of_item("done", index, item)

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
        return self._numbered(self._placed(kind, members))

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
