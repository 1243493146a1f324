"""What an upstream was not told of a call, put back into its answer's response object. Pure.

An upstream gets an expanded call without `previous_response_id` and `conversation`, and so says in its answer that
there are none. The client is told what it asked for, in the whole answer and in each event that carries the response.
"""

import msgspec

from dwctl.gateway.failures import last_event
from dwctl.gateway.relay import KEEP_ALIVE
from dwctl.gateway.routes import IdStyle
from dwctl.wire.errors import Problem
from dwctl.wire.splice import Member
from dwctl.wire.sse import data_of, events, with_data

_RESPONSE = b'"response"'
_response = Member("response")


class _Event(msgspec.Struct, gc=False):
    response: msgspec.Raw = msgspec.Raw(b"")


_read = msgspec.json.Decoder(_Event).decode


class Echo:
    """Implements `Reshape`; `echoed` are members by name, as JSON."""

    __slots__ = ("_first", "_last", "_members")

    def __init__(self, echoed: dict[str, bytes]) -> None:
        self._members = [(Member(name), value) for name, value in echoed.items()]
        self._first = b""
        """The first event that showed the response."""
        self._last = b""
        """The events that went on last."""

    def whole(self, status: int, body: bytes) -> tuple[int, bytes]:
        """An error has no response object."""
        return (status, body) if status >= 400 else (status, self._told(body))

    def feed(self, given: bytes) -> bytes:
        """Most events carry a piece of text and go on as they are."""
        if given.find(_RESPONSE) >= 0:
            given = b"".join([self._event(event) for event in events(given)])
        self._last = given
        return given

    def end(self) -> bytes:
        """Nothing is held back."""
        return b""

    def missing(self) -> Problem | None:
        """Whether an answer is complete is the upstream's to say."""
        return None

    def refusal(self, problem: Problem) -> Problem:
        """In our own words already."""
        return problem

    def last_event(self, problem: Problem) -> bytes:
        """With the response as the client knows it."""
        return last_event(problem, IdStyle.RESPONSE, self._first + self._last)

    def keep_alive(self) -> bytes:
        """A comment."""
        return KEEP_ALIVE

    def _told(self, response: bytes) -> bytes:
        for member, value in self._members:
            response = member.set(response, value)
        return response

    def _event(self, event: bytes) -> bytes:
        data = data_of(event)
        try:
            response = bytes(_read(data).response)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return event
        if not response.startswith(b"{"):
            return event
        told = with_data(event, _response.set(data, self._told(response)))
        self._first = self._first or told
        return told
