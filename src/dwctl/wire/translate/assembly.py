"""The output items of an answer as they come into being, with the events that tell of them (spec/wire-api §1.5, §1.6).

Pure. Whole and streamed answers are put together here, so that both give the same items. Thoughts and text come one
after the other: an item of the one kind ends when the other begins. Calls of functions may grow side by side and end
together with the answer, for a chat completion may add to any of them at any time. A call is shown once its name and
its id are known, and after those that began before it. One that the request forbids is never shown.

Ids are made of the row's id and the item's index, so they are the same whenever the answer is put together.
"""

from typing import Any

from dwctl.wire.translate.echo import Echo

Json = dict[str, Any]
_PAD = "................"
"""Cut so that the lengths of a delta and its padding add up to a multiple of its own."""


class _Text:
    """An item of thoughts or text that is still growing."""

    __slots__ = ("annotations", "at", "content", "ident", "kind", "logprobs", "part", "pieces")

    def __init__(self, kind: str, at: int, ident: str) -> None:
        self.kind = kind
        self.at = at
        self.ident = ident
        self.content: list[Json] = []
        """Parts that are whole."""
        self.part = ""
        """Type of the one that grows."""
        self.pieces: list[str] = []
        self.logprobs: list[Any] = []
        self.annotations: list[Json] = []


class _Called:
    """A call of a function, shown or waiting."""

    __slots__ = ("at", "call_id", "name", "pieces")

    def __init__(self) -> None:
        self.at = -1
        """Place in the output; -1 while it waits, -2 when it is forbidden."""
        self.call_id = ""
        self.name = ""
        self.pieces: list[str] = []


class Assembly:
    """One answer. Fed with what the model says, in its order; `events` are those that nobody has taken yet."""

    __slots__ = ("_by_key", "_calls", "_echo", "_ident", "_last_key", "_open", "_shown", "events", "items")

    def __init__(self, ident: str, echo: Echo) -> None:
        self._ident = ident
        self._echo = echo
        self.items: list[Json] = []
        """The output; those that are not done yet are as they were added."""
        self.events: list[Json] = []
        self._open: _Text | None = None
        self._calls: list[_Called] = []
        self._by_key: dict[object, _Called] = {}
        self._last_key: object = 0
        self._shown = 0
        """How many calls have left the waiting line."""

    def turn(self) -> None:
        """What follows is another answer to the same request."""
        self._close("completed")

    def think(self, text: str) -> None:
        """The model thinks."""
        if not text:
            return
        item = self._text_item("reasoning")
        if not item.part:
            self._begin_part(item, "summary_text" if self._echo.summarised else "reasoning_text")
        self._grow(item, text)

    def say(self, text: str, logprobs: list[Any]) -> None:
        """It says something."""
        if text or logprobs:
            item = self._message("output_text")
            item.logprobs += logprobs
            self._grow(item, text, logprobs)

    def refuse(self, text: str) -> None:
        """It declines."""
        if text:
            self._grow(self._message("refusal"), text)

    def cite(self, annotations: list[Json]) -> None:
        """Where what it says comes from."""
        for annotation in annotations:
            item = self._message("output_text")
            place = {**self._place(item), "annotation_index": len(item.annotations)}
            item.annotations.append(annotation)
            self._emit("response.output_text.annotation.added", place, annotation=annotation)

    def call(self, index: object, call_id: str, name: str, arguments: str) -> None:
        """It calls a function, or goes on doing so; `index` tells calls apart, where the server has one."""
        key = index if isinstance(index, int) else call_id or self._last_key
        self._last_key = key
        found = self._by_key.get(key)
        # Some servers give each call of a chunk the same index.
        if found is None or (call_id and name and found.pieces and call_id != found.call_id):
            found = self._by_key[key] = _Called()
            self._calls.append(found)
        found.call_id = found.call_id or call_id
        if found.at == -1 and not found.pieces:
            found.name += name
        if arguments:
            found.pieces.append(arguments)
            if found.at >= 0:
                self._emit(
                    "response.function_call_arguments.delta",
                    self._call_place(found),
                    **self._delta(arguments),
                )
        self._show(last=False)

    def finish(self, *, incomplete: bool) -> list[Json]:
        """The answer is over: everything that is open ends; the last item is incomplete if the answer is."""
        self._show(last=True)
        if not self.items:
            self._message("output_text")
        last = len(self.items) - 1
        if self._open is not None:
            self._close("incomplete" if incomplete and self._open.at == last else "completed")
        for called in self._calls:
            if called.at >= 0:
                self._end_call(called, "incomplete" if incomplete and called.at == last else "completed")
        return self.items

    def _emit(self, kind: str, place: Json, **fields: Any) -> None:
        self.events.append({"type": kind, **place, **fields})

    def _delta(self, text: str) -> Json:
        if not self._echo.obfuscated:
            return {"delta": text}
        return {"delta": text, "obfuscation": _PAD[len(text) % len(_PAD) :]}

    def _add(self, item: Json) -> int:
        """A new item at the end of the output."""
        at = len(self.items)
        self.items.append(item)
        self._emit("response.output_item.added", {"output_index": at}, item=item)
        return at

    def _text_item(self, kind: str) -> _Text:
        """The open item of this kind."""
        found = self._open
        if found is not None:
            if found.kind == kind:
                return found
            self._close("completed")
        at = len(self.items)
        ident = f"{'rs' if kind == 'reasoning' else 'msg'}_{self._ident}_{at}"
        item: Json = {"id": ident, "type": kind, "status": "in_progress"}
        item |= {"summary": []} if kind == "reasoning" else {"role": "assistant", "content": []}
        self._add(item)
        self._open = found = _Text(kind, at, ident)
        return found

    def _message(self, part: str) -> _Text:
        item = self._text_item("message")
        if item.part != part:
            self._end_part(item)
            self._begin_part(item, part)
        return item

    def _place(self, item: _Text) -> Json:
        index = "summary_index" if item.part == "summary_text" else "content_index"
        return {"item_id": item.ident, "output_index": item.at, index: len(item.content)}

    def _begin_part(self, item: _Text, part: str) -> None:
        item.part = part
        kind = (
            "response.reasoning_summary_part.added"
            if part == "summary_text"
            else "response.content_part.added"
        )
        self._emit(kind, self._place(item), part=_part_of(part, "", [], []))

    def _grow(self, item: _Text, text: str, logprobs: list[Any] | None = None) -> None:
        item.pieces.append(text)
        more = {"logprobs": logprobs or []} if item.part == "output_text" else {}
        self._emit(f"{_EVENTS[item.part]}.delta", self._place(item), **self._delta(text), **more)

    def _end_part(self, item: _Text) -> None:
        if not item.part:
            return
        text, place = "".join(item.pieces), self._place(item)
        part = _part_of(item.part, text, item.annotations, item.logprobs)
        more = {"logprobs": item.logprobs} if item.part == "output_text" else {}
        told = {"refusal": text} if item.part == "refusal" else {"text": text}
        self._emit(f"{_EVENTS[item.part]}.done", place, **told, **more)
        summary = item.part == "summary_text"
        self._emit(
            "response.reasoning_summary_part.done" if summary else "response.content_part.done",
            place,
            part=part,
        )
        item.content.append(part)
        item.part, item.pieces, item.logprobs, item.annotations = "", [], [], []

    def _close(self, status: str) -> None:
        """End the open item."""
        item, self._open = self._open, None
        if item is None:
            return
        self._end_part(item)
        done = {**self.items[item.at], "status": status}
        summary = item.kind == "reasoning" and self._echo.summarised
        done["summary" if summary else "content"] = item.content
        self._end(item.at, done)

    def _end(self, at: int, done: Json) -> None:
        self.items[at] = done
        self._emit("response.output_item.done", {"output_index": at}, item=done)

    def _show(self, *, last: bool) -> None:
        """Show the calls that wait, as far as they are known; at the `last` chance all of them."""
        while self._shown < len(self._calls):
            called = self._calls[self._shown]
            whole = called.pieces or self._shown + 1 < len(self._calls)
            if not last and not (called.name and called.call_id and whole):
                return
            self._shown += 1
            allowed = self._echo.allowed
            if allowed is not None and called.name not in allowed:
                called.at = -2
                continue
            self._begin_call(called)

    def _begin_call(self, called: _Called) -> None:
        self._close("completed")
        called.call_id = called.call_id or f"call_{self._ident}_{self._shown - 1}"
        called.at = self._add(
            {
                "id": f"fc_{self._ident}_{len(self.items)}",
                "type": "function_call",
                "status": "in_progress",
                "call_id": called.call_id,
                "name": called.name,
                "arguments": "",
            }
        )
        if called.pieces:
            place = self._call_place(called)
            self._emit("response.function_call_arguments.delta", place, **self._delta("".join(called.pieces)))

    def _call_place(self, called: _Called) -> Json:
        return {"item_id": self.items[called.at]["id"], "output_index": called.at}

    def _end_call(self, called: _Called, status: str) -> None:
        place = self._call_place(called)
        if not called.pieces and status == "completed":
            # Clients read arguments as JSON.
            called.pieces.append("{}")
            self._emit("response.function_call_arguments.delta", place, **self._delta("{}"))
        arguments = "".join(called.pieces)
        self._emit("response.function_call_arguments.done", place, name=called.name, arguments=arguments)
        self._end(called.at, {**self.items[called.at], "status": status, "arguments": arguments})


_EVENTS = {
    "output_text": "response.output_text",
    "refusal": "response.refusal",
    "reasoning_text": "response.reasoning_text",
    "summary_text": "response.reasoning_summary_text",
}


def _part_of(kind: str, text: str, annotations: list[Json], logprobs: list[Any]) -> Json:
    if kind == "refusal":
        return {"type": kind, "refusal": text}
    if kind == "output_text":
        return {"type": kind, "text": text, "annotations": annotations, "logprobs": logprobs}
    return {"type": kind, "text": text}
