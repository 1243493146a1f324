"""Calls that are not sent to a model server now, or not ever: what they wait for, and who answers them."""

from typing import Protocol

from dwctl.core.ids import new_id
from dwctl.gateway.admission import Admission, Caller
from dwctl.gateway.contexts import Expanding, refers
from dwctl.gateway.counting import counted
from dwctl.gateway.intake import Calls
from dwctl.gateway.parked import Body
from dwctl.gateway.peeked import Peek
from dwctl.gateway.queued import queued_call
from dwctl.gateway.reply import page_of
from dwctl.gateway.routes import Route
from dwctl.gateway.rules import pass_later
from dwctl.gateway.uploads.upload import Upload
from dwctl.routing.snapshot import Key
from dwctl.wire.exchange import Exchange
from dwctl.wire.stateful import ContextCall, Contexts, Stateful

Begun = tuple[Caller, Upload | None, Peek]
"""What a call began with."""


class Toolbox(Protocol):
    """What runs calls that use tools of the server (gateway/tools)."""

    def take(
        self, ways: "Ways", exchange: Exchange, admission: Admission, route: Route, begun: Begun
    ) -> bool:
        """Whether the call has such tools, and is answered from there; raises `Refused`."""
        ...


class NoTools:
    """Implements `Toolbox` where there are none."""

    def take(
        self, ways: "Ways", exchange: Exchange, admission: Admission, route: Route, begun: Begun
    ) -> bool:
        """The model does without."""
        del ways, exchange, admission, route, begun
        return False


class Ways(Calls, Protocol):
    """The gateway, as far as it is needed here."""

    contexts: Contexts | None
    stateful: Stateful | None

    def with_context(self, asked: bytes, peeked: Peek, key: Key) -> bytes:
        """A body with all that it refers to."""
        ...

    def context_call(self, body: bytes, key: Key) -> ContextCall:
        """What a call's context is found by."""
        ...

    def told(self, exchange: Exchange) -> None:
        """A call was answered here."""
        ...


def awaits_context(ways: Ways, exchange: Exchange, key: Key, asked: bytes, begun: Begun) -> bool:
    """Whether the call refers to what is stored and has to wait for it; it is admitted anew then."""
    if ways.contexts is None or not refers(asked, begun[2]):
        return False
    Expanding(ways.contexts, ways, exchange, Body(*begun), begun[2]).begin(ways.context_call(asked, key))
    return True


def put_aside(
    ways: Ways,
    exchange: Exchange,
    admission: Admission,
    route: Route,
    sent: bytes,
    caller: Caller,
    peeked: Peek,
) -> bool:
    """Whether the call is answered here, or goes into the queue."""
    if route.counts:
        answer = counted(admission.answering, sent)
        if answer is not None:
            lines = b"x-request-id: %b\r\n%b" % (new_id().encode(), caller.cors)
            exchange.finish(page_of(exchange, lines, answer))
            ways.told(exchange)
        return answer is not None
    queued = queued_call(route, admission, peeked, caller, exchange.body)
    if queued is None or ways.stateful is None:
        return False
    if queued.flex:
        # It runs as a hidden key of another purpose than the one that was admitted.
        pass_later(admission.model)
    ways.stateful.take(exchange, queued)
    return True
