"""The gateway: admit, choose, prepare, send; the rest happens in `flight`. Implements `Handler`.

Between the request being read and the upstream being called nothing waits, so admission is atomic without
locks. There is no database here: keys and models come from the snapshot, records go to the spool.
"""

import logging
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

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
from dwctl.gateway.inflate import unsupported
from dwctl.gateway.inflating import Inflating
from dwctl.gateway.models import ModelPages
from dwctl.gateway.peek import Peek, Peeker
from dwctl.gateway.place import Places
from dwctl.gateway.prepare import JSON_LINE, Upstream, request_body, request_head, upstream_of
from dwctl.gateway.reasoning import with_effort
from dwctl.gateway.reply import connection_line, our_lines
from dwctl.gateway.reshape import Reshape
from dwctl.gateway.routes import ROUTES, UPLOADS, Route
from dwctl.gateway.settings import MIB, GatewaySettings
from dwctl.gateway.uploads.form import boundary_of, not_a_form
from dwctl.gateway.uploads.spill import SpillRoom
from dwctl.gateway.uploads.upload import Upload, too_large
from dwctl.gateway.upstream.client import UpstreamClient
from dwctl.gateway.upstream.connection import Failure
from dwctl.requests.record import Record, Recording
from dwctl.routing.snapshot import Key, Model, Routing, Snapshot, Target
from dwctl.wire.cors import NO_CORS, Cors
from dwctl.wire.dates import date_line
from dwctl.wire.errors import Problem, Refused, render, status_line
from dwctl.wire.exchange import Exchange
from dwctl.wire.messages.problems import in_messages

logger = logging.getLogger(__name__)

T = TypeVar("T")

MAX_UPSTREAMS = 10_000
COMPLAIN_EVERY = 1.0
"""Seconds between two warnings about the same endpoint and failure; the metrics count every one."""
_INTERNAL = Problem(
    status=500, message="The gateway failed on this request.", type="server_error", code="internal_error"
)


class Gateway:
    """One for each process."""

    uploads = UPLOADS

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
        max_body_bytes: int = 32 * MIB,
        uploads_folder: Path | None = None,
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
        self._places = Places(settings.trusted_proxies)
        self._max_body_bytes = max_body_bytes
        self._max_upload_bytes = settings.uploads.max_bytes
        self._room = SpillRoom(
            uploads_folder or Path(tempfile.gettempdir()),
            memory_bytes=settings.uploads.memory_bytes,
            max_total_bytes=settings.uploads.max_total_bytes,
        )
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

    @property
    def kept_bytes(self) -> int:
        """Of all forms under way, in memory and on disk."""
        return self._room.used

    def claims(self, method: bytes, path: bytes) -> bool:
        """POST on an inference path, GET on the model list and on one model."""
        if method == b"POST":
            return path in ROUTES
        return method == b"GET" and models.claims(path)

    def handle(self, exchange: Exchange) -> None:
        """Answer one request."""
        self._step(exchange, self._call if exchange.method == b"POST" else self._models)

    def upload(self, exchange: Exchange) -> Upload | None:
        """Take a form before its body has come: who may not call, or sends too much, need not send it."""
        # An answer before the body's end ends the connection.
        keep_alive, exchange.keep_alive = exchange.keep_alive, False
        upload = self._step(exchange, partial(self._begin_upload, keep_alive=keep_alive))
        if upload is None:
            exchange.keep_alive = keep_alive
        return upload

    def began(self) -> None:
        """A call has been admitted that does not come through `handle`."""
        self._counts.in_flight += 1

    def key(self, snapshot: Snapshot, exchange: Exchange, caller: Caller) -> Key:
        """The live key of a request, used from where it may be; raises `Refused`."""
        key = authenticate(snapshot, caller, self.now())
        if key.allowed is not None:
            self._places.check(key.allowed, exchange)
        return key

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

    def _step(self, exchange: Exchange, step: Callable[[Exchange], T]) -> T | None:
        """A step towards an answer; what goes wrong in it is the answer."""
        try:
            return step(exchange)
        except Refused as refusal:
            self._refuse(exchange, refusal.problem)
        except Exception:
            logger.exception("a request failed in the gateway")
            self._refuse(exchange, _INTERNAL)
        return None

    def _call(self, exchange: Exchange) -> None:
        caller = caller_of(exchange, self._cors)
        if caller.coding is None:
            self._start(exchange, caller)
        else:
            # Whoever may not call gets nothing unpacked.
            self.key(self._routing.snapshot, exchange, caller)
            go_on = partial(self._inflated, caller)
            Inflating(exchange, self._max_body_bytes, go_on).begin(caller.coding)

    def _inflated(self, caller: Caller, exchange: Exchange, error: BaseException | None) -> None:
        def go_on(exchange: Exchange) -> None:
            if error is not None:
                raise error
            self._start(exchange, caller)

        self._step(exchange, go_on)

    def _begin_upload(self, exchange: Exchange, *, keep_alive: bool) -> Upload | None:
        content_type = exchange.header(b"content-type") or b""
        if not content_type.lower().startswith(b"multipart/"):
            return None
        boundary = boundary_of(content_type)
        if boundary is None:
            raise Refused(not_a_form("it names no boundary, or another kind of multipart"))
        caller = caller_of(exchange, self._cors)
        self.key(self._routing.snapshot, exchange, caller)
        if caller.coding is not None:
            raise Refused(unsupported("A multipart body has to come without Content-Encoding."))
        if self.recording.refusal is not None:
            raise Refused(_not_recorded(self.recording.refusal))
        if int(exchange.header(b"content-length") or 0) > self._max_upload_bytes:
            raise Refused(too_large(self._max_upload_bytes))
        upload = Upload(
            boundary,
            self._room,
            self._max_upload_bytes,
            refuse=partial(self._refuse, exchange),
            take=partial(self._take_upload, exchange, keep_alive),
        )
        exchange.on_abort = upload.close
        return upload

    def _take_upload(self, exchange: Exchange, keep_alive: bool, upload: Upload, peeked: Peek) -> None:
        """The form is whole: from here on it is a call like any other."""
        exchange.on_abort = None
        exchange.keep_alive = keep_alive
        exchange.received = self.perf()

        def start(exchange: Exchange) -> bool:
            self._start(exchange, caller_of(exchange, self._cors), upload, peeked)
            return True

        if not self._step(exchange, start):
            upload.close()

    def _start(
        self,
        exchange: Exchange,
        caller: Caller,
        upload: Upload | None = None,
        peeked: Peek | None = None,
    ) -> None:
        """Admit, prepare, note the start, send; of a body that is there, or of a form with what it says."""
        now = self.now()
        snapshot = self._routing.snapshot
        route = ROUTES[exchange.path]
        # Before any translation: nobody unknown makes us translate.
        key = self.key(snapshot, exchange, caller)
        asked, query = exchange.body, exchange.query
        translated: Translated | None = None
        if route.dialect is not None:
            translated = route.dialect.request(asked)
            asked, query = translated.body, b""
        admission = admit(snapshot, key, caller, peeked or self._peeker.peek(asked))
        if self.recording.refusal is not None:
            raise Refused(_not_recorded(self.recording.refusal))
        target = next(targets(admission.answering))
        upstream = self._upstream(admission.answering, target, route)
        headers = caller.passed_on
        if upload is None:
            source = None
            size = len(exchange.body)
            sent = asked if target.reasoning is None else with_effort(asked, target.reasoning, route.path)
            body, hide_usage = request_body(sent, admission.peeked, route, target.model_name)
            if route.form:
                headers += JSON_LINE
            request = request_head(upstream, query, headers, len(body)) + body
        else:
            size, hide_usage = upload.size, False
            source = upload.form.source(target.model_name)
            headers += b"content-type: %b\r\n" % upload.form.content_type
            request = request_head(upstream, query, headers, source.size)
        record = self._record(route, admission, caller, size, now)
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
        if upload is not None:
            flight.upload, flight.source = upload, source
        self._counts.in_flight += 1
        exchange.on_abort = flight.abort
        self.recording.start(record, b"" if route.media else asked)
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
        anthropic = exchange.header(models.ANTHROPIC) is not None
        try:
            caller = caller_of(exchange, self._cors)
            key = self.key(snapshot, exchange, caller)
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
