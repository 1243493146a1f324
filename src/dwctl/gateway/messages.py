"""`/ai/v1/messages`: clients of Anthropic's Messages API on models that speak chat completions (decision 0025)."""

from collections.abc import Callable, Collection

import msgspec

from dwctl.gateway.dialect import Translated
from dwctl.gateway.reshape import Reshape
from dwctl.requests.record import Record
from dwctl.wire.errors import Problem
from dwctl.wire.messages.problems import MessagesProblem, in_messages, type_of
from dwctl.wire.messages.reply import message_of, problem_of_reply
from dwctl.wire.messages.request import chat_request
from dwctl.wire.messages.shapes import encoded, named
from dwctl.wire.messages.stream import BROKEN_OFF, MessageStream
from dwctl.wire.sse import data_of, events

PING = named("ping", b'{"type":"ping"}')


class Messages:
    """The dialect. Implements `Dialect`."""

    def request(self, body: bytes) -> Translated:
        """The request for a chat completion."""
        asked = chat_request(body)
        return Translated(msgspec.json.encode(asked), tuple(asked.stop or ()))

    def reshape(
        self, record: Record, asked: bytes, translated: Translated, now: Callable[[], float]
    ) -> Reshape:
        """The way back, for one call."""
        del asked, now
        return MessagesReshape(record.id, record.model, translated.stops)

    def refusal(self, problem: Problem) -> Problem:
        """An error of ours in that API's envelope."""
        return in_messages(problem)


class MessagesReshape:
    """From a chat completion to a message. Implements `Reshape`."""

    __slots__ = ("_ident", "_model", "_stops", "_stream")

    def __init__(self, ident: str, model: str, stops: Collection[str]) -> None:
        self._ident = ident
        self._model = model
        self._stops = stops
        self._stream: MessageStream | None = None

    def whole(self, status: int, body: bytes) -> tuple[int, bytes]:
        """A message, or an error in that API's envelope."""
        if status < 300:
            message = message_of(body, self._ident, self._model, self._stops)
            if message is not None:
                return status, encoded(message)
            text = "The model server's answer is no chat completion."
            problem = MessagesProblem(status=502, message=text, type=type_of(502))
        else:
            problem = problem_of_reply(status, body)
        return problem.status, problem.body()

    def feed(self, data: bytes) -> bytes:
        """The message's events for the completion's."""
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
        return in_messages(problem)

    def last_event(self, problem: Problem) -> bytes:
        """An event of the type `error`."""
        return self._events().fail(in_messages(problem))

    def keep_alive(self) -> bytes:
        """That API's own event for it."""
        return PING

    def _events(self) -> MessageStream:
        if self._stream is None:
            self._stream = MessageStream(self._ident, self._model, self._stops)
        return self._stream
