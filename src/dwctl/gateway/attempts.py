"""The attempts of one call to a pool: stands between the upstream client and the flight (spec/gateway A1.8).

An answer is held back until it is clear that it is one: a head with a status that is not retried, a whole JSON body
without an error in it, the first event of a stream. Until then nothing of it has reached the flight, and so nothing the
client: the call can be sent to another target as if nothing had happened. What is handed over is final. When no attempt
is left, the last answer goes to the client as it is.
"""

import asyncio

from dwctl.gateway.flight import Flight
from dwctl.gateway.pools import LATE, Plan, Pools, Reason, Render, following
from dwctl.gateway.rendered import Rendered
from dwctl.gateway.surroundings import Surroundings
from dwctl.gateway.upstream.connection import Failure
from dwctl.gateway.upstream.response_head import Head
from dwctl.gateway.verdict import Peek, as_error, failing, whole_status
from dwctl.routing.backoff import Waits
from dwctl.routing.snapshot import Timeouts
from dwctl.wire.errors import Problem

PEEK_SECONDS = 2.0
"""A stream that has begun and says nothing for so long is handed over."""
_FINAL = frozenset({Failure.TOTAL_TIMEOUT, Failure.STOPPED})
"""The call is over with these, whoever might answer it."""
_NO_FAULT = _FINAL | {Failure.BUSY}
"""These say nothing of the target's health."""


class Attempts:
    """Implements `Receiver` for a flight that may be sent more than once."""

    __slots__ = (
        "_around",
        "_choice",
        "_flight",
        "_good",
        "_head",
        "_loop",
        "_made",
        "_model",
        "_parts",
        "_passing",
        "_peek",
        "_pick",
        "_policy",
        "_pools",
        "_previous",
        "_render",
        "_size",
        "_timer",
        "_waits",
        "deadline",
    )

    def __init__(
        self,
        around: Surroundings,
        pools: Pools,
        flight: Flight,
        plan: Plan,
    ) -> None:
        self.deadline = flight.deadline
        self._around = around
        self._pools = pools
        self._model = plan.model
        self._policy = plan.pool
        self._flight = flight
        self._choice = plan.choice
        self._pick = plan.pick
        self._render: Render | None = plan.render if plan.choice.left else None
        """Holds what the request is made of; given up as soon as it cannot be sent again."""
        self._loop = asyncio.get_running_loop()
        self._made = 1
        self._waits = Waits(plan.pool.fallback)
        self._timer: asyncio.Handle | None = None
        """Of the wait before a retry, or of a peek."""
        self._previous: Rendered | None = None
        """While the call waits: what was sent last."""
        self._passing = False
        """Whether the answer is the flight's from here on."""
        self._good = False
        """Whether what is handed over is no failure of the target."""
        self._head: Head | None = None
        self._parts: list[bytes] = []
        self._size = 0
        self._peek: Peek | None = None

    @property
    def timeouts(self) -> Timeouts | None:
        """The limits of time of the endpoint that is asked now."""
        return self._flight.timeouts

    def noted(self) -> None:
        """Send it for the first time; the call's start is in the spool."""
        self._flight.launch(self)

    def abort(self) -> None:
        """The client has left."""
        self._stop_timer()
        self._render = None
        if self._previous is not None:
            self._flight.assign(self._previous)
        self._flight.abort()

    def on_head(self, head: Head) -> None:
        """An answer begins: to be sent again, to be looked into, or to be handed over."""
        self._head = head
        if head.status in self._policy.statuses:
            self._judge(head, head.status)
            if not self._again(Reason.STATUS, head.status):
                self._hand_over()
        elif head.status >= 300 or head.coded or not self._policy.fallback.enabled:
            self._judge(head, head.status)
            self._hand_over()
        elif head.events:
            self._peek = Peek()
            self._timer = self._loop.call_later(PEEK_SECONDS, self._accept)

    def on_body(self, data: bytes) -> None:
        """More of it."""
        if self._passing:
            self._flight.on_body(data)
            return
        self._flight.first_byte()
        self._parts.append(data)
        self._size += len(data)
        if self._peek is None:
            if self._size > self._around.max_reply_bytes:
                self._accept()
        elif self._peek.feed(data):
            self._look(self._peek)

    def on_quiet(self, seconds: float) -> None:
        """The upstream is silent in the middle of its answer."""
        if self._passing:
            self._flight.on_quiet(seconds)

    def on_end(self) -> None:
        """It is whole."""
        if not self._passing:
            if self._head is not None:
                self.on_whole(self._head, b"".join(self._parts))
            return
        if self._good:
            self._pick.condition.health.succeeded(lifts=self._pick.ejected)
        self._flight.on_end()

    def on_whole(self, head: Head, body: bytes) -> None:
        """It came in one piece."""
        self._stop_timer()
        status = head.status
        reason = Reason.STATUS
        if 200 <= status < 300 and not head.coded:
            found, error = _within(head, body)
            if found in self._policy.statuses:
                status, body, reason = found, error, Reason.EMBEDDED
        self._judge(head, status)
        if status in self._policy.statuses and self._again(reason, status):
            return
        if reason is Reason.EMBEDDED:
            body = body if body.strip() else _empty(self._model.alias).body()
            head = as_error(status, body)
        self._passing = True
        self._render = None
        if self._good:
            self._pick.condition.health.succeeded(lifts=self._pick.ejected)
        self._flight.on_whole(head, body)

    def on_failure(self, failure: Failure, detail: str) -> None:
        """There will be no whole answer from this target."""
        self._stop_timer()
        pick = self._pick
        if failure not in _NO_FAULT and not self._flight.recorded:
            self._pools.failed(pick)
        if not self._passing and failure not in _FINAL:
            reason = Reason.TIMEOUT if failure in LATE else Reason.NETWORK
            if self._again(reason):
                self._around.failed(self._model.alias, pick.target, failure, detail)
                return
        self._render = None
        self._flight.on_failure(failure, detail)

    def _look(self, peek: Peek) -> None:
        """The first event with something in it has come."""
        status = peek.status
        if status is None or status not in self._policy.statuses or self._head is None:
            self._accept()
            return
        self._stop_timer()
        self._judge(self._head, status)
        if not self._again(Reason.EMBEDDED, status):
            self._passing = True
            self._render = None
            self._flight.drop()
            self._flight.on_whole(as_error(status, peek.error), peek.error)

    def _accept(self) -> None:
        """What was held back is an answer."""
        if self._head is not None:
            self._judge(self._head, self._head.status)
            self._hand_over()

    def _judge(self, head: Head, status: int) -> None:
        """What the answer says of its target."""
        self._good = not failing(status)
        if self._good:
            self._pick.condition.health.answered(lifts=self._pick.ejected)
        else:
            self._pools.failed(self._pick, head)

    def _hand_over(self) -> None:
        """From here on the flight gets everything as it comes."""
        self._stop_timer()
        self._passing = True
        self._render = None
        head, parts = self._head, self._parts
        self._parts = []
        self._peek = None
        if head is not None:
            self._flight.on_head(head)
            if parts:
                self._flight.heard()
                self._flight.on_body(b"".join(parts))

    def _again(self, reason: Reason, status: int = 0) -> bool:
        """Send the call to another target, now or after a pause; False when it cannot be. `status` is the answer's."""
        render = self._render
        if render is None or not self._choice.left:
            return False
        pause = self._waits.next(self._pools.draw)
        if pause is None or self._around.perf() + pause >= self.deadline:
            return False
        if not self._pools.may_retry(self._model, self._policy):
            return False
        found = following(self._choice, render, self._flight.upstream.load)
        if found is None:
            return False
        self._pools.retried(self._model, reason)
        flight = self._flight
        self._around.again(flight.record.id, reason.value, status, pause)
        flight.drop()
        self._pick, rendered = found
        self._previous = Rendered(flight.upstream, b"", hide_usage=False)
        flight.assign(rendered)
        self._made += 1
        if not self._choice.left:
            self._render = None
        self._head = None
        self._parts = []
        self._size = 0
        self._peek = None
        # Never from within the call of the client that reports the failure.
        self._timer = self._loop.call_later(pause, self._send) if pause else self._loop.call_soon(self._send)
        return True

    def _send(self) -> None:
        self._timer = None
        self._previous = None
        self._flight.attempts = self._made
        self._flight.launch(self)

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()


def _within(head: Head, body: bytes) -> tuple[int, bytes]:
    """The status that a whole answer of status 2xx carries inside, with the error; 0 when it is none."""
    if head.events:
        peek = Peek()
        peek.feed(body)
        return peek.status or 0, peek.error
    return whole_status(head, body) or 0, body


def _empty(alias: str) -> Problem:
    return Problem(
        status=502,
        message=f"The model server of '{alias}' answered without a body.",
        type="server_error",
        code="upstream_error",
    )
