"""The gateway: admit, choose, prepare, send; the rest happens in `flight`. Implements `Handler`.

Between the request being read and the upstream being called nothing waits, so admission is atomic without
locks. There is no database here: keys and models come from the snapshot, records go to the spool.
"""

import logging
import time
from collections.abc import Hashable
from functools import partial
from random import SystemRandom

from dwctl.core.clock import Clock
from dwctl.core.ids import new_id
from dwctl.core.metrics import Metrics
from dwctl.gateway import models
from dwctl.gateway.admit import Admission, admit, authenticate
from dwctl.gateway.attempts import Attempts
from dwctl.gateway.caller import Caller, caller_of
from dwctl.gateway.choose import targets
from dwctl.gateway.counts import Counts
from dwctl.gateway.flight import Flight
from dwctl.gateway.gate import Gate
from dwctl.gateway.models import ModelPages
from dwctl.gateway.peek import Peeker
from dwctl.gateway.pools import Pools, Rendered
from dwctl.gateway.prepare import Upstream, request_body, request_head, upstream_of
from dwctl.gateway.reply import connection_line, our_lines
from dwctl.gateway.routes import ROUTES, Route
from dwctl.gateway.sanitise import Sanitiser
from dwctl.gateway.settings import GatewaySettings
from dwctl.gateway.strict import peekers, typed_routes
from dwctl.gateway.upstream.client import UpstreamClient
from dwctl.gateway.upstream.connection import Failure
from dwctl.requests.record import Record, Recording
from dwctl.routing.condition import Conditions
from dwctl.routing.limit_book import LimitBook
from dwctl.routing.snapshot import Routing, Target
from dwctl.wire.cors import NO_CORS, Cors
from dwctl.wire.dates import date_line
from dwctl.wire.errors import Problem, Refused, render, status_line
from dwctl.wire.exchange import Exchange

logger = logging.getLogger(__name__)

MAX_UPSTREAMS = 10_000
COMPLAIN_EVERY = 1.0
"""Seconds between two warnings about the same endpoint and failure; the metrics count every one."""
_INTERNAL = Problem(
    status=500, message="The gateway failed on this request.", type="server_error", code="internal_error"
)


class Gateway:
    """One for each process."""

    def __init__(
        self,
        *,
        routing: Routing,
        recording: Recording,
        client: UpstreamClient,
        settings: GatewaySettings,
        clock: Clock,
        metrics: Metrics,
        daemon_id: str,
        max_record_bytes: int,
        cors: Cors = NO_CORS,
        limits: LimitBook | None = None,
        strict: bool = False,
    ) -> None:
        self.recording = recording
        self.max_reply_bytes = settings.upstream.max_reply_bytes
        self.max_record_bytes = max_record_bytes
        self.overhead_header = settings.overhead_header
        self.perf = time.perf_counter
        self.now = clock.now
        self._routing = routing
        self._client = client
        self._total_timeout = settings.upstream.total_timeout
        self._daemon_id = daemon_id
        self._cors = cors
        self._peeker = Peeker()
        self._strict = peekers() if strict else None
        self._routes = typed_routes() if strict else ROUTES
        self._pages = ModelPages()
        self._upstreams: dict[Hashable, Upstream] = {}
        self.conditions = Conditions()
        """What is known of targets."""
        draw = SystemRandom().random
        self._gate = Gate(LimitBook() if limits is None else limits)
        self._pools = Pools(settings.pools, self.conditions, clock, metrics, draw, self._gate)
        self._complained: dict[tuple[str, Failure], float] = {}
        self._counts = Counts()
        # What a flight needs of the gateway, without a step in between.
        self.submit = client.submit
        metrics.registry.register(self._counts)
        metrics.registry.register(self._gate)
        self.served = self._counts.served
        self.pending = self._counts.pending

    @property
    def in_flight(self) -> int:
        """Calls that have not been recorded yet."""
        return self._counts.in_flight

    def claims(self, method: bytes, path: bytes) -> bool:
        """POST on an inference path, GET on the model list and on one model."""
        if method == b"POST":
            return path in self._routes
        return method == b"GET" and models.claims(path)

    def handle(self, exchange: Exchange) -> None:
        """Answer one request."""
        try:
            if exchange.method == b"POST":
                self._call(exchange, ROUTES[exchange.path])
            else:
                self._models(exchange)
        except Refused as refusal:
            self._gate.undo()
            self._refuse(exchange, refusal.problem)
        except Exception:
            self._gate.undo()
            logger.exception("a request failed in the gateway")
            self._refuse(exchange, _INTERNAL)

    def ended(self, record: Record) -> None:
        """A call has been recorded."""
        self._counts.ended(record)
        if self._gate.held:
            self._gate.ended(record)

    def failed(self, model: str, target: Target, failure: Failure, detail: str) -> None:
        """An attempt at a target failed."""
        self._counts.failed(target.endpoint_name, failure)
        place = (target.endpoint_name, failure)
        now = self.perf()
        if now - self._complained.get(place, -COMPLAIN_EVERY) >= COMPLAIN_EVERY:
            self._complained[place] = now
            logger.warning(
                "%s: the endpoint %s %s%s",
                model,
                target.endpoint_name,
                failure.value,
                f": {detail}" if detail else "",
            )

    def _call(self, exchange: Exchange, route: Route) -> None:
        now = self.now()
        caller = caller_of(exchange, self._cors)
        peeker = self._peeker if self._strict is None else self._strict[route.path]
        admission = admit(self._routing.snapshot, peeker, caller, exchange.body, now)
        if self.recording.refusal is not None:
            raise Refused(_not_recorded(self.recording.refusal))
        gate = self._gate
        model = admission.model
        limit_lines = b""
        if model.limits is not None or admission.key.limits is not None:
            limit_lines = gate.enter(model.limits, admission.key.limits)
        rendering = partial(self._rendered, exchange, route, admission, caller)
        if model.pool is None:
            plan = None
            target = next(targets(model))
            if target.limits is not None or target.provider_limits is not None:
                gate.attempt(target)
            first = rendering(target)
        else:
            plan = self._pools.plan(model, model.pool, rendering)
            first = plan.first
        upstream = first.upstream
        own = upstream.target.timeouts
        record = self._record(route, admission, caller, len(exchange.body), now)
        sanitiser = None
        if admission.model.sanitize or self._strict is not None:
            sanitiser = Sanitiser(
                route.path,
                record.model,
                record.id,
                exchange.body,
                strict=self._strict is not None,
            )
        flight = Flight(
            self,
            exchange,
            route,
            upstream,
            record,
            first.request,
            caller.cors + limit_lines,
            hide_usage=first.hide_usage,
            deadline=exchange.received + ((own and own.total) or self._total_timeout),
            sanitiser=sanitiser,
        )
        sender = flight if plan is None else Attempts(self, self._pools, flight, plan)
        if gate.entering is not None:
            gate.keep(record.id)
        self._counts.began(record)
        exchange.on_abort = sender.abort
        self.recording.start(record, exchange.body)
        self.recording.after(sender.launch)

    def _rendered(
        self, exchange: Exchange, route: Route, admission: Admission, caller: Caller, target: Target
    ) -> Rendered:
        """A call as one target gets it."""
        alias = admission.model.alias
        place = (alias, route.path, target.endpoint_id, target.model_name)
        upstream = self._upstream(place, alias, target, route)
        body, hide_usage = request_body(exchange.body, admission.peeked, route, target.model_name)
        request = request_head(upstream, exchange.query, _headers(caller, target), len(body)) + body
        return Rendered(upstream, request, hide_usage)

    def _record(self, route: Route, admission: Admission, caller: Caller, size: int, now: float) -> Record:
        key = admission.key
        return Record(
            id=new_id(),
            created_at=now,
            path=route.path,
            model=admission.model.alias,
            owner_id=key.owner_id,
            creator_id=key.creator_id,
            key_id=key.id,
            daemon_id=self._daemon_id,
            stream=admission.peeked.stream,
            purpose=key.purpose,
            user_agent=caller.user_agent,
            request_size=size,
        )

    def _upstream(self, place: Hashable, alias: str, target: Target, route: Route) -> Upstream:
        """What a target and a route fix, rendered once for as long as the target is the same object."""
        known = self._upstreams.get(place)
        if known is None or known.target is not target:
            if len(self._upstreams) > MAX_UPSTREAMS:
                self._upstreams.clear()
            try:
                known = self._upstreams[place] = upstream_of(target, route, self.conditions.of(target).load)
            except ValueError as error:
                logger.error("%s cannot be sent anywhere: %s", alias, error)
                raise Refused(_unusable(alias)) from error
        return known

    def _refuse(self, exchange: Exchange, problem: Problem) -> None:
        self._counts.refused(*self._place(exchange), problem.status, self.perf() - exchange.received)
        lines = (
            our_lines(new_id().encode(), None),
            self._cors.lines(exchange.header(b"origin")),
            connection_line(exchange, keep_alive=exchange.keep_alive),
        )
        exchange.finish(render(problem, b"".join(lines)))

    def _place(self, exchange: Exchange) -> tuple[str, str]:
        """Method and path as they are counted: a model's own path is not, for clients choose it."""
        post = exchange.method == b"POST"
        return exchange.method.decode(), (exchange.path if post else models.PATH).decode()

    def _models(self, exchange: Exchange) -> None:
        snapshot = self._routing.snapshot
        caller = caller_of(exchange, self._cors)
        key = authenticate(snapshot, caller, self.now())
        body = self._pages.page(snapshot, key, exchange.path)
        exchange.finish(
            b"%bcontent-type: application/json\r\ncontent-length: %d\r\n%bx-request-id: %b\r\n%b%b\r\n%b"
            % (
                status_line(200),
                len(body),
                date_line(),
                new_id().encode(),
                caller.cors,
                connection_line(exchange, keep_alive=exchange.keep_alive),
                body,
            )
        )
        self._counts.answered(*self._place(exchange), 200, self.perf() - exchange.received)


def _headers(caller: Caller, target: Target) -> bytes:
    """The client's headers that a target gets; its traces only where the target is trusted."""
    return caller.passed_on + caller.trace if caller.trace and target.trusted else caller.passed_on


def _unusable(alias: str) -> Problem:
    return Problem(
        status=502,
        message=f"The endpoint of '{alias}' is not set up correctly. Please contact your administrator.",
        type="server_error",
        code="upstream_error",
    )


def _not_recorded(reason: str) -> Problem:
    return Problem(
        status=503,
        message=f"No new calls are taken for now: {reason}.",
        type="server_error",
        code="service_unavailable",
        headers=((b"retry-after", b"5"),),
    )
