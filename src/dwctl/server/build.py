"""The composition root: every object is made here, once, and given to those who need it."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol
from uuid import UUID

import asyncpg
import msgspec

import dwctl
from dwctl import __version__
from dwctl.control.app import Check, build_app
from dwctl.control.plane import Plane, build_plane
from dwctl.core.clock import SystemClock
from dwctl.core.errors import Error
from dwctl.core.ids import new_uuid
from dwctl.core.metrics import LoopLag, Metrics
from dwctl.core.networks import Networks, parse_network
from dwctl.core.seal import Seal
from dwctl.core.services import Service
from dwctl.core.settings import environment
from dwctl.db.listen import Listener as NoticeListener
from dwctl.db.postgres import UNREACHABLE, Database
from dwctl.db.replica import Reading
from dwctl.engine.conversations.api import router as conversations_router
from dwctl.engine.counts import WorkerCounts
from dwctl.engine.responses.actions import ResponseActions
from dwctl.engine.responses.api import router as responses_router
from dwctl.engine.responses.callers import Callers
from dwctl.engine.responses.compact.actions import Compacting
from dwctl.engine.responses.compact.api import router as compact_router
from dwctl.engine.responses.socket.api import router as sockets_router
from dwctl.gateway.funds import Funds
from dwctl.gateway.parts import parts_of
from dwctl.gateway.realtime import Realtime
from dwctl.gateway.tools.box import ToolBox
from dwctl.gateway.tools.client import ToolClient
from dwctl.gateway.upstream.client import UpstreamClient
from dwctl.identity.key_use import KeyUse
from dwctl.identity.settings import CorsSettings
from dwctl.requests.daemons import Daemon
from dwctl.requests.recorder import Recorder
from dwctl.requests.replay import Replay
from dwctl.requests.singles.store import SingleStore
from dwctl.requests.spool import Spool
from dwctl.requests.store import RequestStore
from dwctl.requests.writer import Committer, Writer
from dwctl.routing.limit_book import LimitBook
from dwctl.routing.limit_table import SharedTable
from dwctl.routing.snapshot import Routing
from dwctl.routing.store import RoutingStore
from dwctl.routing.sync import CHANNEL, RoutingSync
from dwctl.server.contexts import contexts_of
from dwctl.server.data_directory import Secrets
from dwctl.server.engine import Charges, build_engine
from dwctl.server.inner_calls import InnerCalls
from dwctl.server.listener import Listener
from dwctl.server.metrics_page import MetricsListener
from dwctl.server.outbound import dialer_of
from dwctl.server.served import Served
from dwctl.server.settings import Settings, config_of, fallback_seconds
from dwctl.server.storage import Connections, Storage, replica_of
from dwctl.server.streams import streams_of
from dwctl.server.tracing import gateway_of, open_spans
from dwctl.server.work import work_of, work_routes
from dwctl.server.workers.fellows import Alone, Crew, Home
from dwctl.server.workers.place import Place
from dwctl.usage.credit.book import PocketBook
from dwctl.usage.credit.store import LeaseStore
from dwctl.usage.credit.supply import CHANNEL as CREDIT
from dwctl.usage.credit.supply import CreditSupply
from dwctl.web.dashboard import Dashboard
from dwctl.wire.compaction import Compactions
from dwctl.wire.cors import Cors

READY_WITHIN = 1.5
"""Seconds; less than the whole check may take (control/app.py). The driver answers a first cancellation by asking the
server to end the statement, and waits for it: a server that hangs needs the second one."""


class Application(msgspec.Struct, frozen=True, kw_only=True):
    """What a start runs."""

    services: tuple[Service, ...]
    """In the order in which they start."""
    listener: Listener | None
    """The port; a worker has none."""
    plane: Plane
    spool: Spool
    """Open from here on; the writer closes it. A start that is broken off before the writer runs abandons it."""


class CrewService(Crew, Service, Protocol):
    """The other workers, as something that is started and stopped."""


def _limits(place: Place) -> LimitBook:
    """The book of limits; that of several workers is shared, and made by the first before the others start."""
    if place.count == 1:
        return LimitBook()
    path = Path(place.folder) / "limits"
    if place.first:
        SharedTable.create(path, place.count)
    return LimitBook(SharedTable(path, place.index))


def build(
    settings: Settings,
    data_dir: Path,
    secrets: Secrets,
    storage: Storage,
    place: Place,
    others: CrewService | None = None,
) -> Application:
    """Build the process's objects on an open database; `others` unless it is the only worker."""
    clock = SystemClock()
    metrics = Metrics()
    daemon_id = new_uuid()
    installation_id = UUID(secrets.installation_id)
    database = storage.database
    replica = replica_of(settings, database, metrics)
    reading = Reading(database, replica)
    recording = settings.recording
    secret_key = settings.secret_key or secrets.secret_key
    seal, compactions = Seal(secret_key), Compactions(secret_key)

    spools = data_dir / "spool"
    spool = Spool(spools / str(daemon_id), recording.spool.segment_bytes, recording.spool.spare_segments)
    spool.open()
    recorder = Recorder(spool, recording, metrics, keep_bodies=settings.enable_request_logging)
    committer = Committer(
        database,
        data_dir / "rejected.jsonl",
        metrics,
        compress_up_to=recording.compress_up_to_bytes,
    )
    writer = Writer(
        recorder=recorder, spool=spool, committer=committer, daemon_id=daemon_id, settings=recording
    )

    daemon = Daemon(
        database=database,
        daemon_id=daemon_id,
        installation_id=installation_id,
        version=__version__,
        settings=recording,
        config={
            "role": settings.role,
            "batch_daemon": msgspec.to_builtins(settings.background_services.batch_daemon),
        },
    )
    replay = Replay(
        database=database,
        committer=committer,
        spools=spools,
        daemon_id=daemon_id,
        installation_id=installation_id,
        settings=recording,
        clock=clock,
    )

    crew = others or Alone()
    routing = Routing()
    notices = NoticeListener(database.dsn)
    sync = RoutingSync(
        routing=routing,
        store=RoutingStore(database, seal),
        clock=clock,
        fallback_seconds=fallback_seconds(settings),
        fellows=crew,
    )
    notices.subscribe(CHANNEL, sync)

    reservations = settings.reservations
    pockets = PocketBook(reservations.terms, reservations.kept)
    uploads = data_dir / "uploads"
    uploads.mkdir(mode=0o700, exist_ok=True)
    dialer = dialer_of(settings)
    client = UpstreamClient(settings.gateway.upstream, dialer=dialer)
    spans = open_spans(__version__, str(daemon_id), environment()) if settings.enable_otel_export else None
    parts = parts_of(
        routing=routing,
        recording=recorder,
        client=client,
        settings=settings.gateway,
        clock=clock,
        metrics=metrics,
        daemon_id=str(daemon_id),
        max_record_bytes=recording.max_body_bytes,
        cors=_cors(settings.auth.security.cors),
        limits=_limits(place),
        funds=Funds(pockets, reservations),
        strict=settings.onwards.strict_mode,
        max_body_bytes=settings.limits.requests.max_body_size,
        uploads_folder=uploads,
        compactions=compactions,
    )
    gateway = gateway_of(parts, spans)
    tool_client = ToolClient(settings.gateway.upstream, dialer=dialer)
    gateway.tools = ToolBox(tool_client, settings.gateway.tools, metrics)
    context = contexts_of(settings.responses.context, database, crew)
    gateway.contexts = context.contexts
    work_parts = work_of(settings, database, reading, routing, daemon_id)
    streams = streams_of(
        database,
        notices,
        metrics,
        daemon_id,
        most=settings.batches.async_requests.max_stream_bytes,
        keep_alive=settings.gateway.stream_keep_alive,
        connections=settings.database.pool.max_connections,
    )
    engine = build_engine(
        settings.background_services.batch_daemon,
        database=database,
        gateway=gateway,
        routing=routing,
        notices=notices,
        clock=clock,
        metrics=metrics,
        daemon_id=daemon_id,
        drain=settings.listener.drain,
        events=streams.log,
        chores=(*work_parts.chores, streams.store.sweep),
    )
    daemon.stats = engine.stats
    daemon.on_beat = _on_beat(engine.counts, writer)
    work_parts.uploads.pace.interactive = engine.interactive
    replay.on_taken_over = engine.rescuer.look
    charges = Charges(
        (lambda: recorder.noted, lambda: engine.completer.noted),
        (lambda: writer.done, lambda: engine.completer.done),
    )
    supply = CreditSupply(
        book=pockets,
        store=LeaseStore(database, daemon_id, installation_id, reservations.terms),
        noted=charges.noted,
        done=charges.done,
    )
    notices.subscribe(CREDIT, supply)
    proxies = Networks(map(parse_network, settings.gateway.trusted_proxies))
    plane = build_plane(
        database=database,
        settings=settings.auth,
        secret_key=secret_key,
        seal=seal,
        clock=clock,
        propagation=sync,
        proxies=proxies,
        recorded=crew,
        dialer=dialer,
        credit=settings.credits,
        windows=settings.batches.allowed_completion_windows,
        reading=reading,
    )
    origins = settings.auth.security.cors.allowed_origins
    conversations = conversations_router(context.conversations, plane.authenticator, origins)
    work = work_routes(
        settings,
        work_parts,
        database,
        reading,
        plane,
        sync,
        notices,
        clock,
        streams.streams,
        context.contexts.give_back,
    )
    responses = ResponseActions(
        RequestStore(database),
        SingleStore(database),
        Callers(plane.identity, plane.authenticator, proxies, origins),
        crew,
        work.endings,
        streams.streams,
        streams.reading,
    )
    gateway.stateful = work.queued
    inference = InnerCalls(gateway, routing, max_body_bytes=settings.limits.requests.max_body_size)
    page = crew.page if settings.enable_metrics else None
    apart = settings.metrics.listen
    app = build_app(
        plane=plane,
        config=config_of(settings),
        cors=settings.auth.security.cors,
        version=__version__,
        checks={"database": _database_check(database), "recording": _recording_check(recorder)},
        metrics=page if apart is None else None,
        metrics_token=settings.metrics.bearer_token,
        ai_routes=[
            responses_router(responses),
            compact_router(
                responses,
                Compacting(context.history, inference, compactions, clock),
                max_body_bytes=settings.limits.requests.max_body_size,
            ),
            sockets_router(inference, settings.response_sockets),
            conversations,
            *work.routes,
        ],
        inference=inference,
        dashboard=_dashboard(),
    )
    served = Served(gateway)
    metrics.registry.register(served)
    listener = Listener(
        host=settings.host,
        port=settings.port,
        settings=msgspec.structs.replace(
            settings.listener, max_body_bytes=settings.limits.requests.max_body_size
        ),
        handler=gateway,
        application=app,
        metrics=metrics,
        place=place,
        crew=crew,
        served=served,
        end_calls=_end(client, tool_client),
        trusted=proxies,
        upgrades=Realtime(
            calls=gateway,
            routing=routing,
            client=client,
            settings=settings.gateway,
            daemon_id=str(daemon_id),
            cors=_cors(settings.auth.security.cors),
        ),
    )
    crew.settle_in(
        Home(
            metrics=metrics,
            applied_by=sync.confirmations.applied_by,
            changed=sync.on_changed,
            membership_changed=sync.confirmations.look_again,
            flush=_flush(writer, replay),
            worker_died=replay.look,
            open_connections=lambda: listener.load,
            adopt=listener.adopt,
        )
    )
    # Stopped in reverse: the port first, so that what is under way is answered and recorded, the database last.
    owned: tuple[Service, ...] = () if storage.server is None else (storage.server,)
    beside: tuple[Service, ...] = () if others is None else (others,)
    if page is not None and apart is not None and place.first:
        beside += (MetricsListener(settings.metrics, apart, page),)
    replicas: tuple[Service, ...] = () if replica is None else (replica,)
    traced: tuple[Service, ...] = () if spans is None else (spans,)
    # A gateway claims nothing, and a worker is called by nobody; all the rest of them is the same.
    runs, gate = ((), ()) if settings.role == "gateway" else (engine.services, (engine.gate,))
    port = () if settings.role == "worker" else (listener,)
    services = (
        *owned, Connections(database), *replicas, daemon, supply, writer, replay, notices, sync, streams.followers,
        *work.services, *traced, client, tool_client, context.contexts, LoopLag(metrics, clock),
        KeyUse(database, gateway.used), *runs, *beside, *port, *gate,
    )  # fmt: skip
    return Application(services=services, listener=listener if port else None, plane=plane, spool=spool)


def _on_beat(counts: WorkerCounts, writer: Writer) -> Callable[[float | None], None]:
    def beat(seconds: float | None) -> None:
        counts.beat(seconds)
        writer.tidy()

    return beat


def _end(*clients: UpstreamClient) -> Callable[[], None]:
    def end() -> None:
        for client in clients:
            client.end()

    return end


def _dashboard() -> Dashboard:
    """The one that lies in the package; a source tree can build it."""
    package = Path(dwctl.__file__).parent
    return Dashboard(
        package / "dashboard",
        __version__,
        source=(package.parents[1] / "dashboard" / "package.json").is_file(),
    )


def _flush(writer: Writer, replay: Replay) -> Callable[[], Awaitable[bool]]:
    async def flush() -> bool:
        return await writer.flush() and await replay.caught_up()

    return flush


def _cors(settings: CorsSettings) -> Cors:
    return Cors(
        settings.allowed_origins, credentials=settings.allow_credentials, exposed=settings.exposed_headers
    )


def _database_check(database: Database) -> Check:
    async def check() -> str | None:
        try:
            async with asyncio.timeout(READY_WITHIN):
                await database.fetch_value("select 1")
        except (*UNREACHABLE, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError, Error) as error:
            return f"the database does not answer: {type(error).__name__}"
        return None

    return check


def _recording_check(recorder: Recorder) -> Check:
    async def check() -> str | None:
        return recorder.refusal

    return check
