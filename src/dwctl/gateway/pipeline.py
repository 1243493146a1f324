"""The gateway: admit, choose, prepare, send; the rest happens in `flight`. Implements `Handler`.

Between the request being read and the upstream being called nothing waits, so admission is atomic without
locks. There is no database here: keys and models come from the snapshot, records go to the spool.
"""

import logging
import time
from urllib.parse import unquote

import msgspec

from dwctl.core.clock import Clock
from dwctl.core.ids import new_id
from dwctl.core.metrics import Metrics
from dwctl.gateway.admit import Admission, admit, authenticate
from dwctl.gateway.choose import targets
from dwctl.gateway.flight import Flight
from dwctl.gateway.prepare import Upstream, request_body, request_head, upstream_of
from dwctl.gateway.routes import MODELS, ROUTES, Route
from dwctl.gateway.settings import GatewaySettings
from dwctl.gateway.upstream.client import UpstreamClient
from dwctl.gateway.upstream.origin import Address, Ticket
from dwctl.requests.record import Recording, Started
from dwctl.routing.access import may_use
from dwctl.routing.snapshot import Model, Routing, Snapshot, Target
from dwctl.wire.dates import date_line
from dwctl.wire.errors import Problem, Refused, render, status_line
from dwctl.wire.exchange import Exchange

logger = logging.getLogger(__name__)

MAX_USER_AGENT = 256
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
    ) -> None:
        self.recording = recording
        self.max_reply_bytes = settings.upstream.max_reply_bytes
        self.max_record_bytes = max_record_bytes
        self.overhead_header = settings.overhead_header
        self.perf = time.perf_counter
        self.now = clock.now
        self._routing = routing
        self._client = client
        self._settings = settings
        self._daemon_id = daemon_id
        self._upstreams: dict[tuple[str, str], Upstream] = {}
        self._flights: set[Flight] = set()
        refused = metrics.counter(
            "dwctl_gateway_refused_total", "Requests answered without an upstream.", ("status",)
        )
        self._refused = {status: refused.labels(str(status)) for status in (400, 401, 403, 404, 500, 503)}
        self._calls = metrics.counter("dwctl_gateway_calls_total", "Calls that were admitted.")
        self._in_flight = metrics.gauge("dwctl_gateway_calls_in_flight", "Calls that are not recorded yet.")
        self._in_flight.set_function(lambda: float(len(self._flights)))

    @property
    def in_flight(self) -> int:
        """Calls that have not been recorded yet."""
        return len(self._flights)

    def claims(self, method: bytes, path: bytes) -> bool:
        """POST on an inference path, GET on the model list and on one model."""
        if method == b"POST":
            return path in ROUTES
        return method == b"GET" and (path == MODELS or path.startswith(MODELS + b"/"))

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

    def submit(self, address: Address, request: bytes, flight: Flight) -> Ticket:
        """Send a request upstream."""
        return self._client.submit(address, request, flight)

    def ended(self, flight: Flight) -> None:
        """A call has been recorded."""
        self._flights.discard(flight)

    def _call(self, exchange: Exchange, route: Route) -> None:
        now = self.now()
        admission = admit(self._routing.snapshot, exchange, now)
        self._may_record()
        target = next(targets(admission.model))
        upstream = self._upstream(admission.model, target, route)
        body, hide_usage = request_body(
            exchange.body, admission.peeked, route, target.model_name, admission.peeked.model
        )
        request = request_head(upstream, exchange, len(body)) + body
        started = self._started(exchange, route, admission, now)
        flight = Flight(
            self,
            exchange,
            route,
            upstream,
            started,
            request,
            hide_usage=hide_usage,
            deadline=self._client.now() + self._settings.upstream.total_timeout,
        )
        self._flights.add(flight)
        self._calls.inc()
        exchange.on_abort = flight.abort
        self.recording.start(started, exchange.body)
        self.recording.after(flight.launch)

    def _may_record(self) -> None:
        reason = self.recording.refusal
        if reason is not None:
            raise Refused(
                Problem(
                    status=503,
                    message=f"No new calls are taken for now: {reason}.",
                    type="server_error",
                    code="service_unavailable",
                    headers=((b"retry-after", b"5"),),
                )
            )

    def _started(self, exchange: Exchange, route: Route, admission: Admission, now: float) -> Started:
        key = admission.key
        agent = exchange.header(b"user-agent")
        return Started(
            id=new_id(),
            created_at=now,
            path=route.path,
            model=admission.model.alias,
            owner_id=key.owner_id,
            creator_id=key.creator_id,
            key_id=key.id,
            daemon_id=self._daemon_id,
            stream=bool(admission.peeked.stream),
            purpose=key.purpose,
            user_agent=None if agent is None else agent[:MAX_USER_AGENT].decode("ascii", "replace"),
            request_size=len(exchange.body),
        )

    def _upstream(self, model: Model, target: Target, route: Route) -> Upstream:
        """What a target and a route fix, rendered once for as long as the target is the same object."""
        place = (model.alias, route.path)
        known = self._upstreams.get(place)
        if known is None or known.target is not target:
            if len(self._upstreams) > 10_000:
                self._upstreams.clear()
            known = self._upstreams[place] = upstream_of(target, route)
        return known

    def _refuse(self, exchange: Exchange, problem: Problem) -> None:
        counter = self._refused.get(problem.status)
        if counter is not None:
            counter.inc()
        ident = new_id().encode()
        lines = b"x-onwards-response-id: resp_%b\r\nx-request-id: %b\r\n" % (ident, ident)
        exchange.finish(render(problem, lines, keep_alive=exchange.keep_alive))

    def _models(self, exchange: Exchange) -> None:
        """`GET /ai/v1/models`, or one model whose id may contain slashes."""
        snapshot = self._routing.snapshot
        key = authenticate(snapshot, exchange, self.now())
        name = unquote(exchange.path[len(MODELS) + 1 :].decode("utf-8", "replace"))
        if name:
            model = snapshot.models.get(name)
            if model is None or not may_use(key, model):
                raise Refused(
                    Problem(
                        status=404,
                        message=f"The model '{name[:512]}' does not exist.",
                        param="model",
                        code="model_not_found",
                    )
                )
            self._send_json(exchange, _shown(model))
            return
        usable = [_shown(model) for model in _sorted(snapshot) if may_use(key, model)]
        self._send_json(exchange, {"object": "list", "data": usable})

    def _send_json(self, exchange: Exchange, content: object) -> None:
        body = msgspec.json.encode(content)
        exchange.finish(
            b"%bcontent-type: application/json\r\ncontent-length: %d\r\n%bx-request-id: %b\r\n%b\r\n%b"
            % (
                status_line(200),
                len(body),
                date_line(),
                new_id().encode(),
                b"" if exchange.keep_alive else b"connection: close\r\n",
                body,
            )
        )


def _sorted(snapshot: Snapshot) -> list[Model]:
    return sorted(snapshot.models.values(), key=lambda model: model.alias)


def _shown(model: Model) -> dict[str, object]:
    owner = model.targets[0].endpoint_name if model.targets else "dwctl"
    return {"id": model.alias, "object": "model", "created": model.created, "owned_by": owner}
