"""Chats at a model server that knows only `/v1/responses` (decision 0044).

It stands directly at the server: what it hands on is a chat completion, and everybody behind it, from the fallback of
pools over masks and meters to the row, has to do with chats alone. So each attempt of a call is translated by what its
own target speaks, and whoever is asked by another protocol that is made of chats has these servers too.

Errors of the server keep their status. A response that failed is an error with the status that its code means.
"""

from collections.abc import Callable

import msgspec

from dwctl.gateway.reply import as_json
from dwctl.gateway.upstream.connection import Failure, Receiver
from dwctl.gateway.upstream.response_head import Head
from dwctl.routing.snapshot import Timeouts
from dwctl.wire.loose import decoded, object_of
from dwctl.wire.sse import Cutter, EventTooLarge, data_of, events
from dwctl.wire.translate.back.problems import NO_RESPONSE, problem_of_failure, problem_of_reply
from dwctl.wire.translate.back.reply import completion_of
from dwctl.wire.translate.back.stream import ChunkStream

_encode = msgspec.json.Encoder().encode


class ChatAnswers:
    """Implements `Receiver` before another one. `drop` ends the attempt at the server, `asked` is the client's body.

    Life: waiting → a stream, an answer that is read whole, or one that goes on as it comes → over.
    """

    __slots__ = (
        "_asked", "_cutter", "_drop", "_head", "_max", "_over", "_parts", "_receiver", "_size", "_stream", "deadline",
    )  # fmt: skip

    def __init__(
        self, receiver: Receiver, drop: Callable[[], None], asked: bytes, max_reply_bytes: int
    ) -> None:
        self.deadline = receiver.deadline
        self._receiver = receiver
        self._drop = drop
        self._asked = asked
        self._max = max_reply_bytes
        self._head: Head | None = None
        """Of an answer that is read whole."""
        self._parts: list[bytes] = []
        self._size = 0
        self._cutter = Cutter()
        self._stream: ChunkStream | None = None
        self._over = False

    @property
    def timeouts(self) -> Timeouts | None:
        """Those of the endpoint."""
        return self._receiver.timeouts

    def on_head(self, head: Head) -> None:
        """An answer begins."""
        if _goes_on(head):
            self._receiver.on_head(head)
        elif head.coded:
            self._break_off(Failure.MALFORMED, "its answer is compressed")
        elif head.events and head.status < 300:
            self._stream = ChunkStream()
            self._receiver.on_head(head)
        else:
            self._head = head

    def on_body(self, data: bytes) -> None:
        """More of it."""
        if self._over:
            return
        if self._stream is not None:
            try:
                whole = self._cutter.feed(data)
            except EventTooLarge:
                self._break_off(Failure.GARBAGE, "an event does not end")
                return
            self._feed(self._stream, whole)
        elif self._head is None:
            self._receiver.on_body(data)
        else:
            self._parts.append(data)
            self._size += len(data)
            if self._size > self._max:
                self._break_off(Failure.MALFORMED, "the answer is too large to be read")

    def on_quiet(self, seconds: float) -> None:
        """The server is silent."""
        if not self._over:
            self._receiver.on_quiet(seconds)

    def on_end(self) -> None:
        """The answer is whole."""
        if self._over:
            return
        stream, head = self._stream, self._head
        if stream is not None:
            self._feed(stream, self._cutter.rest())
            self._over = True
            if stream.ended:
                self._receiver.on_end()
            else:
                self._receiver.on_failure(Failure.CUT, "the stream ended before the response did")
        elif head is None:
            self._receiver.on_end()
        else:
            self._over = True
            self._receiver.on_whole(*self._turned(head, b"".join(self._parts)))

    def on_whole(self, head: Head, body: bytes) -> None:
        """The answer came in one piece."""
        if _goes_on(head):
            self._receiver.on_whole(head, body)
            return
        self.on_head(head)
        self.on_body(body)
        self.on_end()

    def on_failure(self, failure: Failure, detail: str) -> None:
        """There will be no whole answer."""
        if not self._over:
            self._over = True
            self._receiver.on_failure(failure, detail)

    def _feed(self, stream: ChunkStream, whole: bytes) -> None:
        told: list[bytes] = []
        for event in events(whole):
            data = data_of(event)
            if data:
                told.append(stream.feed(data))
            elif event.startswith(b":"):
                # A comment says that the stream lives, in whatever protocol.
                told.append(event)
        if out := b"".join(told):
            self._receiver.on_body(out)

    def _turned(self, head: Head, body: bytes) -> tuple[Head, bytes]:
        head = as_json(head)
        if head.status >= 400:
            problem = problem_of_reply(head.status, body, self._asked)
        else:
            response = object_of(decoded(body))
            completion = completion_of(response)
            if completion is not None:
                return head, _encode(completion)
            error = response.get("error")
            problem = problem_of_failure(error) if error else NO_RESPONSE
        return msgspec.structs.replace(head, status=problem.status), problem.body()

    def _break_off(self, failure: Failure, detail: str) -> None:
        """Read no more of it: it is no answer."""
        self._over = True
        self._drop()
        self._receiver.on_failure(failure, detail)


def _goes_on(head: Head) -> bool:
    """Whether an answer is for the client as it is: one that leads elsewhere, an error that cannot be read."""
    return 300 <= head.status < 400 or (head.coded and head.status >= 400)
