"""`/ai/v1/responses` on models whose servers know only chat completions (decision 0037).

The row keeps the client's own request and the chat completion that the server answered; whoever reads it back gets what
the client got, for the same translation makes it (requests/render.py).
"""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import msgspec

from dwctl.gateway.dialect import Translated
from dwctl.gateway.reshape import Reshape
from dwctl.requests.record import Record
from dwctl.wire.errors import Problem, Refused
from dwctl.wire.sse import data_of, events
from dwctl.wire.translate.chats import counted
from dwctl.wire.translate.echo import Call, echo_of
from dwctl.wire.translate.problems import problem_of_reply, renamed
from dwctl.wire.translate.reply import response_of
from dwctl.wire.translate.request import chat_request
from dwctl.wire.translate.stream import BROKEN_OFF, Ended, ResponseStream

KEEP_ALIVE = b": keep-alive\n\n"
_P = ParamSpec("_P")
_T = TypeVar("_T")
_encode = msgspec.json.Encoder().encode


class Responses:
    """The dialect. Implements `Dialect`."""

    def request(self, body: bytes) -> Translated:
        """The request for a chat completion."""
        return Translated(chat_request(body))

    def reshape(
        self, record: Record, asked: bytes, translated: Translated, now: Callable[[], float]
    ) -> Reshape:
        """The way back, for one call."""
        del translated
        return ResponsesReshape(record, asked, now)

    def refusal(self, problem: Problem) -> Problem:
        """An error of ours has that API's envelope already."""
        return problem


class ResponsesReshape:
    """From a chat completion to a response. Implements `Reshape`."""

    __slots__ = ("_asked", "_now", "_record", "_stream")

    def __init__(self, record: Record, asked: bytes, now: Callable[[], float]) -> None:
        self._record = record
        self._asked = asked
        self._now = now
        self._stream: ResponseStream | None = None

    def whole(self, status: int, body: bytes) -> tuple[int, bytes]:
        """A response, or an error that names the fields of that API."""
        if status < 300:
            at = self._record.completed_at = self._now()
            response = response_of(body, self._call(), echo_of(self._asked), int(at))
            if response is not None:
                return status, _encode(response)
            status = 502
        problem = problem_of_reply(status, body)
        return problem.status, problem.body()

    def feed(self, data: bytes) -> bytes:
        """The response's events for the completion's."""
        stream = self._events()
        return b"".join([stream.feed(data_of(event)) for event in events(data)])

    def end(self) -> bytes:
        """The last ones, where the upstream did not say that it had come to its end."""
        return self._events().end()

    def missing(self) -> Problem | None:
        """The reason of the end."""
        return BROKEN_OFF if self._events().unfinished else None

    def refusal(self, problem: Problem) -> Problem:
        """An error of ours."""
        return problem

    def last_event(self, problem: Problem) -> bytes:
        """`response.failed`, or `error` while there is no response yet."""
        return self._events().fail(problem)

    def keep_alive(self) -> bytes:
        """A comment: the protocol has no event for it."""
        return KEEP_ALIVE

    def _events(self) -> ResponseStream:
        if self._stream is None:
            self._stream = ResponseStream(self._call(), echo_of(self._asked), self._ended)
        return self._stream

    def _call(self) -> Call:
        record = self._record
        return Call(
            ident=record.id,
            created_at=int(record.created_at),
            model=record.model,
            background=record.background and record.origin != "batch",
            service_tier=record.service_tier,
        )

    def _ended(self) -> Ended:
        """The call has its end on record before its last event is made."""
        record = self._record
        usage = None
        if record.total_tokens is not None:
            usage = counted(
                record.prompt_tokens or 0,
                record.cached_tokens or 0,
                record.cache_write_tokens or 0,
                record.completion_tokens or 0,
                record.reasoning_tokens or 0,
            )
        return Ended(int(record.completed_at), usage)


def in_responses(step: Callable[_P, _T]) -> Callable[_P, _T]:
    """A step on the translated request, whose refusals name the fields that the client knows."""

    def renaming(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            return step(*args, **kwargs)
        except Refused as refusal:
            raise Refused(renamed(refusal.problem)) from refusal

    return renaming
