"""The gateway that rounds go through: the one of the call, but for who records them.

A call with tools is one row, however often the model is asked. So a round is admitted, reserves credit, takes limits,
chooses targets and is metered as any call; its record goes to the loop, which adds it to the call's. As with errands
(gateway/errands.py) it is another gateway, which shares everything with the one that it is made of and replaces a few
steps, so that other calls pay nothing for it.

What a round has cost stays reserved until the call's record is noted, for until then nobody else can count it. Limits
are given back at the end of each round: while a tool runs the model is free for others.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from dwctl.gateway.admission import Caller
from dwctl.gateway.counts import ModelCounts
from dwctl.gateway.errand_call import ErrandCall
from dwctl.gateway.errands import ErrandGateway, TracedErrandGateway
from dwctl.gateway.known import Known
from dwctl.gateway.parts import Parts
from dwctl.gateway.peeked import Peek
from dwctl.gateway.pipeline import Gateway
from dwctl.gateway.tools.round_call import RoundCall
from dwctl.gateway.traced import TracedCaller, TracedGateway
from dwctl.gateway.uploads.upload import Upload
from dwctl.requests.record import Record, Waiting
from dwctl.usage.credit.leases import ZERO
from dwctl.wire.errors import Problem
from dwctl.wire.exchange import Exchange


class _Kept:
    """Implements `Recording` for rounds."""

    refusal: str | None = None
    """A call that has been taken goes on."""

    def __init__(self, gateway: Gateway, entering: Callable[[], RoundCall]) -> None:
        self.under_way: dict[tuple[str, int], RoundCall] = {}
        self._recording = gateway.recording
        self._entering = entering

    def start(self, record: Record, body: bytes) -> None:
        """Of the first round: the start of the call."""
        call = self._entering()
        self.under_way[record.id, record.attempt] = call
        if call.first:
            self._recording.start(record, body)

    def finish(self, record: Record, body: bytes) -> None:
        """The round has its end; what the answer said its exchange tells."""
        del body
        call = self.under_way.pop((record.id, record.attempt), None)
        if call is not None:
            call.record = record

    def after(self, callback: Callable[..., None], *args: object) -> None:
        """Once the call's start is in the spool."""
        self._recording.after(callback, *args)

    def tell(self, waiting: Waiting) -> None:
        """The same."""
        self._recording.tell(waiting)


class RoundGateway(Gateway):
    """Made of the gateway that took the call."""

    _entering_call: RoundCall
    """The round that is being admitted: there is one at a time."""

    def __init__(self, parts: Parts, *, of: Gateway, **more: Any) -> None:
        super().__init__(parts, **more)
        self._of = of
        self.recording = _Kept(of, self._entering_now)
        self.contexts = of.contexts

    def _entering_now(self) -> RoundCall:
        return self._entering_call

    def start(
        self, exchange: Exchange, caller: Caller, upload: Upload | None = None, peeked: Peek | None = None
    ) -> None:
        """Admit a round, at once or when there is credit for it."""
        if isinstance(exchange, RoundCall):
            self._entering_call = exchange
        self.onlooker = self._of.onlooker
        Gateway.start(self, exchange, caller, upload, peeked)

    def began(self, record: Record, known: Known | None = None) -> None:
        """A round has been admitted; with the first one the call has."""
        call = self._entering_call
        if call.first:
            super().began(record, known)
            call.loop.began(msgspec.structs.replace(record))
            return
        if self._gate.entering is not None:
            self._gate.keep(record.id)
        self.funds.keep(record.id)

    def ended(self, record: Record, units: int | None = None, counts: ModelCounts | None = None) -> None:
        """A round has its record; the call goes on."""
        del units, counts
        self._gate.ended(record)
        self.funds.keep_cost(record.id, record.cost or ZERO)

    def refuse(self, exchange: Exchange, problem: Problem) -> None:
        """A round did not become a call."""
        if isinstance(exchange, RoundCall):
            exchange.loop.refused(problem)


class TracedRounds(RoundGateway, TracedGateway):
    """The same for an installation that exports spans: each round is an attempt of the call's trace."""

    def start(
        self, exchange: Exchange, caller: Caller, upload: Upload | None = None, peeked: Peek | None = None
    ) -> None:
        """Admit a round in the course of its call."""
        if isinstance(caller, TracedCaller):
            self._entering = caller.call
        super().start(exchange, caller, upload, peeked)

    def began(self, record: Record, known: Known | None = None) -> None:
        """A round has been admitted."""
        super().began(record, known)
        call = self.calls.get(record.id)
        if call is not None and len(call.attempts) > 1:
            call.attempts[-1].began = self.now()

    def ended(self, record: Record, units: int | None = None, counts: ModelCounts | None = None) -> None:
        """It has ended."""
        super().ended(record, units, counts)
        call = self.calls.get(record.id)
        if call is not None and call.attempts:
            call.attempts[-1].ended = self.now()
            call.attempts[-1].reason = "tool_calls"


class ErrandRounds(RoundGateway, ErrandGateway):
    """Rounds of an errand."""

    def start(
        self, exchange: Exchange, caller: Caller, upload: Upload | None = None, peeked: Peek | None = None
    ) -> None:
        """Admit a round of the errand."""
        if isinstance(exchange, RoundCall) and isinstance(exchange.outer, ErrandCall):
            self._admitting = exchange.outer
        super().start(exchange, caller, upload, peeked)


class TracedErrandRounds(TracedRounds, ErrandRounds, TracedErrandGateway):
    """The same for an installation that exports spans."""


def rounds_of(gateway: Gateway) -> RoundGateway:
    """For the calls of a gateway, of its parts: without tools or a queue, for a round is neither of these."""
    parts = msgspec.structs.replace(gateway.parts, remembers=False)
    if isinstance(gateway, TracedErrandGateway):
        return TracedErrandRounds(
            parts, of=gateway, errands=gateway.errands, tracer=gateway.tracer, calls=gateway.calls
        )
    if isinstance(gateway, ErrandGateway):
        return ErrandRounds(parts, of=gateway, errands=gateway.errands)
    if isinstance(gateway, TracedGateway):
        return TracedRounds(parts, of=gateway, tracer=gateway.tracer, calls=gateway.calls)
    return RoundGateway(parts, of=gateway)
