"""What the last call of a connection came to, kept for the next one that says the same. Pure.

Clients send one head again and again and ask for one model. As long as the head is repeated byte by byte and the
routing state is the same object, the same key may use the same model, which leads to the same target: a call that is
known need not find that out anew. Limits, credit and the key's end are never known; they are asked at every call.

Only the plain way is kept: one target, no translation, nothing in the body that depends on more than its model.
"""

from typing import Final
from weakref import ref

from msgspec.json import encode

from dwctl.gateway.admission import Admission, Caller
from dwctl.gateway.caller import headers_for
from dwctl.gateway.counts import Counts, ModelCounts
from dwctl.gateway.peeked import Peek
from dwctl.gateway.prepare import JSON_LINE, MODEL, head_start, request_body
from dwctl.gateway.rendered import Rendered, Upstream
from dwctl.gateway.routes import Route
from dwctl.routing.snapshot import Snapshot, Target
from dwctl.usage.prices import Tariff
from dwctl.wire.exchange import Exchange

_rendered: Final = Rendered
_model: Final = MODEL


class Known:
    """One way from a head and a model's name to a target."""

    __slots__ = (
        "admission", "counts", "limited", "name", "noted", "renamed", "route", "snapshot", "start", "tariff",
        "total", "until", "upstream",
    )  # fmt: skip

    def __init__(
        self,
        snapshot: "ref[Snapshot]",
        until: float,
        name: str,
        admission: Admission,
        route: Route,
        upstream: Upstream,
        start: bytes,
        tariff: Tariff | None,
        counts: ModelCounts,
        *,
        limited: bool,
    ) -> None:
        self.snapshot = snapshot
        """The state that it was found in; weak, for a connection that is idle must not hold what has been replaced."""
        self.until = until
        """Unix seconds at which the key ends."""
        self.name = name
        """What the body's `model` was."""
        target_name = upstream.target.model_name
        self.renamed = b"" if target_name == name else encode(target_name)
        """What the target calls it, as JSON; empty when that is the same."""
        self.admission = admission
        """Of the call that found it: what it says of the body is of no use to others."""
        self.route = route
        self.upstream = upstream
        self.start = start
        """The upstream request up to the digits of its length."""
        self.tariff = tariff
        """What prices its calls; None when they are free."""
        self.counts = counts
        """Where its calls are counted."""
        self.total = total_of(upstream.target)
        """Seconds that a call may take; 0: as the settings say."""
        self.noted = 0.0
        """Unix time at which the use of the key was noted last."""
        self.limited = limited
        """Whether there are limits to be asked."""

    def holds(self, snapshot: Snapshot, now: float) -> bool:
        """Whether it is still so, at a moment in unix seconds."""
        return self.snapshot() is snapshot and now < self.until

    def rendered(self, body: bytes, peeked: Peek) -> Rendered:
        """The call as the target gets it."""
        hide_usage = False
        if peeked.stream:
            body, hide_usage = request_body(body, peeked, self.route, self.upstream.target.model_name)
        elif self.renamed:
            body = _model.set(body, self.renamed)
        return _rendered(self.upstream, b"%b%d\r\n\r\n%b" % (self.start, len(body), body), hide_usage)


def total_of(target: Target) -> float:
    """Seconds that a call of this target may take; 0 when its endpoint has no limit of its own."""
    own = target.timeouts
    return 0.0 if own is None else own.total or 0.0


def keep(
    exchange: Exchange,
    snapshot: Snapshot,
    caller: Caller,
    admission: Admission,
    route: Route,
    upstream: Upstream,
    counts: Counts,
) -> Known | None:
    """Keep what a call that was admitted comes to; None when it does not go the plain way."""
    memo = exchange.memo
    known = _known_of(snapshot, caller, admission, route, upstream, exchange.query, counts)
    memo.call, memo.used = known, False
    return known


def remember(
    exchange: Exchange,
    snapshot: Snapshot,
    caller: Caller,
    admission: Admission,
    route: Route,
    upstream: Upstream,
    counts: Counts,
) -> None:
    """Keep what a call came to, from the second one of its kind on; of the first one, what it asked for.

    Who asks for another model each time gains nothing. Where what was kept last was of use, the first one of another
    kind is kept at once: the client stays with a model, or whoever sends for many clients with one of them for a while.
    """
    memo, name = exchange.memo, admission.peeked.model
    if memo.used or memo.call == name:
        keep(exchange, snapshot, caller, admission, route, upstream, counts)
    else:
        memo.call = name


def _known_of(
    snapshot: Snapshot,
    caller: Caller,
    admission: Admission,
    route: Route,
    upstream: Upstream,
    query: bytes,
    counts: Counts,
) -> Known | None:
    model, target = admission.answering, upstream.target
    name = admission.peeked.model
    if name is None or caller.override is not None or caller.coding is not None:
        return None
    if route.dialect is not None or model.pool is not None or target.reasoning is not None or upstream.turned:
        return None
    if model.sanitize or admission.model.sanitize:
        return None
    headers = headers_for(caller, target)
    key = admission.key
    limits = (model.limits, key.limits, target.limits, target.provider_limits)
    return Known(
        ref(snapshot),
        float("inf") if key.expires_at is None else key.expires_at,
        name,
        admission,
        route,
        upstream,
        head_start(upstream, query, headers + JSON_LINE if route.form else headers),
        admission.tariff,
        counts.of(admission.model.alias, route.path),
        limited=any(limit is not None for limit in limits),
    )


def keepable(admission: Admission, route: Route) -> bool:
    """Whether what a call comes to could hold for another one, as far as its route and its body tell."""
    return not route.form and not route.counts and admission.peeked.expanded is None
