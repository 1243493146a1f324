"""One call from its admission to its record: the receiver of the upstream's answer.

Order of writing and sending: a call's start is in the spool before the request goes upstream; its end is there
before the last byte, or the event that tells a client to stop reading, goes to the client. So a process killed
at any moment leaves a row for every call that an upstream saw, and a complete one for every call answered.
"""

from typing import Final

from dwctl.gateway.chat_adapter import ChatAnswers
from dwctl.gateway.counts import ModelCounts
from dwctl.gateway.echo import Echo
from dwctl.gateway.failures import last_event, problem_of
from dwctl.gateway.keeping import shorten
from dwctl.gateway.masking import ACCOUNT
from dwctl.gateway.reckoning import Passed, reckoned
from dwctl.gateway.record import CLIENT_LEFT, complete, upstream_error
from dwctl.gateway.relay import KEEP_ALIVE, EventRelay
from dwctl.gateway.rendered import Rendered, Upstream
from dwctl.gateway.reply import announcing, as_json, as_ours, connection_line, opening, our_lines, whole
from dwctl.gateway.reshape import Reshape
from dwctl.gateway.routes import IdStyle, Route
from dwctl.gateway.sanitise import Sanitiser
from dwctl.gateway.surroundings import Surroundings
from dwctl.gateway.uploads.upload import Upload
from dwctl.gateway.upstream.connection import Failure, Receiver, Source
from dwctl.gateway.upstream.origin import Ticket
from dwctl.gateway.upstream.response_head import Head
from dwctl.requests.record import Record
from dwctl.routing.snapshot import Timeouts
from dwctl.usage.meter import NOTHING, of_reply, of_stream
from dwctl.usage.metered import Metered
from dwctl.usage.prices import Tariff
from dwctl.wire.errors import Problem, render
from dwctl.wire.exchange import Exchange
from dwctl.wire.sse import EventTooLarge, events
from dwctl.wire.stateful import Expanded

_HEADER_ONLY: Final = IdStyle.HEADER_ONLY


class Flight:
    """Implements `Receiver`. Holds its exchange until the answer has been handed over or the client has left."""

    __slots__ = (
        "_around", "_asked", "_body", "_commented", "_cors", "_dropped", "_exchange", "_first_byte", "_head",
        "_hide_usage", "_ident", "_overhead", "_passing", "_received", "_relay", "_request", "_reshape",
        "_route", "_sanitiser", "_size", "_straight", "_ticket", "_whole", "attempts", "counts", "deadline", "record",
        "recorded", "source", "tariff", "upload", "upstream",
    )  # fmt: skip

    def __init__(
        self,
        around: Surroundings,
        exchange: Exchange,
        route: Route,
        upstream: Upstream,
        record: Record,
        request: bytes,
        cors: bytes,
        *,
        hide_usage: bool,
        deadline: float,
        reshape: Reshape | None = None,
        sanitiser: Sanitiser | None = None,
    ) -> None:
        self._around = around
        self._exchange: Exchange | None = exchange
        self._asked = exchange.body
        self._received = exchange.received
        self._route = route
        self.upstream = upstream
        """Where the call is sent, or was sent last."""
        self.record = record
        self._ident = record.id.encode()
        self._request = request
        self._cors = cors
        self._hide_usage = hide_usage
        self.deadline = deadline
        self._reshape = reshape
        self.attempts = 1
        """How often the call was sent; told to the client when it is more than once."""
        upstream.load.active += 1
        self._sanitiser = sanitiser
        self.tariff: Tariff | None = None
        """What prices the call; None when it is free."""
        self.counts: ModelCounts | None = None
        """Those of its model and path, where they are known."""
        self.upload: Upload | None = None
        """What holds the client's body until the call has ended; closed then."""
        self.source: Source | None = None
        """That body for the target, when it is not part of the request's bytes."""
        self._ticket: Ticket | None = None
        self._head: Head | None = None
        self._relay: EventRelay | None = None
        self._passing = False
        """Whether the head has gone to the client and the body follows as it comes."""
        self._straight: Exchange | None = None
        """The exchange, while a stream's events go into chunks for the client as the relay gives them."""
        self._body: list[bytes] = []
        self._size = 0
        """Bytes of the answer's body so far."""
        self._dropped = 0
        """How many of them are not in `_body` any more."""
        self.recorded = False
        """Whether the call has its end."""
        self._whole = b""
        """The answer, while it waits for that to be in the spool."""
        self._first_byte: float | None = None
        self._overhead = 0.0
        self._commented = 0.0
        """When the client was told last that the stream is alive."""

    def expand(self, expanded: Expanded) -> None:
        """The upstream is asked more than the client said, and not told all that the client did."""
        self._asked = expanded.body
        # A translation tells what the client said by itself.
        if expanded.echoed and self._reshape is None:
            self._reshape = Echo(expanded.echoed)

    @property
    def timeouts(self) -> Timeouts | None:
        """The limits of time of the endpoint that is asked."""
        return self.upstream.target.timeouts

    def noted(self) -> None:
        """What it waited for is in the spool: its start, or the end of a call whose answer is whole."""
        answer, self._whole = self._whole, b""
        if answer:
            self._hand_over(answer, False)
        else:
            self.launch()

    def launch(self, receiver: Receiver | None = None) -> None:
        """Send the request; the call's start is in the spool. `receiver` stands in front of this flight."""
        if self._exchange is None:
            return
        if not self._overhead:
            self._overhead = (self._around.perf() - self._received) * 1000
        request, self._request = self._request, b""
        receiver = receiver or self
        if self.upstream.turned:
            receiver = ChatAnswers(receiver, self.drop, self._asked, self._around.max_reply_bytes)
        ticket = self._around.submit(self.upstream.address, request, receiver, self.source)
        if not self.recorded:
            self._ticket = ticket

    def assign(self, rendered: Rendered) -> None:
        """Another target, before anything of the first one's answer was handed over here."""
        self.upstream.load.active -= 1
        rendered.upstream.load.active += 1
        self.upstream, self.source = rendered.upstream, rendered.source
        self._request, self._hide_usage = rendered.request, rendered.hide_usage
        self._first_byte = None

    def drop(self) -> None:
        """The upstream's answer does not matter any more."""
        ticket, self._ticket = self._ticket, None
        if ticket is not None:
            ticket.cancel()

    def first_byte(self) -> None:
        """The upstream has begun, though nothing of it is handed over yet."""
        if self._first_byte is None:
            connection = None if self._ticket is None else self._ticket.connection
            self._first_byte = self._around.perf() if connection is None else connection.changed

    def heard(self) -> None:
        """An answer has begun to come; whether it is a good one its head tells."""
        onlooker, head = self._around.onlooker, self._head
        if onlooker is not None and head is not None and head.status < 400:
            onlooker.first(self.record)

    def on_head(self, head: Head) -> None:
        """The answer begins."""
        if self.upstream.announced:
            head = announcing(head, self.upstream)
        self._head = head
        if self._sanitiser is not None:
            self._sanitiser.trusted = self.upstream.target.trusted
        if head.events and not self._unreadable(head):
            if not head.coded:
                style = self._route.id_style if head.status < 400 else _HEADER_ONLY
                self._relay = EventRelay(style, b"resp_" + self._ident, hide_usage=self._hide_usage)
            self._open(head)
        elif self._route.media and not head.json and head.status < 400:
            self._open(head)

    def on_body(self, data: bytes) -> None:
        """More of the answer."""
        if self._first_byte is None:
            self.first_byte()
            if self._around.onlooker is not None:
                self.heard()
        if self._relay is not None:
            try:
                data = self._relay.feed(data)
            except EventTooLarge:
                self._break_off(Failure.GARBAGE, "an event does not end")
                return
            if not data:
                return
            straight = self._straight
            if straight is None or self._relay.ended:
                self._pass(data)
                return
            # The same in one step: this is where every token comes by.
            size = len(data)
            self._body.append(data)
            self._size += size
            if self._size > self._around.max_record_bytes:
                self._dropped = shorten(self._body, self._size, self._dropped)
            straight.write(b"%x\r\n%b\r\n" % (size, data))
        elif self._passing:
            self._pass(data)
        else:
            self._body.append(data)
            self._size += len(data)
            if self._size > self._around.max_reply_bytes and self._head is not None:
                if self._sanitiser is not None or self._reshape is not None:
                    self._break_off(Failure.MALFORMED, "the answer is too large to be read")
                    return
                self._open(self._head)
                parts, self._body, self._size = self._body, [], 0
                for part in parts:
                    self._pass(part)

    def on_quiet(self, seconds: float) -> None:
        """The upstream is silent: a comment (or what the dialect has for it) says that the connection is alive.

        Whoever stands between here and the client must not take a model that thinks for one that is gone. The client's
        side always stands between two events, for it gets whole ones only. No row and no meter sees it.
        """
        every = self._around.stream_keep_alive
        if not every or self._relay is None or self.recorded:
            return
        now = self._around.perf()
        if min(seconds, now - self._commented) >= every:
            self._commented = now
            self._write(self._framed(self._reshape.keep_alive() if self._reshape else KEEP_ALIVE))

    def on_end(self) -> None:
        """The answer is whole."""
        self._ticket = None
        head = self._head
        if head is None:
            return
        if not self._passing:
            self._answer(head, self._body[0] if len(self._body) == 1 else b"".join(self._body))
            return
        if self._relay is not None and (rest := self._relay.rest()):
            self._pass(rest)
            if self._head is None:
                return
        if self._reshape is not None and not self.recorded and (problem := self._reshape.missing()):
            self._cut(problem)
            return
        self._note_end(head.status, self._metered(), upstream_error(head.status))
        if self._reshape is not None:
            # After the record: a client may stop reading at these.
            self._send(self._reshape.end())
        self._finish(self._last_chunk())

    def on_whole(self, head: Head, body: bytes) -> None:
        """The answer came in one piece."""
        if (len(body) > self._around.max_reply_bytes and self._reshape is None) or (
            head.events and not self._unreadable(head)
        ):
            self.on_head(head)
            self.on_body(body)
            self.on_end()
            return
        self.first_byte()
        if self.upstream.announced:
            head = announcing(head, self.upstream)
        self._ticket = None
        self._head = head
        self._answer(head, body)

    def on_failure(self, failure: Failure, detail: str) -> None:
        """There will be no whole answer."""
        self._ticket = None
        problem = problem_of(failure, self.record.model)
        self._around.failed(self.record.model, self.upstream.target, failure, detail)
        if self.recorded:
            # All that matters to the client has been sent: the upstream broke off after the last event.
            self._finish(self._last_chunk())
        elif self._passing:
            self._cut(problem)
        else:
            self._refuse(problem)

    def abort(self) -> None:
        """The client has left."""
        self._exchange = self._straight = None
        sent = self._ticket is not None and self._ticket.connection is not None
        self.drop()
        if not self.recorded:
            error = (CLIENT_LEFT.code, CLIENT_LEFT.message)
            self._note_end(CLIENT_LEFT.status, self._metered(), error, left=sent)

    def writable(self, ready: bool) -> None:
        """The client reads too slowly, or has caught up."""
        ticket = self._ticket
        if ticket is not None and ticket.connection is not None:
            if ready:
                ticket.connection.resume()
            else:
                ticket.connection.pause()

    def _answer(self, head: Head, body: bytes) -> None:
        """A whole reply: our id in it, its usage noted, recorded, sent."""
        status = head.status
        metered = NOTHING
        if head.json:
            if status < 400 and self._route.id_style is not _HEADER_ONLY:
                body, metered = as_ours(body, self._ident)
            else:
                metered = of_reply(body)
        if self._sanitiser is not None:
            self._sanitiser.trusted = self.upstream.target.trusted
            clean = self._sanitiser.whole(head, body)
            if isinstance(clean, Problem):
                self._mask(head, clean)
                return
            body = clean
            if metered.error is not None:
                # Its words are on the row, and who asks for the row reads them.
                metered = of_reply(body)
        said = body
        if self._reshape is not None:
            status, body = self._reshape.whole(status, body)
            head = as_json(head)
            if status >= 400:
                said = body
        self._body = [said]
        self._size = len(said)
        self._note_end(status, metered, None if status < 400 else upstream_error(status))
        if self._exchange is not None:
            now = self.record.completed_at
            self._whole = whole(head, status, self._our_lines(), body, self._exchange, now)
            self._around.recording.tell(self)

    def _mask(self, head: Head, problem: Problem) -> None:
        """The client is told of the upstream's answer in our words; the operator learns what it cannot."""
        if head.status < 400:
            self._around.failed(self.record.model, self.upstream.target, Failure.MALFORMED, "")
        elif head.status in ACCOUNT:
            detail = f"it answered {head.status}"
            self._around.failed(self.record.model, self.upstream.target, Failure.ACCOUNT, detail)
        self._refuse(problem)

    def _refuse(self, problem: Problem) -> None:
        """The upstream failed before the client was sent anything."""
        if self._reshape is not None:
            problem = self._reshape.refusal(problem)
        self._body = [problem.body()]
        self._size = len(self._body[0])
        self._note_end(problem.status, NOTHING, (problem.code or "upstream_error", problem.message))
        if self._exchange is not None:
            connection = connection_line(self._exchange, keep_alive=self._exchange.keep_alive)
            self._finish(render(problem, self._our_lines() + connection))

    def _cut(self, problem: Problem) -> None:
        """The upstream failed in the middle: tell the client in the stream's own language, or by closing."""
        error = (problem.code, problem.message)
        if self._relay is None:
            self._note_end(problem.status, NOTHING, error)
            self._finish(b"", close=True)
            return
        if self._reshape is None:
            event = last_event(problem, self._route.id_style, b"".join(self._body))
        else:
            event = self._reshape.last_event(problem)
        metered = self._metered()
        self._keep(event)
        self._note_end(problem.status, metered, error)
        self._finish(b"".join(map(self._framed, events(event))) + self._last_chunk())

    def _break_off(self, failure: Failure, reason: str) -> None:
        """Read no more of the answer: it is no answer."""
        self.drop()
        self.on_failure(failure, reason)
        self._head = None

    def _unreadable(self, head: Head) -> bool:
        """Whether the answer's events would have to be changed and cannot be, for they are compressed."""
        read = self._sanitiser is None or self._sanitiser.streams(head)
        return not read or (head.coded and self._reshape is not None)

    def _open(self, head: Head) -> None:
        """Send the head of an answer whose body follows piece by piece."""
        self._passing = True
        exchange = self._exchange
        if exchange is not None:
            plain = self._sanitiser is None and self._reshape is None
            if plain and self._relay is not None and exchange.chunked_ok:
                self._straight = exchange
            exchange.on_writable = self.writable
            exchange.write(opening(head, self._our_lines(), exchange))

    def _pass(self, data: bytes) -> None:
        """A piece of the body to the client, behind the record once the call is recorded."""
        sanitiser, relay, head = self._sanitiser, self._relay, self._head
        if sanitiser is not None and relay is not None:
            data = sanitiser.feed(data)
        self._keep(data)
        broken = sanitiser is not None and sanitiser.broken
        if relay is not None and relay.ended and not broken and not self.recorded and head is not None:
            self._note_end(head.status, self._metered(), upstream_error(head.status))
        self._send(data if self._reshape is None else self._reshape.feed(data))
        if broken:
            self._break_off(Failure.MALFORMED, "an event is not what its protocol says")

    def _send(self, data: bytes) -> None:
        if not data:
            return
        # Each event of a translation in a chunk of its own: some clients' readers forget half of one.
        data = self._framed(data) if self._reshape is None else b"".join(map(self._framed, events(data)))
        if self.recorded:
            self._around.recording.after(self._write, data)
        else:
            self._write(data)

    def _write(self, data: bytes) -> None:
        if self._exchange is not None:
            self._exchange.write(data)

    def _keep(self, data: bytes) -> None:
        """Hold what was sent, for the record; beyond the limit only the last pieces of it, for the usage."""
        self._size += len(data)
        if self._relay is None and self._route.media:
            return
        self._body.append(data)
        if self._size > self._around.max_record_bytes:
            self._dropped = shorten(self._body, self._size, self._dropped)

    def _framed(self, data: bytes) -> bytes:
        exchange = self._exchange
        if exchange is None or not exchange.chunked_ok:
            return data
        return b"%x\r\n%b\r\n" % (len(data), data)

    def _last_chunk(self) -> bytes:
        exchange = self._exchange
        return b"0\r\n\r\n" if exchange is not None and exchange.chunked_ok else b""

    def _our_lines(self) -> bytes:
        lines = self._cors + our_lines(self._ident, self._overhead if self._around.overhead_header else None)
        return lines if self.attempts == 1 else b"%bx-dwctl-attempts: %d\r\n" % (lines, self.attempts)

    def _metered(self) -> Metered:
        return NOTHING if self._relay is None else of_stream(self._answer_so_far())

    def _answer_so_far(self) -> bytes:
        """What is kept of the answer, with the usage that the client does not see."""
        return b"".join(self._body if self._relay is None else (*self._body, self._relay.hidden))

    def _finish(self, data: bytes, *, close: bool = False) -> None:
        """Send the last bytes once the record is in the spool."""
        self._around.recording.after(self._hand_over, data, close)

    def _hand_over(self, data: bytes, close: bool) -> None:
        exchange, self._exchange, self._straight = self._exchange, None, None
        if exchange is not None:
            exchange.on_abort = None
            exchange.on_writable = None
            exchange.finish(data, close=close or (self._passing and not exchange.chunked_ok))

    def _note_end(
        self, status: int, metered: Metered, error: tuple[str | None, str] | None, *, left: bool = False
    ) -> None:
        """The one place where a call ends in a record; a second end of the same call is none."""
        if self.recorded:
            return
        self.recorded = True
        self.upstream.load.active -= 1
        around, record, size, head = self._around, self.record, self._size, self._head
        failed = error is not None
        if failed or not metered.completion_tokens or not metered.prompt_tokens:
            # Not all of it was told by the upstream.
            path, answer, began = self._route.path, self._answer_so_far(), self._passing
            metered = reckoned(metered, Passed(path, self._asked, head, answer, size, began, failed, left))
        target = self.upstream.target
        units = complete(record, target, head, status, metered, size=size, error=error, tariff=self.tariff)
        if record.estimated and record.cost:
            around.cap(record)
            units = None
        if self._first_byte is not None:
            record.first_byte_ms = (self._first_byte - self._received) * 1000
        record.duration_ms = (around.perf() - self._received) * 1000
        record.overhead_ms = self._overhead
        # A reshape has told the client already.
        record.completed_at = record.completed_at or around.now()
        if self.upload is not None:
            self.upload.close()
        parts = [] if size > around.max_record_bytes or self._route.media else self._body
        around.recording.finish(record, parts[0] if len(parts) == 1 else b"".join(parts))
        around.ended(record, units, self.counts)
