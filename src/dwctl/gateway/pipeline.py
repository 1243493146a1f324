"""The gateway: admit, choose, prepare, send; the rest happens in `flight`. Implements `Handler`.

Between the request being read and the upstream being called nothing waits, so admission is atomic without
locks. There is no database here: keys and models come from the snapshot, records go to the spool.
"""

import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

from dwctl.core.compiled import mypyc_attr
from dwctl.core.ids import new_id
from dwctl.gateway import models
from dwctl.gateway.admission import Admission, Caller
from dwctl.gateway.admit import admit, asking_usage, authenticate
from dwctl.gateway.aside import NoTools, Toolbox, awaits_context, put_aside
from dwctl.gateway.attempts import Attempts
from dwctl.gateway.bodies import body_for, check_effort
from dwctl.gateway.caller import caller_of, headers_for
from dwctl.gateway.choose import targets
from dwctl.gateway.counts import ModelCounts
from dwctl.gateway.dialect import Dialect, Translated
from dwctl.gateway.failures import INTERNAL, not_recorded, unusable
from dwctl.gateway.flight import Flight
from dwctl.gateway.intake import Intake
from dwctl.gateway.known import Known, keep, keepable, remember, total_of
from dwctl.gateway.parts import Parts
from dwctl.gateway.peek import Peeker
from dwctl.gateway.peeked import Peek
from dwctl.gateway.pools import Plan, Render
from dwctl.gateway.prepare import JSON_LINE, request_head, upstream_of
from dwctl.gateway.rendered import Rendered, Upstream
from dwctl.gateway.reply import connection_line, our_lines
from dwctl.gateway.responses import in_responses
from dwctl.gateway.routes import ROUTES, UPLOADS, Route
from dwctl.gateway.sanitise import Sanitiser
from dwctl.gateway.uploads.upload import Upload
from dwctl.requests.onlooker import Onlooker
from dwctl.requests.record import Record
from dwctl.routing.snapshot import Key, Snapshot, Target
from dwctl.usage.prices import Tariff
from dwctl.wire.compaction import MARK
from dwctl.wire.errors import Problem, Refused, render
from dwctl.wire.exchange import Exchange
from dwctl.wire.hosted import opened
from dwctl.wire.stateful import ContextCall, Contexts, Stateful

logger = logging.getLogger(__name__)

T = TypeVar("T")

MAX_UPSTREAMS = 10_000
USE_EVERY: Final = 1.0
"""Seconds within which calls of one kind on one connection note the use of their key once."""


@mypyc_attr(allow_interpreted_subclasses=True)
class Gateway:
    """One for each process; others that share its parts take what are no calls of clients."""

    def __init__(self, parts: Parts) -> None:
        settings = parts.settings
        self.parts = parts
        """What it is made of."""
        self.recording = parts.recording
        self.max_reply_bytes = settings.upstream.max_reply_bytes
        self.max_record_bytes = parts.max_record_bytes
        self.overhead_header = settings.overhead_header
        self.stream_keep_alive: float = settings.stream_keep_alive
        self.perf = time.perf_counter
        self.now = parts.now
        self._routing = parts.routing
        self._upstream_settings = settings.upstream
        self._daemon_id = parts.daemon_id
        self._cors = parts.cors
        self._compactions = parts.compactions
        self._peeker = Peeker()
        self._strict = parts.strict
        self._remembers = parts.remembers
        self._routes = parts.routes
        self.uploads = UPLOADS.intersection(self._routes)
        """Paths whose bodies may be forms."""
        self._pages = parts.pages
        self._places = parts.places
        self._intake = Intake(self, parts.room, settings.uploads, max_body_bytes=parts.max_body_bytes)
        self._upstreams = parts.upstreams
        self.conditions = parts.conditions
        """What is known of targets."""
        self._gate = parts.gate
        self.reserves = parts.reserves
        """Whether calls of priced models reserve what they may cost."""
        self.funds = parts.funds
        self.pools = parts.pools
        self.used = parts.used
        """Unix time of the last call by the key's id, to a second; whoever writes it down takes it out."""
        self.onlooker: Onlooker | None = None
        """Who wants to know how calls fare; set by the engine while it runs queued work."""
        self.stateful: Stateful | None = None
        """Who takes calls that are to be queued; given by the composition root."""
        self.contexts: Contexts | None = None
        """Who finds what calls refer to; given by the composition root. Without it such calls go on as they are."""
        self.tools: Toolbox = NoTools()
        """Who takes calls whose models use tools of the server; given by the composition root."""
        self._counts = counts = parts.counts
        # What a flight needs of the gateway, without a step in between.
        self.submit = parts.client.submit
        self.refused = counts.refused
        self.failed = parts.complaints.failed
        self.cap = self.funds.cap
        self.served, self.pending, self.under_way = counts.served, counts.pending, counts.under_way

    @property
    def in_flight(self) -> int:
        """Calls that have not been recorded yet."""
        return self._counts.in_flight

    @property
    def kept_bytes(self) -> int:
        """Of all forms under way, in memory and on disk."""
        return self._intake.kept_bytes

    def claims(self, method: bytes, path: bytes) -> bool:
        """POST on an inference path, GET on the model list and on one model."""
        if method == b"POST":
            return path in self._routes
        return method == b"GET" and models.claims(path)

    def handle(self, exchange: Exchange) -> None:
        """Answer one request."""
        self.step(exchange, self._call if exchange.method == b"POST" else self._models)

    def upload(self, exchange: Exchange) -> Upload | None:
        """Take a form before its body has come."""
        return self._intake.upload(exchange)

    def key(self, snapshot: Snapshot, exchange: Exchange, caller: Caller) -> Key:
        """The live key of a request, used from where it may be; raises `Refused`."""
        key = authenticate(snapshot, caller, self.now())
        if key.allowed is not None:
            self._places.check(key.allowed, exchange)
        return key

    def known(self, exchange: Exchange) -> Caller:
        """Who calls; raises `Refused` for whoever may not call at all."""
        caller = caller_of(exchange, self._cors)
        self.key(self._routing.snapshot, exchange, caller)
        return caller

    def enter(self, admission: Admission, render: Render) -> tuple[Rendered, Plan | None, bytes]:
        """Take the limits of a call that is being admitted, and its first target; raises `Refused`.

        The call as that target gets it, how it goes on if it may have several, and the lines its answer carries. What
        was taken belongs to the call once it `began`; `undo` gives it back.
        """
        model = admission.answering
        if model.pool is not None:
            lines = self._limited(admission, None)
            plan = self.pools.plan(model, model.pool, render)
            return plan.first, plan, lines
        target = next(targets(model))
        lines = self._limited(admission, target)
        return render(target), None, lines

    def began(self, record: Record, known: Known | None = None) -> None:
        """A call has been admitted; `known` is what it was known by."""
        if self._gate.entering is not None:
            self._gate.keep(record.id)
        funds = self.funds
        if funds.entering is not None:
            funds.held[record.id], funds.entering = funds.entering, None
        self._counts.began(record, None if known is None else known.counts)
        if known is None:
            self.used[record.key_id] = record.created_at
        elif record.created_at - known.noted >= USE_EVERY:
            known.noted = self.used[record.key_id] = record.created_at
        if self.onlooker is not None:
            self.onlooker.began(record)

    def ended(self, record: Record, units: int | None = None, counts: ModelCounts | None = None) -> None:
        """A call has been recorded; `units` is its cost, where that is known."""
        self._counts.ended(record, counts)
        if self._gate.held:
            self._gate.ended(record)
        if self.funds.held or self.funds.spent:
            self.funds.ended(record, units)
        if self.onlooker is not None:
            self.onlooker.ended(record)

    def undo(self) -> None:
        """The call that was being admitted is none: it gives back what it has taken."""
        self._gate.undo()
        self.funds.undo()

    def again(self, ident: str, reason: str, status: int, pause: float) -> None:
        """A call is sent to another target: traces tell of it (gateway/traced.py)."""
        del reason, pause
        if self.onlooker is not None:
            self.onlooker.refused(ident, status)

    def traced(self, exchange: Exchange, caller: Caller) -> Caller:
        """The caller in the course of one call; here every call of a head has the same one."""
        del exchange
        return caller

    def tariff(self, admission: Admission) -> Tariff | None:
        """What prices a call; None when it is free."""
        return admission.tariff

    def headers(self, caller: Caller, target: Target) -> bytes:
        """The client's headers as a target gets them."""
        return headers_for(caller, target)

    def upstream(self, alias: str, target: Target, route: Route) -> Upstream:
        """What a target and a route fix, rendered once for as long as the target is the same object."""
        place = (alias, route.path, target.endpoint_id, target.model_name)
        known = self._upstreams.get(place)
        if known is None or known.target is not target:
            if len(self._upstreams) > MAX_UPSTREAMS:
                self._upstreams.clear()
            try:
                known = self._upstreams[place] = upstream_of(target, route, self.conditions.of(target).load)
            except ValueError as error:
                logger.error("%s cannot be sent anywhere: %s", alias, error)
                raise Refused(unusable(alias)) from error
        return known

    def step(self, exchange: Exchange, step: Callable[[Exchange], T]) -> T | None:
        """A step towards an answer; what goes wrong in it is the answer."""
        try:
            return step(exchange)
        except Refused as refusal:
            self.undo()
            self.refuse(exchange, refusal.problem)
        except Exception:
            self.undo()
            logger.exception("a request failed in the gateway")
            self.refuse(exchange, INTERNAL)
        return None

    def _call(self, exchange: Exchange) -> None:
        caller = caller_of(exchange, self._cors)
        if caller.coding is None:
            self.start(exchange, caller)
        else:
            self._intake.unpack(exchange, caller.coding)

    def start(
        self, exchange: Exchange, caller: Caller, upload: Upload | None = None, peeked: Peek | None = None
    ) -> None:
        """Admit, choose, prepare, note the start, send; of a body that is there, or of a form with what it says."""
        now = self.now()
        snapshot = self._routing.snapshot
        asked, query = exchange.body, exchange.query
        dialect: Dialect | None = None
        translated: Translated | None = None
        plan: Plan | None = None
        known, peeked = self._recalled(exchange, snapshot, peeked, now)
        if known is not None and peeked is not None:
            route, admission = known.route, known.admission
        else:
            route = ROUTES[exchange.path]
            # Before any translation: nobody unknown makes us translate.
            key = self.key(snapshot, exchange, caller)
            if route.dialect is not None:
                dialect = route.dialect
                translated = dialect.request(asked)
                asked, query = translated.body, b""
            if peeked is None:
                peeker = self._peeker if self._strict is None else self._strict[route.path]
                peeked = peeker.peek(asked)
            admission = admit(snapshot, key, caller, peeked)
            known = (
                self._foreseen(exchange, snapshot, caller, admission, route) if exchange.memo.used else None
            )
        if self.recording.refusal is not None:
            raise Refused(not_recorded(self.recording.refusal))
        via, sent, begun = route, asked, (caller, upload, peeked)
        if route.context:
            if awaits_context(self, exchange, admission.key, asked, begun) or (
                admission.model.tools is not None and self.tools.take(self, exchange, admission, route, begun)
            ):
                return
            sent = self.with_context(asked, peeked, admission.key)
            if route.adapter is not None and route.adapter.serves(admission.answering):
                via, dialect, admission = route.adapter.via, route.adapter.dialect, asking_usage(admission)
                translated = dialect.request(sent)
                sent, query = translated.body, b""
        tariff = None if route.counts else self.tariff(admission) if known is None else known.tariff
        if (peeked.tier is not None or route.context) and put_aside(
            self, exchange, admission, route, sent, caller, peeked
        ):
            return
        size = len(sent) if upload is None else upload.size
        if (
            tariff is not None
            and self.reserves
            and (short := self.funds.reserve(admission.key, tariff, route, peeked.caps, size, now))
        ):
            self.funds.put_off(self, exchange, begun, admission.key, short, now)
            return
        if known is not None:
            limit_lines = self._limited(admission, known.upstream.target) if known.limited else b""
            first = known.rendered(sent, peeked)
        else:
            first, plan, limit_lines = self._entered(
                exchange, snapshot, caller, admission, (route, via), (sent, query, upload)
            )
        upstream = first.upstream
        own = total_of(upstream.target) if known is None else known.total
        size = len(exchange.body) if upload is None else upload.size
        record = self._record(route, admission, caller, peeked, size, now, tariff)
        flight = Flight(
            self,
            exchange,
            via,
            upstream,
            record,
            first.request,
            caller.cors + limit_lines,
            hide_usage=first.hide_usage,
            deadline=exchange.received + (own or self._upstream_settings.total_timeout),
            reshape=None
            if dialect is None or translated is None
            else dialect.reshape(record, exchange.body, translated, self.now),
            # What is known never has one.
            sanitiser=self._sanitiser(admission, record, via, asked if via is route else sent)
            if known is None
            else None,
        )
        if peeked.expanded is not None:
            flight.expand(peeked.expanded)
        flight.tariff, flight.upload, flight.source = tariff, upload, first.source
        flight.counts = None if known is None else known.counts
        sender = flight if plan is None else Attempts(self, self.pools, flight, plan)
        self.began(record, known)
        exchange.on_abort = sender.abort
        self.recording.start(record, b"" if route.media else asked)
        self.recording.tell(sender)

    def _recalled(
        self, exchange: Exchange, snapshot: Snapshot, peeked: Peek | None, now: float
    ) -> tuple[Known | None, Peek | None]:
        """What the last call of this connection came to, if it holds for this one, and what this one says."""
        memo = exchange.memo
        found = memo.call
        if not isinstance(found, Known) or not found.holds(snapshot, now):
            return None, peeked
        peeked = self._peeker.peek(exchange.body) if peeked is None else peeked
        if peeked.model != found.name:
            return None, peeked
        memo.used = True
        return found, peeked

    def _foreseen(
        self, exchange: Exchange, snapshot: Snapshot, caller: Caller, admission: Admission, route: Route
    ) -> Known | None:
        """What a call will come to, where what was kept last was of use and this one goes the plain way too."""
        model = admission.answering
        if route.context or model.pool is not None or not keepable(admission, route):
            return None
        upstream = self.upstream(model.alias, next(targets(model)), route)
        return keep(exchange, snapshot, caller, admission, route, upstream, self._counts)

    def with_context(self, asked: bytes, peeked: Peek, key: Key) -> bytes:
        """A body with all that it refers to; summed up conversations and calls of our tools as the model reads them."""
        if peeked.expanded is not None:
            asked = peeked.expanded.body
        if self._compactions is not None and MARK in asked:
            asked = self._compactions.opened(asked, key.owner_id)
        return opened(asked)

    def _sanitiser(self, admission: Admission, record: Record, via: Route, asked: bytes) -> Sanitiser | None:
        if self._strict is None and not (admission.answering.sanitize or admission.model.sanitize):
            return None
        return Sanitiser(via.path, record.model, record.id, asked, strict=self._strict is not None)

    def _entered(
        self,
        exchange: Exchange,
        snapshot: Snapshot,
        caller: Caller,
        admission: Admission,
        routes: tuple[Route, Route],
        body: tuple[bytes, bytes, Upload | None],
    ) -> tuple[Rendered, Plan | None, bytes]:
        """A call takes its limits and its target, by its own route and the one that it goes upstream."""
        route, via = routes
        sent, query, upload = body
        check: Callable[..., None] = check_effort
        made: Render = partial(self._rendered, via, admission, caller, sent, query, upload)
        if via is not route:
            check, made = in_responses(check), in_responses(made)
        model = admission.answering
        if model.pool is not None:
            check(sent, model.targets, via.path)
        entered = self.enter(admission, made)
        if self._remembers and via is route and keepable(admission, route):
            remember(exchange, snapshot, caller, admission, route, entered[0].upstream, self._counts)
        return entered

    def _limited(self, admission: Admission, target: Target | None) -> bytes:
        """Take the limits of a call, and of its target where that is the only one; the lines its answer carries."""
        model, gate, lines = admission.answering, self._gate, b""
        if model.limits is not None or admission.key.limits is not None:
            lines = gate.enter(model.limits, admission.key.limits)
        if target is not None and (target.limits is not None or target.provider_limits is not None):
            gate.attempt(target)
        return lines

    def _rendered(
        self,
        route: Route,
        admission: Admission,
        caller: Caller,
        asked: bytes,
        query: bytes,
        upload: Upload | None,
        target: Target,
    ) -> Rendered:
        """A call as one target gets it: each has its own name of the model, and its own words for effort."""
        upstream = self.upstream(admission.answering.alias, target, route)
        if upload is not None:
            source = upload.form.source(target.model_name)
            headers = self.headers(caller, target) + b"content-type: %b\r\n" % upload.form.content_type
            return Rendered(upstream, request_head(upstream, query, headers, source.size), False, source)
        body, hide_usage = body_for(upstream, asked, admission.peeked, route)
        # Last, when nothing can keep the target from being tried any more: traces tell of each try.
        headers = self.headers(caller, target)
        if route.form:
            headers += JSON_LINE
        return Rendered(upstream, request_head(upstream, query, headers, len(body)) + body, hide_usage)

    def _record(
        self,
        route: Route,
        admission: Admission,
        caller: Caller,
        peeked: Peek,
        size: int,
        now: float,
        tariff: Tariff | None,
    ) -> Record:
        key = admission.key
        return Record(
            id=new_id() if peeked.expanded is None else peeked.expanded.ident,
            created_at=now,
            path=route.path,
            model=admission.model.alias,
            owner_id=key.owner_id,
            creator_id=key.creator_id,
            key_id=key.id,
            daemon_id=self._daemon_id,
            stream=peeked.stream,
            purpose=key.purpose,
            user_agent=caller.user_agent,
            request_size=size,
            tariff_id=None if tariff is None else tariff.id,
            stored=(peeked.store is not False or not route.stores) and not route.counts,
        )

    def context_call(self, body: bytes, key: Key) -> ContextCall:
        """What a call's context is found by. Its row has its id from here on."""
        return ContextCall(body=body, owner_id=key.owner_id, ident=new_id(), queued=False)

    def forget(self, peeked: Peek | None) -> None:
        """A call that waited does not begin: it has no place in a conversation."""
        if self.contexts is not None and peeked is not None and peeked.expanded is not None:
            self.contexts.forget(peeked.expanded)

    def refuse(self, exchange: Exchange, problem: Problem) -> None:
        """Answer with a problem, in the words of the path's protocol."""
        route = ROUTES.get(exchange.path)
        if route is not None and route.dialect is not None:
            problem = route.dialect.refusal(problem)
        self._counts.refused(*self._place(exchange), problem.status, self.perf() - exchange.received)
        lines = our_lines(new_id().encode(), None) + self._cors.lines(exchange.header(b"origin"))
        lines += connection_line(exchange, keep_alive=exchange.keep_alive)
        exchange.finish(render(problem, lines))

    def _place(self, exchange: Exchange) -> tuple[str, str]:
        """Method and path as they are counted: a model's own path is not, for clients choose it."""
        post = exchange.method == b"POST"
        return exchange.method.decode(), (exchange.path if post else models.PATH).decode()

    def told(self, exchange: Exchange) -> None:
        """A call that needed no model server has its answer."""
        self._counts.answered(*self._place(exchange), 200, self.perf() - exchange.received)

    def _models(self, exchange: Exchange) -> None:
        exchange.finish(self._pages.answer(self._routing.snapshot, exchange, self._cors, self.key))
        self.told(exchange)
