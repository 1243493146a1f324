"""What the gateways of a process have in common: errands and rounds go through others than calls do."""

import tempfile
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from random import SystemRandom

import msgspec

from dwctl.core.clock import Clock
from dwctl.core.metrics import Metrics
from dwctl.gateway.complaints import Complaints
from dwctl.gateway.counts import Counts
from dwctl.gateway.funds import Funds
from dwctl.gateway.gate import Gate
from dwctl.gateway.models import ModelPages
from dwctl.gateway.peek import Peeker
from dwctl.gateway.place import Places
from dwctl.gateway.pools import Pools
from dwctl.gateway.rendered import Upstream
from dwctl.gateway.routes import ROUTES, Route
from dwctl.gateway.settings import MIB, GatewaySettings
from dwctl.gateway.strict import peekers, typed_routes
from dwctl.gateway.uploads.spill import SpillRoom
from dwctl.gateway.upstream.client import UpstreamClient
from dwctl.requests.record import Recording
from dwctl.routing.condition import Conditions
from dwctl.routing.limit_book import LimitBook
from dwctl.routing.snapshot import Routing
from dwctl.usage.credit.book import PocketBook
from dwctl.usage.credit.settings import ReservationSettings
from dwctl.wire.compaction import Compactions
from dwctl.wire.cors import NO_CORS, Cors


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """Each is one for all gateways, but for those that one of them replaces."""

    routing: Routing
    recording: Recording
    client: UpstreamClient
    settings: GatewaySettings
    now: Callable[[], float]
    """Unix seconds."""
    daemon_id: str
    max_record_bytes: int
    max_body_bytes: int
    cors: Cors
    compactions: Compactions | None
    strict: Mapping[str, Peeker] | None
    """Readers of bodies in strict mode, by the path of a route."""
    routes: Mapping[bytes, Route]
    remembers: bool
    """Whether a connection keeps what its last call came to."""
    room: SpillRoom
    pages: ModelPages
    places: Places
    upstreams: dict[Hashable, Upstream]
    """What targets and routes fix, by both."""
    conditions: Conditions
    gate: Gate
    reserves: bool
    funds: Funds
    pools: Pools
    used: dict[str, float]
    counts: Counts
    complaints: Complaints


def parts_of(
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
    funds: Funds | None = None,
    strict: bool = False,
    max_body_bytes: int = 32 * MIB,
    uploads_folder: Path | None = None,
    compactions: Compactions | None = None,
) -> Parts:
    """Those of a process, whose metrics show them."""
    conditions = Conditions()
    gate = Gate(LimitBook() if limits is None else limits)
    pools = Pools(settings.pools, conditions, clock, metrics, SystemRandom().random, gate)
    counts = Counts()
    money = Funds(PocketBook(), ReservationSettings()) if funds is None else funds
    uploads = settings.uploads
    for collector in (counts, gate, money):
        metrics.registry.register(collector)
    return Parts(
        routing=routing,
        recording=recording,
        client=client,
        settings=settings,
        now=clock.now,
        daemon_id=daemon_id,
        max_record_bytes=max_record_bytes,
        max_body_bytes=max_body_bytes,
        cors=cors,
        compactions=compactions,
        strict=peekers() if strict else None,
        routes=typed_routes() if strict else ROUTES,
        remembers=not strict,
        room=SpillRoom(
            uploads_folder or Path(tempfile.gettempdir()),
            memory_bytes=uploads.memory_bytes,
            max_total_bytes=uploads.max_total_bytes,
        ),
        pages=ModelPages(),
        places=Places(settings.trusted_proxies),
        upstreams={},
        conditions=conditions,
        gate=gate,
        reserves=funds is not None,
        funds=money,
        pools=pools,
        used={},
        counts=counts,
        complaints=Complaints(counts, clock),
    )
