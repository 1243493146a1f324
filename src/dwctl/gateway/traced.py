"""The gateway of an installation that exports spans: the plain one with a few steps around it.

It is a class of its own so that calls pay nothing for spans where nobody asked for them. What it does on the path of a
call: it chooses ids, asks the sampler, and names our span to a trusted upstream. The spans are made by a `Tracer`
(gateway/spans.py) of the finished record, at the end of the call. A request that never became a call has no record, and
so no span: a flood of wrong keys costs as little as before.
"""

from typing import Any, Protocol

import msgspec

from dwctl.gateway.admission import Caller
from dwctl.gateway.caller import headers_for
from dwctl.gateway.counts import ModelCounts
from dwctl.gateway.known import Known
from dwctl.gateway.parts import Parts
from dwctl.gateway.peeked import Peek
from dwctl.gateway.pipeline import Gateway
from dwctl.gateway.trace import Parent, our_trace_lines, parent_in
from dwctl.gateway.uploads.upload import Upload
from dwctl.requests.record import Record
from dwctl.routing.snapshot import Target
from dwctl.wire.exchange import Exchange


class Attempt(msgspec.Struct, gc=False):
    """One try of a call at one target."""

    target: Target
    span_id: int
    began: float = 0.0
    """Unix seconds; 0 for the first attempt, which begins after the record's `overhead_ms`. May lie ahead: a retry that
    waits."""
    ended: float = 0.0
    """Unix seconds; 0 for the last attempt, which ends with its call."""
    reason: str = ""
    """Why another attempt followed."""
    status: int = 0
    """What it answered before another attempt followed; 0 when it did not."""


class Call(msgspec.Struct):
    """A call under way, as its trace sees it."""

    trace_id: int
    span_id: int
    """Of the call; each attempt has its own."""
    sampled: bool
    parent: Parent | None
    attempts: list[Attempt] = []

    def lines(self, span_id: int) -> bytes:
        """Headers by which a trusted upstream continues the trace below one of our spans."""
        state = "" if self.parent is None else self.parent.state
        return our_trace_lines(self.trace_id, span_id, state, sampled=self.sampled)


class Tracer(Protocol):
    """Chooses ids and makes spans; gateway/spans.py."""

    def begin(self, parent: Parent | None, name: str) -> Call:
        """A call that is being admitted, by the name of its span."""
        ...

    def span_id(self) -> int:
        """A new one."""
        ...

    def ended(self, call: Call, record: Record) -> None:
        """The call has been recorded. Returns at once: sending is another thread's work."""
        ...


class TracedCaller(Caller, frozen=True):
    """A caller in the course of one call."""

    call: Call


class TracedGateway(Gateway):
    """Implements what `Gateway` does."""

    def __init__(
        self, parts: Parts, *, tracer: Tracer, calls: dict[str, Call] | None = None, **more: Any
    ) -> None:
        super().__init__(parts, **more)
        self.tracer = tracer
        # A known call has the headers of the last one, but its span is another.
        self._remembers = False
        self._entering: Call | None = None
        """The call that is being admitted: there is one at a time, for nothing waits until it `began`."""
        self.calls: dict[str, Call] = {} if calls is None else calls
        """Calls under way, by the id of their record; of all gateways of a process."""

    def traced(self, exchange: Exchange, caller: Caller) -> Caller:
        """The caller in the course of the call that begins now."""
        method, path = exchange.method.decode("ascii", "replace"), exchange.path.decode("ascii", "replace")
        call = self._entering = self.tracer.begin(parent_in(caller.trace), f"{method} {path}")
        return TracedCaller(
            caller.digest,
            caller.override,
            caller.user_agent,
            caller.passed_on,
            caller.coding,
            caller.cors,
            caller.trace,
            call,
        )

    def headers(self, caller: Caller, target: Target) -> bytes:
        """The headers of an attempt."""
        return headers_for(self._attempt(caller, target), target)

    def began(self, record: Record, known: Known | None = None) -> None:
        """A call has been admitted."""
        super().began(record, known)
        call, self._entering = self._entering, None
        if call is not None:
            self.calls[record.id] = call

    def again(self, ident: str, reason: str, status: int, pause: float) -> None:
        """The last attempt but one has failed, and the last one follows after so many seconds."""
        super().again(ident, reason, status, pause)
        call = self.calls.get(ident)
        if call is not None and len(call.attempts) > 1:
            failed, following = call.attempts[-2:]
            failed.ended, failed.reason, failed.status = self.now(), reason, status
            following.began = failed.ended + pause

    def ended(self, record: Record, units: int | None = None, counts: ModelCounts | None = None) -> None:
        """A call has been recorded."""
        super().ended(record, units, counts)
        call = self.calls.pop(record.id, None)
        if call is not None and call.sampled:
            self.tracer.ended(call, record)

    def start(
        self, exchange: Exchange, caller: Caller, upload: Upload | None = None, peeked: Peek | None = None
    ) -> None:
        """The body is whole: a call begins."""
        super().start(exchange, self.traced(exchange, caller), upload, peeked)

    def _attempt(self, caller: Caller, target: Target) -> Caller:
        """Note an attempt; the caller as its target is told of it."""
        if not isinstance(caller, TracedCaller):
            return caller
        span_id = self.tracer.span_id()
        caller.call.attempts.append(Attempt(target, span_id))
        if not target.trusted:
            return caller
        return msgspec.structs.replace(caller, trace=caller.call.lines(span_id))
