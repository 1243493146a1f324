"""The gateway: admit, choose, prepare, send; the rest happens in `flight`. Implements `Handler`.

Between the request being read and the upstream being called nothing waits, so admission is atomic without
locks. There is no database here: keys and models come from the snapshot, records go to the spool.
"""

import logging
import time

from dwctl.core.clock import Clock
from dwctl.core.ids import new_id
from dwctl.core.metrics import Metrics
from dwctl.gateway import models
from dwctl.gateway.admit import Admission, admit, authenticate
from dwctl.gateway.caller import Caller, caller_of
from dwctl.gateway.choose import targets
from dwctl.gateway.counts import Counts
from dwctl.gateway.dialect import Translated
from dwctl.gateway.flight import Flight
from dwctl.gateway.models import ModelPages
from dwctl.gateway.peek import Peeker
from dwctl.gateway.prepare import Upstream, request_body, request_head, upstream_of
from dwctl.gateway.reasoning import with_effort
from dwctl.gateway.reply import connection_line, our_lines
from dwctl.gateway.reshape import Reshape
from dwctl.gateway.routes import ROUTES, Route
from dwctl.gateway.settings import GatewaySettings
from dwctl.gateway.upstream.client import UpstreamClient
from dwctl.gateway.upstream.connection import Failure
from dwctl.requests.record import Record, Recording
from dwctl.routing.snapshot import Model, Routing, Target
from dwctl.wire.cors import NO_CORS, Cors
from dwctl.wire.dates import date_line
from dwctl.wire.errors import Problem, Refused, render, status_line
from dwctl.wire.exchange import Exchange
from dwctl.wire.messages.problems import in_messages

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
        self._pages = ModelPages()
        self._upstreams: dict[tuple[str, str], Upstream] = {}
        self._complained: dict[tuple[str, Failure], float] = {}
        self._counts = Counts()
        # What a flight needs of the gateway, without a step in between.
        self.ended = self._counts.ended
        self.refused = self._counts.refused
        self.submit = client.submit
        metrics.registry.register(self._counts)

    @property
    def in_flight(self) -> int:
        """Calls that have not been recorded yet."""
        return self._counts.in_flight

    def claims(self, method: bytes, path: bytes) -> bool:
        """POST on an inference path, GET on the model list and on one model."""
        if method == b"POST":
            return path in ROUTES
        return method == b"GET" and models.claims(path)

    def handle(self, exchange: Exchange) -> None:
        """Answer one request."""
        try:
            if exchange.method == b"POST":
                self._call(exchange, ROUTES[exchange.path])
            else:
                self._models(exchange)
        except Refused as refusal:
            self._refuse(exchange, refusal.problem)
        except Exception:
            logger.exception("a request failed in the gateway")
            self._refuse(exchange, _INTERNAL)

    def began(self) -> None:
        """A call has been admitted that does not come through `handle`."""
        self._counts.in_flight += 1

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
        snapshot = self._routing.snapshot
        asked = exchange.body
        query = exchange.query
        translated: Translated | None = None
        if route.dialect is not None:
            # Nobody unknown makes us translate.
            authenticate(snapshot, caller, now)
            translated = route.dialect.request(asked)
            asked, query = translated.body, b""
        admission = admit(snapshot, self._peeker, caller, asked, now)
        if self.recording.refusal is not None:
            raise Refused(_not_recorded(self.recording.refusal))
        target = next(targets(admission.model))
        upstream = self._upstream(admission.model, target, route)
        sent = asked if target.reasoning is None else with_effort(asked, target.reasoning, route.path)
        body, hide_usage = request_body(sent, admission.peeked, route, target.model_name)
        request = request_head(upstream, query, caller.passed_on, len(body)) + body
        record = self._record(route, admission, caller, len(exchange.body), now)
        reshape: Reshape | None = None
        if route.dialect is not None and translated is not None:
            reshape = route.dialect.reshape(record.id, record.model, translated)
        flight = Flight(
            self,
            exchange,
            route,
            upstream,
            record,
            request,
            caller.cors,
            hide_usage=hide_usage,
            deadline=exchange.received + self._total_timeout,
            reshape=reshape,
        )
        self._counts.in_flight += 1
        exchange.on_abort = flight.abort
        self.recording.start(record, asked)
        self.recording.after(flight.launch)

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

    def _upstream(self, model: Model, target: Target, route: Route) -> Upstream:
        """What a target and a route fix, rendered once for as long as the target is the same object."""
        place = (model.alias, route.path)
        known = self._upstreams.get(place)
        if known is None or known.target is not target:
            if len(self._upstreams) > MAX_UPSTREAMS:
                self._upstreams.clear()
            try:
                known = self._upstreams[place] = upstream_of(target, route)
            except ValueError as error:
                logger.error("%s cannot be sent anywhere: %s", model.alias, error)
                raise Refused(_unusable(model.alias)) from error
        return known

    def _refuse(self, exchange: Exchange, problem: Problem) -> None:
        route = ROUTES.get(exchange.path)
        if route is not None and route.dialect is not None:
            problem = route.dialect.refusal(problem)
        self._counts.refused(problem.status)
        lines = (
            our_lines(new_id().encode(), None),
            self._cors.lines(exchange.header(b"origin")),
            connection_line(exchange, keep_alive=exchange.keep_alive),
        )
        exchange.finish(render(problem, b"".join(lines)))

    def _models(self, exchange: Exchange) -> None:
        snapshot = self._routing.snapshot
        caller = caller_of(exchange, self._cors)
        anthropic = exchange.header(models.ANTHROPIC) is not None
        try:
            key = authenticate(snapshot, caller, self.now())
            body = self._pages.page(snapshot, key, exchange.path, anthropic=anthropic)
        except Refused as refusal:
            problem = in_messages(refusal.problem) if anthropic else refusal.problem
            raise Refused(problem) from refusal
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
