"""A streamed chat completion as the events of a streamed message. Pure, tolerant.

A message's blocks come one after the other, while a chat completion may add to several tool calls in any order. So
one block at a time is open and sent as it comes; text and thoughts end when something else begins, a tool call not
before the end. What belongs behind an open tool call waits for it.
"""

from collections.abc import Collection
from typing import Any

from dwctl.wire.loose import decoded, error_text, list_of, object_of, string_of
from dwctl.wire.messages.problems import MessagesProblem, type_of
from dwctl.wire.messages.reply import first_choice, stop_of, text_of, thoughts_of, usage_of
from dwctl.wire.messages.shapes import (
    Block,
    BlockDelta,
    BlockStart,
    BlockStop,
    Event,
    Message,
    MessageDelta,
    MessageStart,
    MessageStop,
    TextBlock,
    ThinkingBlock,
    ToolUseBlock,
    Usage,
    event_bytes,
    named,
)

DONE = b"[DONE]"
BROKEN_OFF = MessagesProblem(
    status=502,
    message="The model server's stream ended before the answer was complete.",
    type=type_of(502),
    code="upstream_error",
)
_FIELDS = {"text": "text", "thinking": "thinking", "input_json": "partial_json"}


class _Part:
    """A block of the answer, begun or waiting."""

    __slots__ = ("ident", "kind", "name", "pieces", "tool")

    def __init__(self, kind: str, tool: int | None = None) -> None:
        self.kind = kind
        self.tool = tool
        self.ident = ""
        self.name = ""
        self.pieces: list[str] = []
        """What has not been sent yet."""


class MessageStream:
    """One answer."""

    __slots__ = (
        "_calls",
        "_ended",
        "_ident",
        "_index",
        "_model",
        "_open",
        "_parts",
        "_started",
        "_stop",
        "_stops",
        "_usage",
    )

    def __init__(self, ident: str, model: str, stops: Collection[str]) -> None:
        self._ident = ident
        self._model = model
        self._stops = stops
        self._started = False
        self._ended = False
        self._parts: list[_Part] = []
        """The block that is open or about to be, then those that wait for it."""
        self._open = False
        """Whether the first of them has been begun."""
        self._index = 0
        self._calls = False
        self._stop: tuple[str | None, str | None] = (None, None)
        self._usage = Usage()

    @property
    def unfinished(self) -> bool:
        """Whether the answer is not there to its end."""
        return not self._ended and self._stop[0] is None

    def feed(self, data: bytes) -> bytes:
        """The events for one event's data."""
        if self._ended or not data:
            return b""
        if data == DONE:
            return self._end()
        chunk = object_of(decoded(data))
        if chunk.get("error"):
            text = error_text(chunk["error"]) or "The model server failed."
            return self.fail(MessagesProblem(status=500, message=text, type=type_of(500)))
        if isinstance(chunk.get("usage"), dict):
            self._usage = usage_of(chunk["usage"])
        choice = first_choice(chunk)
        if choice is None:
            return b""
        events = self._start()
        self._take(object_of(choice.get("delta")))
        reason = stop_of(choice, self._stops, calls=self._calls)
        if reason[0] is not None:
            self._stop = reason
        return b"".join(map(event_bytes, [*events, *self._live()]))

    def end(self) -> bytes:
        """The upstream's stream is over: the last events, unless they have been sent."""
        if self._ended:
            return b""
        if self._stop[0] is not None:
            return self._end()
        return self.fail(BROKEN_OFF)

    def fail(self, problem: MessagesProblem) -> bytes:
        """The event that ends a stream which will not be complete."""
        if self._ended:
            return b""
        self._ended = True
        return named("error", problem.body())

    def _start(self) -> list[Event]:
        if self._started:
            return []
        self._started = True
        return [
            MessageStart(Message(id=f"msg_{self._ident}", model=self._model, content=[], usage=self._usage))
        ]

    def _take(self, delta: dict[str, Any]) -> None:
        """Sort what came into blocks."""
        for kind, text in (("thinking", thoughts_of(delta)), ("text", text_of(delta))):
            if text:
                self._of(kind).pieces.append(text)
        for number, call in enumerate(map(object_of, list_of(delta.get("tool_calls")))):
            index = call.get("index")
            part = self._of("input_json", index if isinstance(index, int) else number)
            function = object_of(call.get("function"))
            part.ident = part.ident or string_of(call.get("id"))
            part.name = part.name or string_of(function.get("name"))
            arguments = string_of(function.get("arguments"))
            if arguments:
                part.pieces.append(arguments)

    def _of(self, kind: str, tool: int | None = None) -> _Part:
        """The block that more of this kind belongs to."""
        if tool is None:
            if self._parts and self._parts[-1].kind == kind:
                return self._parts[-1]
        else:
            self._calls = True
            for part in self._parts:
                if part.tool == tool:
                    return part
        part = _Part(kind, tool)
        self._parts.append(part)
        return part

    def _live(self) -> list[Event]:
        """What can be sent now."""
        events: list[Event] = []
        while self._parts:
            part = self._parts[0]
            if part.tool is not None:
                # A name may come in a later chunk than the call; the block cannot begin without.
                if part.name:
                    self._send(events, part)
                break
            self._send(events, part)
            if len(self._parts) == 1:
                break
            self._close(events)
        return events

    def _send(self, events: list[Event], part: _Part) -> None:
        if not self._open:
            self._open = True
            events.append(BlockStart(self._index, self._block(part)))
        if part.pieces:
            delta = {"type": f"{part.kind}_delta", _FIELDS[part.kind]: "".join(part.pieces)}
            part.pieces.clear()
            events.append(BlockDelta(self._index, delta))

    def _block(self, part: _Part) -> Block:
        if part.tool is not None:
            return ToolUseBlock(part.ident or f"toolu_{self._ident}_{part.tool}", part.name)
        return TextBlock() if part.kind == "text" else ThinkingBlock()

    def _close(self, events: list[Event]) -> None:
        events.append(BlockStop(self._index))
        self._parts.pop(0)
        self._open = False
        self._index += 1

    def _end(self) -> bytes:
        self._ended = True
        events = self._start()
        while self._parts:
            self._send(events, self._parts[0])
            self._close(events)
        reason, sequence = self._stop
        delta = {
            "stop_reason": reason or ("tool_use" if self._calls else "end_turn"),
            "stop_sequence": sequence,
        }
        return b"".join(map(event_bytes, [*events, MessageDelta(delta, self._usage), MessageStop()]))
