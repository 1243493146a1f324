"""The answer of a call with tools on its way to the client."""

from collections.abc import Callable

from dwctl.gateway.relay import KEEP_ALIVE
from dwctl.gateway.reply import connection_line
from dwctl.requests.record import Recording
from dwctl.wire.exchange import Exchange
from dwctl.wire.sse import events

_FRAMING = frozenset({b"connection", b"content-length", b"transfer-encoding"})


class Reply:
    """One. What ends it goes out once the record's end is in the spool."""

    __slots__ = ("_exchange", "_recording", "begun")

    def __init__(self, exchange: Exchange, recording: Recording) -> None:
        self._exchange: Exchange | None = exchange
        self._recording = recording
        self.begun = False
        """Whether the head of a stream has gone out."""

    def open(self, head: bytes, on_writable: Callable[[bool], None]) -> None:
        """A stream begins; `head` is that of the first round."""
        exchange = self._exchange
        self.begun = True
        if exchange is None:
            return
        framing = b"transfer-encoding: chunked\r\n" if exchange.chunked_ok else b""
        kept = exchange.keep_alive and exchange.chunked_ok
        exchange.on_writable = on_writable
        exchange.write(_lines(head) + framing + connection_line(exchange, keep_alive=kept) + b"\r\n")

    def write(self, told: bytes) -> None:
        """Whole events."""
        if told and self._exchange is not None:
            self._exchange.write(self._framed(told))

    def comment(self) -> None:
        """The stream lives."""
        self.write(KEEP_ALIVE)

    def end(self, told: bytes) -> None:
        """The last events."""
        exchange = self._exchange
        if exchange is not None:
            last = b"0\r\n\r\n" if exchange.chunked_ok else b""
            self._recording.after(self._hand_over, self._framed(told) + last, not exchange.chunked_ok)

    def whole(self, head: bytes, body: bytes) -> None:
        """A complete answer with the head of a round's."""
        exchange = self._exchange
        if exchange is not None:
            lines = _lines(head) + connection_line(exchange, keep_alive=exchange.keep_alive)
            answer = b"%bcontent-length: %d\r\n\r\n%b" % (lines, len(body), body)
            self._recording.after(self._hand_over, answer, False)

    def rendered(self, answer: bytes) -> None:
        """One that has its head."""
        self._recording.after(self._hand_over, answer, False)

    def leave(self) -> None:
        """The client is gone."""
        self._exchange = None

    def _framed(self, told: bytes) -> bytes:
        """Each event in a chunk of its own: some clients' readers forget half of one."""
        if self._exchange is None or not self._exchange.chunked_ok:
            return told
        return b"".join([b"%x\r\n%b\r\n" % (len(event), event) for event in events(told)])

    def _hand_over(self, data: bytes, close: bool) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.on_abort = exchange.on_writable = None
            exchange.finish(data, close=close)


def _lines(head: bytes) -> bytes:
    """Status and fields of a round's head, without those that frame its body."""
    first, *rest = head.split(b"\r\n")
    kept = [line for line in rest if line.partition(b":")[0].lower() not in _FRAMING]
    return b"".join([line + b"\r\n" for line in (first, *kept)])
