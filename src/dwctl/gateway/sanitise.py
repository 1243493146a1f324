"""An answer without what is only its provider's: other members, other names, other words (spec/gateway A1.14, A1.15).

It stands directly behind the upstream: the row and a reshape see what it let through, so that nothing it hid shows
again when the call is read back. Pure: bytes in, bytes out.

Two measures. In strict mode every answer of a typed route goes through the schema of its protocol, and one that does
not fit is not passed on. A model with `sanitize_responses` has its chat completions cleaned more leniently, and its
other answers of errors alone. An upstream that is trusted may speak of its errors in its own words.
"""

import msgspec
from msgspec import Raw

from dwctl.gateway.masking import (
    embedded_error,
    malformed,
    masked,
    masked_in_response,
    masked_in_stream,
    retry_after,
)
from dwctl.gateway.relay import DONE
from dwctl.gateway.upstream.response_head import Head
from dwctl.wire.answers.chat import ChatAnswer
from dwctl.wire.answers.completions import CompletionAnswer, EmbeddingAnswer
from dwctl.wire.answers.fields import Answer, Malformed, missing, object_of
from dwctl.wire.answers.responses import ResponseAnswer
from dwctl.wire.errors import Problem
from dwctl.wire.splice import Member
from dwctl.wire.sse import data_of, events, with_data

_response = Member("response")
_error = Member("error")
_DONE_EVENT = b"data: [DONE]\n\n"


class Sanitiser:
    """One for each call. `asked` is the request's body, `ident` the id of the row."""

    __slots__ = ("_alias", "_answer", "_strict", "broken", "trusted")

    def __init__(self, path: str, alias: str, ident: str, asked: bytes, *, strict: bool) -> None:
        self._alias = alias
        self._strict = strict
        self.trusted = False
        """Of the target whose answer begins; another target, another trust."""
        self.broken = False
        """Whether the stream has turned out to be malformed: nothing that follows is to be passed on."""
        self._answer: Answer | None = None
        if path == "/v1/chat/completions":
            self._answer = ChatAnswer(alias, ident, strict=strict)
        elif not strict:
            return
        elif path == "/v1/completions":
            self._answer = CompletionAnswer(alias, ident)
        elif path == "/v1/embeddings":
            self._answer = EmbeddingAnswer(alias)
        elif path == "/v1/responses":
            self._answer = ResponseAnswer(alias, ident, asked, self._error_of_response)

    @staticmethod
    def streams(head: Head) -> bool:
        """Whether an answer's events can be cleaned one by one; any other answer has to be whole first."""
        return head.events and not head.coded and head.status < 400

    def whole(self, head: Head, body: bytes) -> bytes | Problem:
        """The body for the client, or what it is told instead."""
        status = head.status
        if status >= 400:
            if self.trusted:
                return body
            return masked(status, strict=self._strict, headers=retry_after(head))
        if self._answer is None or (status >= 300 and not self._strict):
            return body if self.trusted else _masked_inside(body)
        try:
            if status >= 300 or head.coded:
                raise Malformed("it is no readable success")
            return self._answer.whole(body)
        except Malformed:
            return malformed(self._alias, strict=self._strict)

    def feed(self, data: bytes) -> bytes:
        """Events for the client, of one or more whole events. Comments and what has no data go."""
        if self.broken:
            return b""
        kept: list[bytes] = []
        for event in events(data):
            try:
                kept.append(self._event(event))
            except Malformed:
                if self._strict:
                    self.broken = True
                    break
        return b"".join(kept)

    def _event(self, event: bytes) -> bytes:
        answer = self._answer
        data = data_of(event)
        error, named = embedded_error(data)
        if error is not None:
            return self._error(data, error, named=named)
        if answer is None:
            return self._other(event, data)
        if not data:
            return b""
        if data == DONE:
            return _DONE_EVENT
        return answer.event(data)

    def _error(self, data: bytes, error: object, *, named: bool) -> bytes:
        """An error that takes the place of an event."""
        if self.trusted:
            return b"event: error\ndata: %b\n\n" % data if named else b"data: %b\n\n" % data
        if named and isinstance(self._answer, ResponseAnswer):
            return self._answer.failure(data)
        return b"data: %b\n\n" % masked_in_stream(error, strict=self._strict)

    def _other(self, event: bytes, data: bytes) -> bytes:
        """An event of a protocol that is cleaned of errors alone."""
        if self.trusted or data.find(b'"error"') < 0:
            return event
        try:
            response = object_of(data).get("response")
        except Malformed:
            return event
        if response is None:
            return event
        return with_data(event, _response.set(data, _masked_inside(bytes(response))))

    def _error_of_response(self, raw: Raw) -> object:
        return raw if self.trusted else masked_in_response(raw)


def _masked_inside(body: bytes) -> bytes:
    """An object whose `error`, if it reports one, has our words."""
    if body.find(b'"error"') < 0:
        return body
    try:
        error = object_of(body).get("error")
    except Malformed:
        return body
    if error is None or missing(error):
        return body
    return _error.set(body, msgspec.json.encode(masked_in_response(error)))
