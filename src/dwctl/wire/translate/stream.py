"""A streamed chat completion as the events of a streamed response (spec/wire-api §1.6). Pure, tolerant.

Nothing is told before the server's first chunk, so that a failure before it can still be an `error`; from then on a
failure is `response.failed` alone, for clients take an `error` for the end. The last event waits for the end of the
upstream's stream, since usage comes behind the reason of the end.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from dwctl.wire.errors import Problem
from dwctl.wire.loose import decoded, list_of, object_of, string_of
from dwctl.wire.translate.assembly import Assembly
from dwctl.wire.translate.chats import (
    annotations_of,
    arguments_of,
    calls_of,
    logprobs_of,
    text_of,
    thoughts_of,
    usage_of,
)
from dwctl.wire.translate.echo import Call, Echo, response_object
from dwctl.wire.translate.problems import failure_of, problem_of_error
from dwctl.wire.translate.reply import reason_of

Json = dict[str, Any]
DONE = b"data: [DONE]\n\n"
BROKEN_OFF = Problem(
    status=502,
    message="The model server's stream ended before the answer was complete.",
    type="server_error",
    code="upstream_error",
)
_encode = msgspec.json.Encoder().encode


class Ended(msgspec.Struct, frozen=True):
    """What is known of the call at its end."""

    completed_at: int
    usage: Json | None = None
    """Where the upstream told none."""


class ResponseStream:
    """One answer."""

    __slots__ = (
        "_assembly", "_call", "_echo", "_ended", "_number", "_over", "_reason", "_stopped", "_usage", "response",
    )  # fmt: skip

    def __init__(self, call: Call, echo: Echo, ended: Callable[[], Ended]) -> None:
        self._call = call
        self._echo = echo
        self._ended = ended
        self._assembly = Assembly(call.ident, echo)
        self._number = 0
        self._stopped = False
        """Whether the server has said why the answer ended."""
        self._over = False
        self._reason: str | None = None
        self._usage: Json | None = None
        self.response: Json | None = None
        """As it was told last; None before the first event."""

    @property
    def unfinished(self) -> bool:
        """Whether the answer is not there to its end."""
        return not self._over and not self._stopped

    def feed(self, data: bytes) -> bytes:
        """The events for one event's data."""
        if self._over or not data:
            return b""
        if data == b"[DONE]":
            return self._end()
        chunk = decoded(data)
        if not isinstance(chunk, dict):
            return b""
        if chunk.get("error"):
            return self.fail(problem_of_error(chunk["error"]))
        begun = b"" if self.response is not None else self._begin()
        told = usage_of(chunk.get("usage"))
        if told is not None:
            self._usage = told
        for choice in list_of(chunk.get("choices")):
            if isinstance(choice, dict):
                self._take(choice)
                break
        return begun + self._told()

    def end(self) -> bytes:
        """The upstream's stream is over: the last events, unless they have been told."""
        if self._over:
            return b""
        return self._end() if self._stopped else self.fail(BROKEN_OFF)

    def fail(self, problem: Problem) -> bytes:
        """The events of a stream that will not be complete."""
        if self._over:
            return b""
        self._over = True
        if self.response is None:
            flat = {"code": problem.code, "message": problem.message, "param": None}
            return self._event({"type": "error", **flat, "error": problem.inner()}) + DONE
        return self._response_event("failed", error=failure_of(problem)) + DONE

    def _begin(self) -> bytes:
        return self._response_event("in_progress", "created") + self._response_event("in_progress")

    def _take(self, choice: Json) -> None:
        assembly, delta = self._assembly, object_of(choice.get("delta"))
        assembly.think(thoughts_of(delta))
        assembly.say(text_of(delta), logprobs_of(choice))
        if delta.get("annotations"):
            assembly.cite(annotations_of(delta))
        assembly.refuse(string_of(delta.get("refusal")))
        for call in calls_of(delta):
            function = object_of(call.get("function"))
            name, ident = string_of(function.get("name")), string_of(call.get("id"))
            assembly.call(call.get("index"), ident, name, arguments_of(function))
        if isinstance(choice.get("finish_reason"), str):
            self._stopped = True
            self._reason = reason_of(choice)

    def _end(self) -> bytes:
        self._over = True
        begun = b"" if self.response is not None else self._begin()
        reason, ended = self._reason, self._ended()
        output = self._assembly.finish(incomplete=reason is not None)
        told = self._told()
        last = self._response_event(
            "completed" if reason is None else "incomplete",
            output=output,
            usage=self._usage or ended.usage,
            reason=reason,
            completed_at=ended.completed_at if reason is None else None,
        )
        return begun + told + last + DONE

    def _told(self) -> bytes:
        events = self._assembly.events
        if not events:
            return b""
        self._assembly.events = []
        return b"".join(map(self._event, events))

    def _response_event(self, status: str, name: str | None = None, **known: Any) -> bytes:
        self.response = response_object(self._call, self._echo, status, **known)
        return self._event({"type": f"response.{name or status}", "response": self.response})

    def _event(self, event: Json) -> bytes:
        event["sequence_number"] = self._number
        self._number += 1
        return b"event: %b\ndata: %b\n\n" % (event["type"].encode(), _encode(event))
