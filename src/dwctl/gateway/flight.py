"""One call from its admission to its record: the receiver of the upstream's answer.

Order of writing and sending: `Started` is in the spool before the request goes upstream; `Finished` is there
before the last byte, or the event that tells a client to stop reading, goes to the client. So a process killed
at any moment leaves a row for every call that an upstream saw, and a complete one for every call answered.
"""

import logging
from typing import Protocol

from dwctl.gateway.failures import problem_of, stream_error
from dwctl.gateway.prepare import Upstream
from dwctl.gateway.relay import EventRelay, EventTooLarge
from dwctl.gateway.reply import head_lines, is_event_stream, is_json, is_plain, with_id
from dwctl.gateway.routes import IdStyle, Route
from dwctl.gateway.upstream.connection import Failure
from dwctl.gateway.upstream.origin import Address, Ticket
from dwctl.gateway.upstream.response import Head
from dwctl.requests.record import Finished, Recording, Started, State
from dwctl.usage.meter import NOTHING, Metered, of_reply, of_stream
from dwctl.wire.errors import Problem, render
from dwctl.wire.exchange import Exchange

logger = logging.getLogger(__name__)

CLIENT_LEFT = 499
STREAM_TAIL = 256 * 1024
"""Bytes of a stream kept for its usage when it is too large to be recorded."""


class Surroundings(Protocol):
    """What a flight needs of the gateway."""

    recording: Recording
    max_reply_bytes: int
    max_record_bytes: int
    overhead_header: bool

    def submit(self, address: Address, request: bytes, flight: "Flight") -> Ticket:
        """Send a request upstream."""
        ...

    def perf(self) -> float:
        """`time.perf_counter()`."""
        ...

    def now(self) -> float:
        """Unix seconds."""
        ...

    def ended(self, flight: "Flight") -> None:
        """The call has been recorded."""
        ...


class Flight:
    """Implements `Receiver`."""

    __slots__ = (
        "_around",
        "_body",
        "_chunked",
        "_exchange",
        "_first_byte",
        "_head",
        "_hide_usage",
        "_overhead",
        "_passing",
        "_received",
        "_recorded",
        "_relay",
        "_request",
        "_route",
        "_sent",
        "_size",
        "_started",
        "_ticket",
        "_truncated",
        "_upstream",
        "deadline",
    )

    def __init__(
        self,
        around: Surroundings,
        exchange: Exchange,
        route: Route,
        upstream: Upstream,
        started: Started,
        request: bytes,
        *,
        hide_usage: bool,
        deadline: float,
    ) -> None:
        self._around = around
        self._exchange: Exchange | None = exchange
        self._received = exchange.received
        self._route = route
        self._upstream = upstream
        self._started = started
        self._request = request
        self._hide_usage = hide_usage
        self.deadline = deadline
        self._ticket: Ticket | None = None
        self._head: Head | None = None
        self._relay: EventRelay | None = None
        self._passing = False
        self._chunked = False
        self._body: list[bytes] = []
        self._size = 0
        self._truncated = False
        self._sent = False
        self._recorded = False
        self._first_byte: float | None = None
        self._overhead = 0.0

    def launch(self) -> None:
        """Send the request; `Started` is in the spool."""
        exchange = self._exchange
        if exchange is None:
            return
        self._overhead = (self._around.perf() - exchange.received) * 1000
        ticket = self._around.submit(self._upstream.address, self._request, self)
        if not self._recorded:
            self._ticket = ticket
        self._request = b""

    def on_head(self, head: Head) -> None:
        """The answer begins."""
        self._head = head
        if is_event_stream(head) and is_plain(head):
            style = self._route.id_style if head.status < 400 else IdStyle.HEADER_ONLY
            self._relay = EventRelay(style, self._public_id(), hide_usage=self._hide_usage)
            self._begin_stream(head)

    def on_body(self, data: bytes) -> None:
        """More of the answer."""
        if self._exchange is None:
            return
        if self._first_byte is None:
            self._first_byte = self._around.perf()
        if self._relay is not None:
            self._on_events(self._relay, data)
        elif self._passing:
            self._keep(data)
            self._write(data)
        else:
            self._body.append(data)
            self._size += len(data)
            if self._size > self._around.max_reply_bytes and self._head is not None:
                self._begin_passing(self._head)

    def on_end(self) -> None:
        """The answer is whole."""
        self._ticket = None
        head = self._head
        if self._exchange is None or head is None:
            return
        if self._relay is not None:
            rest = self._relay.rest
            if rest:
                self._keep(rest)
                self._write(rest)
            self._end_stream(b"")
        elif self._passing:
            self._end_stream(b"")
        else:
            self._answer(head)

    def on_failure(self, failure: Failure, detail: str) -> None:
        """There will be no whole answer."""
        self._ticket = None
        if self._exchange is None:
            return
        problem = problem_of(failure, self._started.model)
        logger.warning(
            "%s %s %s%s",
            self._started.model,
            self._upstream.target.endpoint_name,
            failure.value,
            f": {detail}" if detail else "",
        )
        if self._recorded:
            self._finish(b"")
        elif self._sent:
            self._fail_stream(problem)
        else:
            self._refuse(problem)

    def abort(self) -> None:
        """The client has left."""
        ticket, self._ticket = self._ticket, None
        self._exchange = None
        if ticket is not None:
            ticket.cancel()
        if not self._recorded:
            text = "The client closed the connection before the answer was complete."
            self._record(CLIENT_LEFT, self._tail_usage(), error=("client_closed_request", text))

    def writable(self, ready: bool) -> None:
        """The client reads too slowly, or has caught up."""
        ticket = self._ticket
        if ticket is not None and ticket.connection is not None:
            if ready:
                ticket.connection.resume()
            else:
                ticket.connection.pause()

    def _public_id(self) -> bytes:
        return b"resp_" + self._started.id.encode()

    def _our_lines(self) -> bytes:
        ident = self._started.id.encode()
        lines = b"x-onwards-response-id: resp_%b\r\nx-request-id: %b\r\n" % (ident, ident)
        if self._around.overhead_header:
            lines += b"x-dwctl-overhead-ms: %.2f\r\n" % self._overhead
        return lines

    def _answer(self, head: Head) -> None:
        """A whole reply: our id in it, its usage noted, recorded, sent."""
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        metered = NOTHING
        if is_json(head):
            metered = of_reply(body)
            if head.status < 400 and self._route.id_style is not IdStyle.HEADER_ONLY:
                body = with_id(body, b'"%b"' % self._public_id())
        self._size = len(body)
        self._body = [body]
        self._record(head.status, metered, error=_error_of(head.status))
        exchange = self._exchange
        close = exchange is not None and not exchange.keep_alive
        self._finish(
            b"%bcontent-length: %d\r\n%b\r\n%b"
            % (
                head_lines(head, self._our_lines()),
                len(body),
                b"connection: close\r\n" if close else b"",
                body,
            )
        )

    def _refuse(self, problem: Problem) -> None:
        exchange = self._exchange
        body = problem.body()
        self._body = [body]
        self._size = len(body)
        self._record(problem.status, NOTHING, error=(problem.code or "", problem.message))
        keep_alive = exchange is None or exchange.keep_alive
        self._finish(render(problem, self._our_lines(), keep_alive=keep_alive))

    def _begin_stream(self, head: Head) -> None:
        exchange = self._exchange
        if exchange is None:
            return
        self._sent = True
        self._chunked = exchange.chunked_ok
        framing = b"transfer-encoding: chunked\r\n" if self._chunked else b""
        if not exchange.keep_alive or not self._chunked:
            framing += b"connection: close\r\n"
        exchange.on_writable = self.writable
        exchange.write(b"%b%b\r\n" % (head_lines(head, self._our_lines()), framing))

    def _begin_passing(self, head: Head) -> None:
        """A reply too large to be held: pass it on as it comes."""
        self._passing = True
        self._begin_stream(head)
        parts, self._body, self._size = self._body, [], 0
        for part in parts:
            self._keep(part)
            self._write(part)

    def _on_events(self, relay: EventRelay, data: bytes) -> None:
        try:
            whole = relay.feed(data)
        except EventTooLarge:
            ticket = self._ticket
            if ticket is not None and ticket.connection is not None:
                ticket.connection.fail(Failure.GARBAGE, "an event does not end")
            return
        if not whole:
            return
        self._keep(whole)
        if not self._recorded and relay.is_last(whole):
            self._record_stream()
        self._write(whole)

    def _keep(self, data: bytes) -> None:
        """Hold what was sent, for the record; beyond the limit only its tail, for the usage."""
        self._body.append(data)
        self._size += len(data)
        limit = STREAM_TAIL if self._truncated else self._around.max_record_bytes
        if not self._truncated and self._size > limit:
            self._truncated = True
        if self._truncated and len(self._body) > 64:
            self._body = [b"".join(self._body)[-STREAM_TAIL:]]

    def _write(self, data: bytes) -> None:
        """To the client; behind the record once the call is recorded."""
        if self._chunked:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        if self._recorded:
            self._around.recording.after(self._write_later, data)
        elif self._exchange is not None:
            self._exchange.write(data)

    def _write_later(self, data: bytes) -> None:
        if self._exchange is not None:
            self._exchange.write(data)

    def _record_stream(self) -> None:
        status = self._head.status if self._head is not None else 200
        self._record(status, self._tail_usage(), error=_error_of(status))

    def _end_stream(self, last: bytes) -> None:
        if not self._recorded:
            self._record_stream()
        self._finish(last + (b"0\r\n\r\n" if self._chunked else b""))

    def _fail_stream(self, problem: Problem) -> None:
        """The stream was cut: tell the client in its own language, then end."""
        if self._relay is None:
            self._record(problem.status, NOTHING, error=(problem.code or "", problem.message))
            self._finish(b"", close=True)
            return
        event = stream_error(problem, self._route.id_style)
        self._keep(event)
        self._record(problem.status, self._tail_usage(), error=(problem.code or "", problem.message))
        framed = b"%x\r\n%b\r\n0\r\n\r\n" % (len(event), event) if self._chunked else event
        self._finish(framed)

    def _tail_usage(self) -> Metered:
        return of_stream(b"".join(self._body)) if self._relay is not None else NOTHING

    def _finish(self, data: bytes, *, close: bool = False) -> None:
        """Send the last bytes once the record is in the spool."""
        self._around.recording.after(self._finish_later, data, close)

    def _finish_later(self, data: bytes, close: bool) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.on_abort = None
            exchange.on_writable = None
            exchange.finish(data, close=close or (self._sent and not self._chunked))

    def _record(self, status: int, metered: Metered, *, error: tuple[str, str] | None) -> None:
        """The one place where a call ends in a record."""
        if self._recorded:
            return
        self._recorded = True
        around = self._around
        started = self._started
        perf = around.perf()
        received = self._received
        around.recording.finish(
            Finished(
                id=started.id,
                created_at=started.created_at,
                path=started.path,
                model=started.model,
                owner_id=started.owner_id,
                creator_id=started.creator_id,
                key_id=started.key_id,
                daemon_id=started.daemon_id,
                stream=started.stream,
                service_tier=started.service_tier,
                purpose=started.purpose,
                user_agent=started.user_agent,
                request_size=started.request_size,
                state=State.COMPLETED if status < 400 else State.FAILED,
                completed_at=around.now(),
                status_code=status,
                upstream_status=None if self._head is None else self._head.status,
                endpoint_id=self._upstream.target.endpoint_id,
                target_model=self._upstream.target.model_name,
                first_byte_ms=None if self._first_byte is None else (self._first_byte - received) * 1000,
                duration_ms=(perf - received) * 1000,
                overhead_ms=self._overhead,
                prompt_tokens=metered.prompt_tokens,
                completion_tokens=metered.completion_tokens,
                reasoning_tokens=metered.reasoning_tokens,
                cached_tokens=metered.cached_tokens,
                total_tokens=metered.total_tokens,
                response_model=metered.model,
                finish_reason=metered.finish_reason,
                error_code=None if error is None else error[0],
                error_message=None if error is None else error[1],
                response_size=self._size,
            ),
            b"" if self._truncated else b"".join(self._body),
        )
        around.ended(self)


def _error_of(status: int) -> tuple[str, str] | None:
    """An upstream's own error, whose body tells more."""
    return None if status < 400 else ("upstream_error", f"The model server answered {status}.")
