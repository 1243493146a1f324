"""Queued requests through the pipeline, in this process; implements `Dispatch`.

An errand is a call like any other, with two differences. It has no connection: an `ErrandCall` stands where a client's
exchange would, and takes the answer. And nobody spools it: its claim in the database is the note of its start, and its
record goes back to the engine, which commits it together with the queue. So the gateway that runs errands is another
one, which shares everything with the plain one and replaces the few steps that differ; calls over the wire pay nothing
for them. If the process dies, no errand of it has an end: whoever takes over the queue runs it again.

An account's credit and the limits are given back in the turn in which the engine gets the record, so that whoever asks
how much of the charges is committed counts the record already.
"""

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Collection
from typing import Any

import msgspec

from dwctl.core.ids import new_id
from dwctl.gateway.admission import Admission, Caller
from dwctl.gateway.admit import authenticate
from dwctl.gateway.counts import ModelCounts
from dwctl.gateway.errand_call import ErrandCall
from dwctl.gateway.known import Known
from dwctl.gateway.parts import Parts
from dwctl.gateway.peeked import Peek
from dwctl.gateway.pipeline import MAX_UPSTREAMS, Gateway
from dwctl.gateway.rendered import Rendered, Upstream
from dwctl.gateway.routes import Route
from dwctl.gateway.traced import TracedGateway
from dwctl.gateway.uploads.upload import Upload
from dwctl.requests.dispatch import Done, Errand
from dwctl.requests.record import Record, State, Waiting
from dwctl.routing.snapshot import Key, Snapshot, Target, Timeouts
from dwctl.usage.prices import Tariff
from dwctl.wire.errors import Problem
from dwctl.wire.exchange import Exchange
from dwctl.wire.splice import Member
from dwctl.wire.stateful import ContextCall

NO_TIMEOUTS = Timeouts()
_stream = Member("stream")
_FAILED = int(State.FAILED)
_GONE = Problem(
    status=403,
    message="The account or key as which this request runs may not call models any more.",
    code="forbidden",
)
_NO_ROUTE = "There is no way to run a request for '{}'."


class _Taken:
    """Implements `Recording` for errands: what is recorded waits at its call for the end of the answer."""

    def __init__(self, calls: dict[tuple[str, int], ErrandCall]) -> None:
        self.refusal: str | None = None
        self._calls = calls

    def start(self, record: Record, body: bytes) -> None:
        """The claim in the database is the note of it."""

    def finish(self, record: Record, body: bytes) -> None:
        """The call has its end; of its body the answer itself tells more."""
        del body
        call = self._calls.get((record.id, record.attempt))
        if call is not None:
            call.record = record

    def after(self, callback: Callable[..., None], *args: object) -> None:
        """There is no disk to wait for."""
        callback(*args)

    def tell(self, waiting: Waiting) -> None:
        """The same."""
        waiting.noted()


class UnderWay:
    """What the gateways that run the errands of a process have in common."""

    def __init__(self, timeouts: Timeouts) -> None:
        self.timeouts = timeouts
        self.calls: dict[tuple[str, int], ErrandCall] = {}
        """By id and attempt: a process that was taken for dead may run two attempts at a request."""
        self.running: Counter[str] = Counter()
        """Errands that have begun and are not over, by model."""
        self.bounded: dict[tuple[str, str, str], tuple[Target, Target]] = {}
        """Targets, and what they are with the limits of time of errands."""


class ErrandGateway(Gateway):
    """The gateway that an errand goes through. It has no onlooker: nobody's first token is looked at."""

    _admitting: ErrandCall
    """The errand that is being admitted: there is one at a time."""

    def __init__(self, parts: Parts, *, errands: UnderWay, **more: Any) -> None:
        super().__init__(parts, **more)
        self.errands = errands

    def begin(self, call: ErrandCall) -> None:
        """Admit it and send it, or refuse it; it is told of the end either way."""
        if call.path in self._routes:
            self.handle(call)
        else:
            text = _NO_ROUTE.format(call.errand.path)
            self.refuse(call, Problem(status=400, message=text, code="unsupported_endpoint"))

    def start(
        self, exchange: Exchange, caller: Caller, upload: Upload | None = None, peeked: Peek | None = None
    ) -> None:
        """Admit it, at once or when there is credit for it."""
        if isinstance(exchange, ErrandCall):
            self._admitting = exchange
        super().start(exchange, caller, upload, peeked)

    def key(self, snapshot: Snapshot, exchange: Exchange, caller: Caller) -> Key:
        """The run key, bound by the budgets of the key that is charged.

        From where a key may be used was asked when the work was accepted.
        """
        del exchange
        key = authenticate(snapshot, caller, self.now())
        digest = self._admitting.errand.charge_key
        charged = None if digest is None else snapshot.keys.get(digest)
        if charged is None or charged.budgets is key.budgets:
            return key
        return msgspec.structs.replace(key, budgets=charged.budgets)

    def context_call(self, body: bytes, key: Key) -> ContextCall:
        """Its row has been there for long."""
        ident = str(self._admitting.errand.id)
        return ContextCall(body=body, owner_id=key.owner_id, ident=ident, queued=True)

    def tariff(self, admission: Admission) -> Tariff | None:
        """That of the errand's completion window."""
        tariffs = admission.answering.tariffs
        return None if tariffs is None else tariffs.of(admission.key.purpose, self._admitting.errand.window)

    def upstream(self, alias: str, target: Target, route: Route) -> Upstream:
        """A target as errands are sent to it: its own limits of time and those of errands, whichever is stricter."""
        place = (alias, target.endpoint_id, target.model_name)
        ours = self.errands.bounded
        known = ours.get(place)
        if known is None or known[0] is not target:
            if len(ours) > MAX_UPSTREAMS:
                ours.clear()
            bounded = msgspec.structs.replace(target, timeouts=self._stricter(target.timeouts))
            known = ours[place] = (target, bounded)
        return super().upstream(alias, known[1], route)

    def _stricter(self, own: Timeouts | None) -> Timeouts:
        usual, ours = self._upstream_settings, self.errands.timeouts
        own = own or NO_TIMEOUTS
        return Timeouts(
            connect=own.connect,
            first_byte=_least(usual.first_byte_timeout, own.first_byte, ours.first_byte),
            idle=_least(usual.idle_timeout, own.idle, ours.idle),
            total=_least(usual.total_timeout, own.total, ours.total),
        )

    def _record(
        self,
        route: Route,
        admission: Admission,
        caller: Caller,
        peeked: Peek,
        size: int,
        now: float,
        tariff: Tariff | None,
    ) -> Record:
        record = super()._record(route, admission, caller, peeked, size, now, tariff)
        call = self._admitting
        errand = call.errand
        record.id = str(errand.id)
        record.attempt = errand.attempt
        record.model = errand.asked
        if errand.key_id is not None:
            record.key_id = str(errand.key_id)
        record.origin = errand.origin
        record.service_tier = errand.service_tier
        record.background = True
        record.stream = False
        self.errands.calls[record.id, record.attempt] = call
        return record

    def _rendered(
        self,
        route: Route,
        admission: Admission,
        caller: Caller,
        asked: bytes,
        query: bytes,
        upload: Upload | None,
        target: Target,
    ) -> Rendered:
        made = super()._rendered(route, admission, caller, asked, query, upload, target)
        # A stream is put together to an answer that always tells its usage.
        return msgspec.structs.replace(made, hide_usage=False) if made.hide_usage else made

    def began(self, record: Record, known: Known | None = None) -> None:
        """It has been admitted."""
        super().began(record, known)
        self.errands.running[record.model] += 1

    def ended(self, record: Record, units: int | None = None, counts: ModelCounts | None = None) -> None:
        """It has its record; the rest follows when the engine gets it."""

    def refuse(self, exchange: Exchange, problem: Problem) -> None:
        """It did not become a call."""
        if not isinstance(exchange, ErrandCall):
            super().refuse(exchange, problem)
            return
        if problem.status == 401:
            problem = _GONE
        self._counts.refused(
            "POST", exchange.path.decode("latin-1"), problem.status, self.perf() - exchange.received
        )
        exchange.refused(problem)

    def over(self, call: ErrandCall) -> None:
        """The engine is about to get its record: everything it held is given back."""
        record = call.record
        known = self.errands.calls.pop((str(call.errand.id), call.errand.attempt), None)
        if record is not None and known is not None:
            super().ended(record)
            self.errands.running[record.model] -= 1

    def unmade(self, errand: Errand) -> Record:
        """The record of an errand that never became a call."""
        now = self.now()
        key_id = new_id() if errand.key_id is None else str(errand.key_id)
        return Record(
            id=str(errand.id),
            attempt=errand.attempt,
            created_at=now,
            completed_at=now,
            path=errand.path,
            model=errand.asked,
            owner_id=str(errand.owner_id),
            creator_id=str(errand.creator_id),
            key_id=key_id,
            daemon_id=self._daemon_id,
            background=True,
            purpose="batch",
            origin=errand.origin,
            service_tier=errand.service_tier,
            request_size=len(errand.body),
            state=_FAILED,
        )


class TracedErrandGateway(ErrandGateway, TracedGateway):
    """The same for an installation that exports spans."""


def errand_gateway(gateway: Gateway, timeouts: Timeouts) -> ErrandGateway:
    """Made of the running one: all but the recording is shared, and what time targets have."""
    errands = UnderWay(timeouts)
    # No two errands have the same headers, so that none is remembered.
    parts = msgspec.structs.replace(
        gateway.parts, recording=_Taken(errands.calls), remembers=False, upstreams={}
    )
    made = (
        TracedErrandGateway(parts, errands=errands, tracer=gateway.tracer, calls=gateway.calls)
        if isinstance(gateway, TracedGateway)
        else ErrandGateway(parts, errands=errands)
    )
    # Nothing is stateful here: what is queued has been.
    made.contexts, made.tools = gateway.contexts, gateway.tools
    return made


class Errands:
    """Implements `Dispatch`."""

    def __init__(
        self, gateway: Gateway, *, streamable: Collection[str] = (), timeouts: Timeouts = NO_TIMEOUTS
    ) -> None:
        self._gateway = errand_gateway(gateway, timeouts)
        self._streamable = frozenset(streamable)

    def interactive(self, model: str) -> int:
        """Calls for a model under way in this process that are none of these."""
        return max(0, self._gateway.under_way(model) - self._gateway.errands.running[model])

    def interactive_calls(self) -> int:
        """All calls under way in this process that are none of these."""
        return max(0, self._gateway.in_flight - self._gateway.errands.running.total())

    def run(self, errand: Errand, done: Done) -> Callable[[], None]:
        """Begin one."""
        body = errand.body
        if errand.tap is not None or errand.path in self._streamable:
            body = _stream.set(body, b"true")
        call = ErrandCall(self._gateway, errand, body, done, asyncio.get_running_loop())
        self._gateway.begin(call)
        call.begun = True
        return call.cancel


def _least(usual: float, own: float | None, ours: float | None) -> float:
    """The strictest limit of time; an endpoint's own one stands in place of the usual one, as for any call."""
    return min(own or usual, ours or math.inf)
