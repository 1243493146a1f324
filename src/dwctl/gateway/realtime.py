"""`/ai/v1/realtime`: a WebSocket passed through to a model server, byte by byte (decision 0025).

The gateway reads the handshake and nothing else: who it is, which model, what the server answers. After 101 it passes
bytes both ways without looking at frames, and waits for whichever side is slow. A session is one row without bodies.
"""

import asyncio
import logging
import ssl
from hashlib import sha256

import msgspec

from dwctl.core.ids import new_id
from dwctl.core.reach import NotAllowed
from dwctl.core.services import TaskSet
from dwctl.gateway.admit import Admission, admit
from dwctl.gateway.caller import Caller, caller_of
from dwctl.gateway.failures import busy, not_recorded, problem_of
from dwctl.gateway.handshake import model_in, nonce_of, subprotocols, switching, upgrade_request, with_model
from dwctl.gateway.peek import Peeker
from dwctl.gateway.pools import LATE, Plan, Reason
from dwctl.gateway.prepare import Rendered, Upstream
from dwctl.gateway.realtime_calls import Calls
from dwctl.gateway.record import CLIENT_LEFT, MAX_SIZE, complete, upstream_error
from dwctl.gateway.reply import our_lines
from dwctl.gateway.routes import PREFIX, IdStyle, Route
from dwctl.gateway.settings import GatewaySettings
from dwctl.gateway.upstream.client import UpstreamClient
from dwctl.gateway.upstream.connection import Failure
from dwctl.gateway.upstream.response import Head
from dwctl.gateway.upstream.tunnel import TunnelConnection
from dwctl.gateway.verdict import failing
from dwctl.requests.record import Record
from dwctl.routing.backoff import Waits
from dwctl.routing.choice import Pick
from dwctl.routing.snapshot import Routing, Target
from dwctl.usage.meter import NOTHING
from dwctl.usage.prices import Tariff
from dwctl.wire.cors import NO_CORS, Cors
from dwctl.wire.dates import date_line
from dwctl.wire.errors import Problem, Refused, render, status_line
from dwctl.wire.exchange import Exchange
from dwctl.wire.tunnel import Line

logger = logging.getLogger(__name__)

ROUTE = Route(path="/v1/realtime", id_style=IdStyle.HEADER_ONLY, forces_usage=False)
PATH = PREFIX + ROUTE.path.encode()
EARLY_BYTES = 64 * 1024
"""What a client may send before the server has answered; then reading pauses."""
_STOPPING = Problem(
    status=503, message="The server is stopping.", type="server_error", code="service_unavailable"
)
_BAD_OPENING = "it did not answer the WebSocket's opening"


class Realtime:
    """One for each process. Implements `Upgrades`."""

    def __init__(
        self,
        *,
        calls: Calls,
        routing: Routing,
        client: UpstreamClient,
        settings: GatewaySettings,
        daemon_id: str,
        cors: Cors = NO_CORS,
    ) -> None:
        self.calls = calls
        self.settings = settings
        self.client = client
        self.tasks = TaskSet()
        self.sessions = 0
        """How many are open or being opened."""
        self.cors = cors
        self._routing = routing
        self._daemon_id = daemon_id
        self._peeker = Peeker()

    def takes(self, path: bytes) -> bool:
        """The one path."""
        return path == PATH

    def open(self, exchange: Exchange, line: Line) -> "RealtimeSession":
        """Begin a session, in the next turn of the loop."""
        session = RealtimeSession(self, exchange, line)
        asyncio.get_running_loop().call_soon(session.begin)
        return session

    def admit(self, exchange: Exchange, caller: Caller, model: str | None) -> Admission:
        """By the same rules as every call; raises `Refused`."""
        snapshot = self._routing.snapshot
        key = self.calls.key(snapshot, exchange, caller)
        if model is None and caller.override is None:
            text = "Missing required parameter: 'model'. Send it in the query."
            raise Refused(Problem(status=400, message=text, param="model", code="missing_required_parameter"))
        peeked = self._peeker.peek(msgspec.json.encode({"model": model}))
        admission = admit(snapshot, key, caller, peeked)
        if self.calls.recording.refusal is not None:
            raise Refused(not_recorded(self.calls.recording.refusal))
        if self.sessions >= self.settings.realtime.max_sessions:
            raise Refused(busy(f"{self.sessions} realtime sessions are open already."))
        return admission

    def record(self, admission: Admission, caller: Caller) -> Record:
        """A session's row at its start."""
        key = admission.key
        return Record(
            id=new_id(),
            created_at=self.calls.now(),
            path=ROUTE.path,
            model=admission.model.alias,
            owner_id=key.owner_id,
            creator_id=key.creator_id,
            key_id=key.id,
            daemon_id=self._daemon_id,
            stream=True,
            purpose=key.purpose,
            user_agent=caller.user_agent,
        )


class RealtimeSession:
    """One WebSocket. Implements `Session` for the port and `Near` for the model server's side."""

    def __init__(self, around: Realtime, exchange: Exchange, line: Line) -> None:
        self._around = around
        self._exchange = exchange
        self._line = line
        self._early: list[bytes] = []
        self._early_size = 0
        self._nonce = b""
        self._cors = b""
        self._record: Record | None = None
        self._tariff: Tariff | None = None
        """What prices the session; None when it is free."""
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

    def begin(self) -> None:
        """Admit, note the start, then call the model server."""
        if self._ended:
            return
        around = self._around
        try:
            self._admit()
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
        if self._open and self._far is not None:
            self._far.send(data)
        elif not self._ended:
            self._early.append(data)
            self._early_size += len(data)
            if self._early_size > EARLY_BYTES:
                self._line.pause()

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
        if self._early_size > EARLY_BYTES:
            self._line.resume()

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
        self._received += len(data)
        if not self._ended:
            self._exchange.write(data)

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
            self._line.resume()
        else:
            self._line.pause()

    def _admit(self) -> None:
        around, exchange = self._around, self._exchange
        caller = caller_of(exchange, around.cors)
        self._cors = caller.cors
        key, protocols = subprotocols(exchange.headers)
        if caller.digest is None and key is not None:
            caller = msgspec.structs.replace(caller, digest=sha256(key).digest())
        admission = around.admit(exchange, caller, model_in(exchange.query))
        self._nonce = nonce_of(exchange.headers)
        caller = around.calls.traced(exchange, caller)

        def render(target: Target) -> Rendered:
            upstream = around.calls.upstream(admission.answering.alias, target, ROUTE)
            query = with_model(exchange.query, target.model_name)
            passed_on = around.calls.headers(caller, target)
            request = upgrade_request(upstream, query, passed_on, exchange.headers, protocols)
            return Rendered(upstream, request, hide_usage=False)

        first, self._plan, self._limits = around.calls.enter(admission, render)
        self._upstream = first.upstream
        self._pick = None if self._plan is None else self._plan.pick
        self._record = record = around.record(admission, caller)
        self._tariff = admission.tariff
        if self._tariff is not None:
            record.tariff_id = self._tariff.id
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
        for pick in plan.choice:
            try:
                rendered = plan.render(pick.target)
            except Refused:
                continue
            break
        else:
            return False
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
        failure, detail = Failure.FIRST_BYTE_TIMEOUT, ""
        settings, own = self._around.settings.upstream, upstream.target.timeouts
        connect = (own and own.connect) or settings.connect_timeout
        first_byte = (own and own.first_byte) or settings.first_byte_timeout
        try:
            await self._around.client.open(upstream.address, lambda: far, connect)
        except TimeoutError:
            failure = Failure.CONNECT_TIMEOUT
        except NotAllowed as error:
            failure, detail = Failure.NOT_ALLOWED, str(error)
        except ssl.SSLError as error:
            failure, detail = Failure.UNREACHABLE, f"TLS: {error}"
        except (OSError, ValueError) as error:
            failure, detail = Failure.UNREACHABLE, getattr(error, "strerror", None) or str(error)
        else:
            try:
                async with asyncio.timeout(first_byte):
                    await self._answered.wait()
                return
            except TimeoutError:
                failure = Failure.FIRST_BYTE_TIMEOUT
        finally:
            if self._task is asyncio.current_task():
                self._task = None
        self.gone(failure, detail)

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
                tariff=self._tariff,
            )
            record.request_size = min(self._sent, MAX_SIZE)
            record.duration_ms = (around.calls.perf() - self._exchange.received) * 1000
            record.completed_at = around.calls.now()
            around.sessions -= 1
            around.calls.recording.finish(record, b"")
            around.calls.ended(record)
        if not self._client_gone:
            around.calls.recording.after(self._exchange.finish, answer)
