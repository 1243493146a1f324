"""The chunks of a chat completion as they come into being: what of a response has been told, and what is new. Pure.

A part is what its events name: an item by its place in the output, and a piece of it. It may be told bit by bit, whole,
or both; what has been told is not told again.
"""

from collections.abc import Hashable
from typing import Any

import msgspec

from dwctl.wire.loose import list_of, object_of, string_of
from dwctl.wire.translate.back.reply import BETWEEN, call_of, finish_of, nested, tier_of, usage_of

Json = dict[str, Any]
Place = tuple[Hashable, Hashable]
"""Of an item, and of a part in it."""
TEXT, REFUSAL, THOUGHT, SUMMARY = "content", "refusal", "thought", "summary"
_ITEMS = {TEXT: "message", REFUSAL: "message", THOUGHT: "reasoning", SUMMARY: "reasoning"}
_encode = msgspec.json.Encoder().encode


class Chunks:
    """One answer. Fed with what the model says, in its order; `out` is what nobody has taken yet."""

    __slots__ = (
        "_base",
        "_calls",
        "_cited",
        "_ids",
        "_last_thought",
        "_said",
        "_thought_as",
        "_told",
        "begun",
        "out",
    )

    def __init__(self) -> None:
        self._base: Json = {"id": "", "object": "chat.completion.chunk", "created": 0, "model": ""}
        self.begun = False
        """Whether anything has been told."""
        self._told: set[str] = set()
        """Types of items of which something has been told."""
        self._said: dict[tuple[str, Hashable, Hashable], int] = {}
        """How many characters of each part have been told."""
        self._cited: dict[Place, int] = {}
        """How many sources of each part."""
        self._calls: dict[Hashable, int] = {}
        """Calls by the places of their items: which one it is."""
        self._ids: dict[str, Hashable] = {}
        """The places of the calls' items by the calls' own ids."""
        self._thought_as: dict[Hashable, str] = {}
        """Of each item of thoughts how it is told: some servers tell it as it is and summed up."""
        self._last_thought: object = None
        self.out: list[bytes] = []

    def note(self, response: Json) -> None:
        """What every chunk repeats."""
        for name, given in (("id", "id"), ("created", "created_at"), ("model", "model")):
            value = response.get(given)
            if isinstance(value, str | int | float):
                self._base[name] = value
        self._base |= tier_of(response)

    def grow(self, kind: str, place: Place, text: str, logprobs: list[Any] | None = None) -> None:
        """More of a part of text, refusal or thoughts."""
        if not text and not logprobs:
            return
        thinks = _ITEMS[kind] == "reasoning"
        if thinks and self._thought_as.setdefault(place[0], kind) != kind:
            return
        key = (kind, *place)
        self._said[key] = self._said.get(key, 0) + len(text)
        self._told.add(_ITEMS[kind])
        if not thinks:
            self._tell({kind: text}, logprobs=logprobs)
            return
        if self._last_thought not in (None, key):
            text = BETWEEN + text
        self._last_thought = key
        self._tell({"reasoning_content": text})

    def fill(self, kind: str, place: Place, text: str, logprobs: list[Any] | None = None) -> None:
        """All of such a part."""
        told = self._said.get((kind, *place), 0)
        self.grow(kind, place, text[told:], None if told else logprobs)

    def call(self, at: Hashable, item: Json) -> None:
        """A call of a function, as far as it is known."""
        call = call_of(item)
        function = call["function"]
        if at in self._calls:
            self.fill_arguments(at, function["arguments"])
        elif function["name"] and call["id"]:
            self._told.add("function_call")
            index = self._calls[at] = len(self._calls)
            self._ids.setdefault(call["id"], at)
            self._said["arguments", at, 0] = len(function["arguments"])
            self._tell({"tool_calls": [{"index": index, **call}]})

    def argue(self, at: Hashable, text: str) -> None:
        """More of a call's arguments; a call without a name yet is told when its item ends."""
        index = self._calls.get(at)
        if text and index is not None:
            self._said["arguments", at, 0] += len(text)
            self._tell({"tool_calls": [{"index": index, "function": {"arguments": text}}]})

    def fill_arguments(self, at: Hashable, text: str) -> None:
        """All of them."""
        self.argue(at, text[self._said.get(("arguments", at, 0), 0) :])

    def cite(self, place: Place, annotation: object) -> None:
        """One more source of a part of the text."""
        self._cited[place] = self._cited.get(place, 0) + 1
        self._tell({"annotations": [nested(annotation)]})

    def fill_citations(self, place: Place, annotations: list[Any]) -> None:
        """All of its sources."""
        for annotation in annotations[self._cited.get(place, 0) :]:
            self.cite(place, annotation)

    def item(self, at: Hashable, item: Json) -> None:
        """All of an item."""
        kind = item.get("type")
        if kind == "function_call":
            self.call(at, item)
        elif kind == "reasoning":
            for told, name in ((THOUGHT, "content"), (SUMMARY, "summary")):
                for number, part in enumerate(map(object_of, list_of(item.get(name)))):
                    self.fill(told, (at, number), string_of(part.get("text")))
        elif kind == "message":
            for number, part in enumerate(map(object_of, list_of(item.get("content")))):
                self._part((at, number), part)

    def end(self, response: Json) -> None:
        """The answer is over: what nobody told before, why it ended, and what it used."""
        told = frozenset(self._told)
        items = [object_of(item) for item in list_of(response.get("output"))]
        for number, item in enumerate(items):
            # Of a type that was told its items' own events told all, whatever places they named; but a call may have
            # been begun only, and is known by its id.
            if item.get("type") not in told:
                self.item(number, item)
            elif item.get("type") == "function_call":
                call = call_of(item)
                if call["id"] in self._ids:
                    self.fill_arguments(self._ids[call["id"]], call["function"]["arguments"])
        # A message without a text is another answer than none.
        silent = "message" not in self._told and any(item.get("type") == "message" for item in items)
        self._tell({"content": ""} if silent else {}, finish_of(response, calls=bool(self._calls)))
        self.count(response)

    def count(self, response: Json) -> None:
        """What it used, where that is known."""
        usage = usage_of(response)
        if usage is not None:
            self._send({**self._base, "choices": [], "usage": usage})

    def _part(self, place: Place, part: Json) -> None:
        if part.get("type") == "refusal":
            self.fill(REFUSAL, place, string_of(part.get("refusal")))
            return
        self.fill(TEXT, place, string_of(part.get("text")), list_of(part.get("logprobs")))
        self.fill_citations(place, list_of(part.get("annotations")))

    def _tell(self, delta: Json, finish: str | None = None, logprobs: list[Any] | None = None) -> None:
        if not self.begun:
            self.begun = True
            delta = {"role": "assistant", **delta}
        choice: Json = {"index": 0, "delta": delta, "finish_reason": finish}
        if logprobs:
            choice["logprobs"] = {"content": logprobs}
        self._send({**self._base, "choices": [choice]})

    def _send(self, chunk: Json) -> None:
        self.out.append(b"data: %b\n\n" % _encode(chunk))
