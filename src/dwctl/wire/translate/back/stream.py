"""The events of a streamed response as the chunks of a chat completion. Pure, tolerant.

Nothing is told before there is something to tell: a response that fails at its beginning has shown nothing, and a pool
can ask another target. Servers that tell something whole and not in pieces are heard out too.
"""

from collections.abc import Callable, Hashable
from typing import Any

import msgspec

from dwctl.wire.loose import decoded, list_of, object_of, string_of
from dwctl.wire.translate.back.chunks import REFUSAL, SUMMARY, TEXT, THOUGHT, Chunks, Place
from dwctl.wire.translate.back.problems import problem_of_failure

Json = dict[str, Any]
_DONE = b"data: [DONE]\n\n"


class ChunkStream:
    """One answer."""

    __slots__ = ("_chunks", "ended")

    def __init__(self) -> None:
        self._chunks = Chunks()
        self.ended = False
        """Whether the last chunk, or an error in its place, has been told."""

    def feed(self, data: bytes) -> bytes:
        """The chunks for one event's data."""
        if self.ended or not data:
            return b""
        event, chunks = object_of(decoded(data)), self._chunks
        kind = string_of(event.get("type"))
        step = _STEPS.get(kind)
        if step is not None:
            step(chunks, event)
        elif kind in _ENDS:
            self._end(kind, object_of(event.get("response")))
        elif kind == "error" or event.get("error"):
            self._fail(event.get("error") or event)
        told, chunks.out = chunks.out, []
        return b"".join(told)

    def _end(self, kind: str, response: Json) -> None:
        chunks = self._chunks
        chunks.note(response)
        if kind == "response.failed" or response.get("status") == "failed":
            if chunks.begun:
                # Of what nobody was told nothing is charged either.
                chunks.count(response)
            self._fail(response.get("error"))
            return
        chunks.end(response)
        chunks.out.append(_DONE)
        self.ended = True

    def _fail(self, error: object) -> None:
        """The code is the status, by which whoever reads a stream can tell what it is."""
        problem = problem_of_failure(error)
        problem = msgspec.structs.replace(problem, code=str(problem.status))
        self._chunks.out.append(b"data: %b\n\n" % problem.body())
        self.ended = True


_ENDS = frozenset({"response.completed", "response.incomplete", "response.failed"})


def _note(chunks: Chunks, event: Json) -> None:
    chunks.note(object_of(event.get("response")))


def _added(chunks: Chunks, event: Json) -> None:
    item = object_of(event.get("item"))
    if item.get("type") == "function_call":
        chunks.call(_item_at(event), item)


def _done(chunks: Chunks, event: Json) -> None:
    chunks.item(_item_at(event), object_of(event.get("item")))


def _cited(chunks: Chunks, event: Json) -> None:
    chunks.cite(_at(event, "content_index"), event.get("annotation"))


def _argued(chunks: Chunks, event: Json) -> None:
    chunks.argue(_item_at(event), string_of(event.get("delta")))


def _all_argued(chunks: Chunks, event: Json) -> None:
    chunks.fill_arguments(_item_at(event), string_of(event.get("arguments")))


def _grown(kind: str, index: str = "content_index") -> Callable[[Chunks, Json], None]:
    def step(chunks: Chunks, event: Json) -> None:
        text, logprobs = string_of(event.get("delta")), list_of(event.get("logprobs"))
        chunks.grow(kind, _at(event, index), text, logprobs)

    return step


def _whole(kind: str, index: str = "content_index", text: str = "text") -> Callable[[Chunks, Json], None]:
    def step(chunks: Chunks, event: Json) -> None:
        chunks.fill(kind, _at(event, index), string_of(event.get(text)), list_of(event.get("logprobs")))

    return step


def _item_at(event: Json) -> Hashable:
    index = event.get("output_index")
    return index if isinstance(index, int) else string_of(event.get("item_id"))


def _at(event: Json, name: str) -> Place:
    index = event.get(name)
    return _item_at(event), index if isinstance(index, int) else 0


_STEPS: dict[str, Callable[[Chunks, Json], None]] = {
    "response.created": _note,
    "response.queued": _note,
    "response.in_progress": _note,
    "response.output_item.added": _added,
    "response.output_item.done": _done,
    "response.output_text.delta": _grown(TEXT),
    "response.output_text.done": _whole(TEXT),
    "response.output_text.annotation.added": _cited,
    "response.refusal.delta": _grown(REFUSAL),
    "response.refusal.done": _whole(REFUSAL, text="refusal"),
    "response.reasoning_text.delta": _grown(THOUGHT),
    "response.reasoning_text.done": _whole(THOUGHT),
    "response.reasoning.delta": _grown(THOUGHT),
    "response.reasoning.done": _whole(THOUGHT),
    "response.reasoning_summary_text.delta": _grown(SUMMARY, "summary_index"),
    "response.reasoning_summary_text.done": _whole(SUMMARY, "summary_index"),
    "response.function_call_arguments.delta": _argued,
    "response.function_call_arguments.done": _all_argued,
}
