"""One WebSocket of `/ai/v1/realtime`, from its handshake to its row (decisions 0025 and 0033).

After 101 bytes pass both ways as they come, and wait for whichever side is slow. What the server sends is read on the
way for what it tells of usage. States: waiting for credit, then opening (noted, the server is asked), then open, then
ended; each state may end the session. What a death leaves:

| the process dies | what is there |
|---|---|
| while the session waits for credit | nothing: it has no row and nothing is charged |
| while it opens | its start; the row ends as `interrupted` |
| while it is open | each response that has ended is on the row and charged; the row ends as `interrupted` |
| after its end was noted | all of it |

A response is noted before its last bytes go to the client. Each is an attempt of the row, the second one on: what an
attempt costs is charged once and added to the row, whatever comes twice, late or in another order.
"""

import asyncio
import logging
from functools import partial
from hashlib import sha256

import msgspec

from dwctl.core.ids import new_id
from dwctl.gateway.admission import Admission, Caller
from dwctl.gateway.caller import caller_of
from dwctl.gateway.failures import problem_of
from dwctl.gateway.handshake import model_in, nonce_of, subprotocols, switching, upgrade_request, with_model
from dwctl.gateway.pools import LATE, Plan, Reason, following
from dwctl.gateway.realtime_charges import Charges
from dwctl.gateway.realtime_shared import PATH, ROUTE, Shared
from dwctl.gateway.realtime_tab import Tab, bound_of_response
from dwctl.gateway.record import CLIENT_LEFT, MAX_SIZE, complete, upstream_error
from dwctl.gateway.rendered import Rendered, Upstream
from dwctl.gateway.reply import our_lines
from dwctl.gateway.upstream.connection import Failure
from dwctl.gateway.upstream.response_head import Head
from dwctl.gateway.upstream.tunnel import TunnelConnection
from dwctl.gateway.verdict import failing
from dwctl.requests.record import Record
from dwctl.routing.backoff import Waits
from dwctl.routing.choice import Pick
from dwctl.routing.snapshot import Target
from dwctl.usage.credit.leases import ZERO
from dwctl.usage.metered import NOTHING
from dwctl.wire.errors import Problem, Refused, render
from dwctl.wire.exchange import Exchange
from dwctl.wire.heads import date_line, status_line
from dwctl.wire.tunnel import Line
from dwctl.wire.websocket_frames import close_frame, text_frame

logger = logging.getLogger(__name__)

EARLY_BYTES = 64 * 1024
"""What a client may send before the server has answered; then reading pauses."""
POLICY, TRY_AGAIN = 1008, 1013
"""Codes of a close: for what is not allowed, and for what is not possible now."""
_STOPPING = Problem(
    status=503, message="The server is stopping.", type="server_error", code="service_unavailable"
)
_BAD_OPENING = "it did not answer the WebSocket's opening"


class RealtimeSession:
    """One WebSocket. Implements `Session` for the port and `Near` for the model server's side."""

    def __init__(self, around: Shared, exchange: Exchange, line: Line) -> None:
        self._around = around
        self._exchange = exchange
        self._line = line
        self._early: list[bytes] = []
        self._early_size = 0
        self._nonce = b""
        self._cors = b""
        self._record: Record | None = None
        self._tab: Tab | None = None
        """Its credit; None when it is free."""
        self._charges: Charges | None = None
        self._short: Problem | None = None
        """Why it must end at the next place between two messages."""
        self._upstream: Upstream | None = None
        self._plan: Plan | None = None
        self._pick: Pick | None = None
        """The target of a pool that is asked now."""
        self._waits: Waits | None = None
        self._limits = b""
        """Lines that say what is left of the limits."""
        self._head: Head | None = None
        self._far: TunnelConnection | None = None
        self._task: asyncio.Task[None] | None = None
        self._open = False
        self._ended = False
        self._client_gone = False
        self._answered = asyncio.Event()
        """Whether the server has said yes or no."""
        self._heard = 0.0
        """Loop time at which the server sent something last."""
        self._sent = 0
        self._received = 0
        self._behind = 0
        """Pieces for the client that wait for the spool; what comes after them waits too."""
        self._slow: set[str] = set()
        """Why the client is not read."""

    def begin(self) -> None:
        """Admit, note the start, then call the model server."""
        if self._ended:
            return
        around = self._around
        try:
            if not self._admit():
                return
        except Refused as refusal:
            around.calls.undo()
            self._refuse(refusal.problem)
        except Exception:
            around.calls.undo()
            logger.exception("a realtime session failed in the gateway")
            text = "The gateway failed on this request."
            self._refuse(Problem(status=500, message=text, type="server_error", code="internal_error"))
        else:
            around.calls.recording.after(self._launch)

    def body_received(self, data: bytes) -> None:
        """From the client: on to the server, or kept until it has answered."""
        self._sent += len(data)
        if self._charges is not None:
            self._charges.usage.heard(len(data))
        if self._open and self._far is not None:
            self._far.send(data)
        elif not self._ended:
            self._early.append(data)
            self._early_size += len(data)
            if self._early_size > EARLY_BYTES:
                self._pause("early")

    def body_ended(self) -> None:
        """There is no body."""

    def disconnected(self) -> None:
        """The client is gone: so is the session."""
        self._client_gone = True
        self._leave()

    def client_ended(self) -> None:
        """Nobody half-closes a WebSocket."""
        self._leave()

    def writable(self, ready: bool) -> None:
        """The client reads too slowly, or has caught up: so does the server's side."""
        if self._far is not None:
            self._far.read(on=ready)

    def silent(self, seconds: float) -> None:
        """End a session in which nobody says anything."""
        limit = self._around.settings.realtime.idle_timeout
        quiet = min(seconds, asyncio.get_running_loop().time() - self._heard)
        if self._open and quiet > limit:
            self._finish(101, error=("gateway_timeout", f"Neither side said anything for {limit:g} s."))

    def going_away(self) -> None:
        """A session has no end of its own to wait for."""
        if self._record is None:
            self._refuse(_STOPPING)
        elif self._open:
            self._finish(101, error=(_STOPPING.code, _STOPPING.message))
        else:
            self._deny(_STOPPING)

    def opened(self, head: Head) -> None:
        """The server has switched: so do we."""
        self._head = head
        record = self._record
        if self._ended or record is None:
            return
        answer = switching(head, self._nonce, self._cors + self._limits + our_lines(record.id.encode(), None))
        if answer is None:
            self.gone(Failure.GARBAGE, _BAD_OPENING)
            return
        if self._pick is not None:
            self._pick.condition.health.succeeded(lifts=self._pick.ejected)
        self._open = True
        self._answered.set()
        self._heard = asyncio.get_running_loop().time()
        self._exchange.write(answer)
        early, self._early = self._early, []
        if self._far is not None:
            for data in early:
                self._far.send(data)
        self._resume("early")

    def denied(self, head: Head, body: bytes) -> None:
        """The server said no: so do we, in its words if it called it an error."""
        self._head = head
        if head.status < 400:
            self.gone(Failure.GARBAGE, _BAD_OPENING)
            return
        pick, plan = self._pick, self._plan
        if pick is not None and plan is not None and not self._ended:
            if failing(head.status):
                self._around.calls.pools.failed(pick, head)
            else:
                pick.condition.health.answered(lifts=pick.ejected)
            if head.status in plan.pool.statuses and self._again(plan, Reason.STATUS, head.status):
                return
        problem = Problem(status=head.status, message=f"The model server answered {head.status}.")
        self._deny(problem, body if head.json else None, upstream_error(head.status))

    def came(self, data: bytes) -> None:
        """From the server: on to the client."""
        self._heard = asyncio.get_running_loop().time()
        charges = self._charges
        if self._ended or charges is None:
            return
        noted = charges.came(data)
        if self._tab is not None and self._tab.waiting:
            # Nothing more is asked for until the next response is paid for.
            self._pause("credit")
        short, boundary = self._short, charges.reader.boundary
        if short is not None and boundary >= 0:
            data = data[:boundary]
        self._received += len(data)
        if noted or self._behind:
            self._behind += 1
            self._around.calls.recording.after(self._write, data)
        else:
            self._exchange.write(data)
        if short is not None and boundary >= 0:
            self._end_for(short)

    def gone(self, failure: Failure, detail: str) -> None:
        """The server's side is lost. After 101 that is how a WebSocket ends."""
        record, upstream = self._record, self._upstream
        if self._open:
            self._finish(101)
        elif not self._ended and record is not None and upstream is not None:
            calls, plan = self._around.calls, self._plan
            calls.failed(record.model, upstream.target, failure, detail)
            if plan is not None and self._pick is not None:
                calls.pools.failed(self._pick)
                reason = Reason.TIMEOUT if failure in LATE else Reason.NETWORK
                if self._again(plan, reason):
                    return
            self._deny(problem_of(failure, record.model))

    def far_writable(self, ready: bool) -> None:
        """The server reads too slowly, or has caught up: so does the client's side."""
        if ready:
            self._resume("server")
        else:
            self._pause("server")

    def _write(self, data: bytes) -> None:
        """What was noted before it is in the spool."""
        self._behind -= 1
        if not self._client_gone:
            self._exchange.write(data)

    def _pause(self, why: str) -> None:
        self._slow.add(why)
        self._line.pause()

    def _resume(self, why: str) -> None:
        if why in self._slow:
            self._slow.discard(why)
            if not self._slow:
                self._line.resume()

    def _credited(self, problem: Problem | None) -> None:
        """A wait for credit is over."""
        if self._ended:
            return
        if self._record is None:
            if problem is None:
                # What held when it came to wait may hold no more.
                self.begin()
            else:
                self._refuse(problem)
        elif problem is None:
            self._resume("credit")
        elif self._charges is not None and self._charges.reader.whole:
            self._end_for(problem)
        else:
            self._short = problem

    def _end_for(self, problem: Problem) -> None:
        """End an open session between two messages, and tell why: an event, then a close."""
        inner = {"type": problem.type, "code": problem.code, "message": problem.message, "param": None}
        event = {"type": "error", "event_id": f"event_{new_id()}", "error": inner}
        code = TRY_AGAIN if problem.status == 503 else POLICY
        told = text_frame(msgspec.json.encode(event)) + close_frame(code, problem.code or "")
        self._finish(101, error=(problem.code, problem.message), answer=told)

    def _covered(self, admission: Admission, digest: bytes | None, now: float) -> bool:
        """Reserve for the first response; False when that has to wait, and the session begins anew."""
        around, tariff = self._around, admission.tariff
        if tariff is None or not around.calls.reserves:
            return True
        if self._tab is None:
            funds = around.calls.funds
            amount = bound_of_response(tariff, funds.settings)
            self._tab = Tab(funds, admission.key.owner_id, amount, self._credited)
        return self._tab.admit(partial(around.purses, admission.key, digest, now))

    def _admit(self) -> bool:
        """Take the session, or refuse it; False when it waits for credit."""
        around, exchange = self._around, self._exchange
        caller = caller_of(exchange, around.cors)
        self._cors = caller.cors
        key, protocols = subprotocols(exchange.headers)
        if caller.digest is None and key is not None:
            caller = msgspec.structs.replace(caller, digest=sha256(key).digest())
        admission = around.admit(exchange, caller, model_in(exchange.query))
        self._nonce = nonce_of(exchange.headers)
        now = around.calls.now()
        if not self._covered(admission, caller.digest, now):
            return False
        caller = around.calls.traced(exchange, caller)
        self._enter(admission, caller, protocols, now)
        return True

    def _enter(self, admission: Admission, caller: Caller, protocols: list[bytes], now: float) -> None:
        """Take the limits and the first target, and note the start."""
        around, exchange = self._around, self._exchange

        def render(target: Target) -> Rendered:
            upstream = around.calls.upstream(admission.answering.alias, target, ROUTE)
            query = with_model(exchange.query, target.model_name)
            passed_on = around.calls.headers(caller, target)
            request = upgrade_request(upstream, query, passed_on, exchange.headers, protocols)
            return Rendered(upstream, request, hide_usage=False)

        first, self._plan, self._limits = around.calls.enter(admission, render)
        self._upstream = first.upstream
        self._pick = None if self._plan is None else self._plan.pick
        self._record = record = around.record(admission, caller, now)
        self._charges = Charges(record, admission.tariff, self._tab, around.calls.recording)
        self._far = TunnelConnection(self, first.request, around.settings.upstream.max_head_bytes)
        around.sessions += 1
        first.upstream.load.active += 1
        around.calls.began(record)
        around.calls.recording.start(record, b"")

    def _launch(self) -> None:
        if self._ended or self._far is None or self._record is None or self._upstream is None:
            return
        self._record.overhead_ms = (self._around.calls.perf() - self._exchange.received) * 1000
        self._task = self._around.tasks.spawn(self._call(self._upstream, self._far), name="realtime")

    def _again(self, plan: Plan, reason: Reason, status: int = 0) -> bool:
        """Ask another target, now or after a pause; False when it cannot be. The client has been sent nothing yet."""
        around, record, failed = self._around, self._record, self._upstream
        if record is None or failed is None or not plan.choice.left:
            return False
        pools = around.calls.pools
        waits = self._waits = self._waits or Waits(plan.pool.fallback)
        pause = waits.next(pools.draw)
        if pause is None or not pools.may_retry(plan.model, plan.pool):
            return False
        found = following(plan.choice, plan.render, failed.load)
        if found is None:
            return False
        pick, rendered = found
        pools.retried(plan.model, reason)
        around.calls.again(record.id, reason.value, status, pause)
        failed.load.active -= 1
        rendered.upstream.load.active += 1
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
        if self._far is not None:
            self._far.close()
        self._pick, self._upstream, self._head = pick, rendered.upstream, None
        self._far = far = TunnelConnection(self, rendered.request, around.settings.upstream.max_head_bytes)
        self._task = around.tasks.spawn(self._call(rendered.upstream, far, pause), name="realtime")
        return True

    async def _call(self, upstream: Upstream, far: TunnelConnection, pause: float = 0.0) -> None:
        """Connect and wait for the answer to the opening."""
        if pause:
            await asyncio.sleep(pause)
        try:
            failed = await self._around.connect(upstream, far, self._answered)
        finally:
            if self._task is asyncio.current_task():
                self._task = None
        if failed is not None:
            self.gone(*failed)

    def _leave(self) -> None:
        """The client has left."""
        if self._open:
            self._finish(101)
        else:
            self._finish(CLIENT_LEFT.status, error=(CLIENT_LEFT.code, CLIENT_LEFT.message))

    def _refuse(self, problem: Problem) -> None:
        """No session: an answer, and no row."""
        if not self._ended:
            self._ended = True
            seconds = self._around.calls.perf() - self._exchange.received
            self._around.calls.refused("GET", PATH.decode(), problem.status, seconds)
            if self._tab is not None:
                self._tab.close(ZERO)
            self._exchange.finish(self._rendered(problem, None, new_id()))

    def _deny(
        self, problem: Problem, body: bytes | None = None, error: tuple[str | None, str] | None = None
    ) -> None:
        """A session that did not come to be: an answer, and a row that says why."""
        if self._record is not None:
            answer = self._rendered(problem, body, self._record.id)
            self._finish(problem.status, error=error or (problem.code, problem.message), answer=answer)

    def _rendered(self, problem: Problem, body: bytes | None, ident: str) -> bytes:
        lines = self._cors + self._limits + our_lines(ident.encode(), None)
        if body is None:
            return render(problem, lines, keep_alive=False)
        return (
            b"%bcontent-type: application/json\r\ncontent-length: %d\r\n%b%bconnection: close\r\n\r\n%b"
            % (status_line(problem.status), len(body), date_line(), lines, body)
        )

    def _finish(
        self, status: int, *, error: tuple[str | None, str] | None = None, answer: bytes = b""
    ) -> None:
        """The one end: recorded first, then told to whoever is still there."""
        if self._ended:
            return
        self._ended = True
        self._answered.set()
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
        if self._far is not None:
            self._far.close()
        around, record, upstream = self._around, self._record, self._upstream
        if self._charges is not None:
            self._charges.end()
        if record is not None and upstream is not None:
            upstream.load.active -= 1
            complete(
                record,
                upstream.target,
                self._head,
                status,
                NOTHING,
                size=self._received,
                error=error,
            )
            record.request_size = min(self._sent, MAX_SIZE)
            record.duration_ms = (around.calls.perf() - self._exchange.received) * 1000
            record.completed_at = around.calls.now()
            around.sessions -= 1
            around.calls.recording.finish(record, b"")
            around.calls.ended(record)
        if self._tab is not None:
            cost = None if record is None else record.cost
            self._tab.close(cost or ZERO)
        if not self._client_gone:
            around.calls.recording.after(self._exchange.finish, answer)
