"""Calls that refer to what is stored: whole, admitted, and waiting for what they refer to.

Nothing has been taken for such a call yet, neither limits nor credit. When its context has come it is admitted anew, by
what holds then, and goes on with the expanded body; its row keeps the client's. If the process dies meanwhile, no row
was promised; a place in a conversation that it may have had is swept up (engine/responses/context.py).
"""

import msgspec

from dwctl.gateway.intake import Calls
from dwctl.gateway.parked import Body
from dwctl.gateway.peeked import Peek
from dwctl.wire.errors import Problem
from dwctl.wire.exchange import Exchange
from dwctl.wire.stateful import ContextCall, Contexts, Expanded

_REFERENCES = (b'"file_id"', b'"item_reference"')


def refers(body: bytes, peeked: Peek) -> bool:
    """Whether a call on a route with context may need some; looked at closely by whoever expands it."""
    if peeked.expanded is not None:
        return False
    return peeked.continues or any(body.find(word) >= 0 for word in _REFERENCES)


class Expanding:
    """One call. Life: waiting → begun anew, refused, or left by its client."""

    __slots__ = ("_body", "_calls", "_contexts", "_exchange", "_peeked")

    def __init__(
        self, contexts: Contexts, calls: Calls, exchange: Exchange, body: Body, peeked: Peek
    ) -> None:
        self._contexts = contexts
        self._calls = calls
        self._exchange = exchange
        self._body = body
        self._peeked = peeked

    def begin(self, call: ContextCall) -> None:
        """Ask for it."""
        self._exchange.on_abort = self._contexts.expand(call, self._told)

    def _told(self, outcome: Expanded | Problem) -> None:
        self._exchange.on_abort = None
        if isinstance(outcome, Problem):
            self._calls.refuse(self._exchange, outcome)
            return
        self._body = self._body._replace(peeked=msgspec.structs.replace(self._peeked, expanded=outcome))
        if not self._calls.step(self._exchange, self._start):
            self._contexts.forget(outcome)

    def _start(self, exchange: Exchange) -> bool:
        self._calls.start(exchange, *self._body)
        return True
