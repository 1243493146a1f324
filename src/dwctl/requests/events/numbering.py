"""The model server's events on their way into a call's log: those that are shown, under our numbers. Pure.

Not shown are those that we make ourselves from the call's row: the first two, and the last one, whose like ends the
log. An error is none of them either: a response that has begun ends with `response.failed`, and nothing else. What is
no event of a response, such as a comment, is dropped.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from dwctl.wire.answers.fields import FAULTS
from dwctl.wire.sse import data_of, events

FIRST = 2
"""The number of the first event of a log: two go before it."""
LAST_TYPES = frozenset(
    {"response.completed", "response.incomplete", "response.failed", "response.cancelled", "error"}
)
_OURS = frozenset({"response.created", "response.queued"})
_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_text = msgspec.json.Decoder(str).decode
_encode = msgspec.json.Encoder().encode


def event(kind: str, data: bytes) -> bytes:
    """One event on the wire; its data is JSON on one line."""
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), data)


class Numbering:
    """One attempt at a call."""

    __slots__ = ("_known", "ended", "next")

    def __init__(self, known: Mapping[str, Any]) -> None:
        self._known = {name: msgspec.Raw(_encode(value)) for name, value in known.items()}
        """Members of the response that are not the model server's to say."""
        self.next = FIRST
        self.ended = False
        """Whether the model server has said its last event."""

    def feed(self, data: bytes) -> list[bytes]:
        """Those of these whole events that are shown."""
        shown: list[bytes] = []
        for each in events(data):
            if self.ended:
                break
            one = self._event(data_of(each))
            if one:
                shown.append(one)
        return shown

    def _event(self, data: bytes) -> bytes:
        if not data.startswith(b"{"):
            return b""
        try:
            members = _decode(data)
            kind = _text(members.get("type", b"null"))
            if kind in _OURS:
                return b""
            if kind in LAST_TYPES:
                self.ended = True
                return b""
            if "response" in members:
                members["response"] = self._response(members["response"])
        except FAULTS:
            return b""
        if "\n" in kind or "\r" in kind:
            return b""
        members["sequence_number"] = msgspec.Raw(b"%d" % self.next)
        line = _encode(members)
        if b"\n" in line or b"\r" in line:
            line = msgspec.json.format(line, indent=-1)
        self.next += 1
        return event(kind, line)

    def _response(self, raw: msgspec.Raw) -> msgspec.Raw:
        """The response so far, as its client knows it."""
        return msgspec.Raw(_encode(_decode(raw) | self._known))
