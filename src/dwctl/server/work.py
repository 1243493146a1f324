"""The part of the composition root that is about files, batches and queued calls: how work comes in and is shown."""

from collections.abc import Awaitable, Callable
from functools import partial
from uuid import UUID

import msgspec
from litestar import Router

from dwctl.control.plane import Plane
from dwctl.core.clock import Clock
from dwctl.core.services import Service
from dwctl.db.listen import Listener
from dwctl.db.postgres import Database
from dwctl.db.replica import Reading
from dwctl.engine.batches.actions import BatchActions
from dwctl.engine.batches.api import router as batches_router
from dwctl.engine.batches.creation import Creation
from dwctl.engine.batches.retrying import Retrying
from dwctl.engine.batches.store import BatchStore
from dwctl.engine.conversations.store import ConversationStore
from dwctl.engine.daemons.actions import DaemonActions
from dwctl.engine.daemons.api import router as daemons_router
from dwctl.engine.daemons.store import DaemonStore
from dwctl.engine.files.actions import FileActions
from dwctl.engine.files.api import router as files_router
from dwctl.engine.files.keeping import Keeping
from dwctl.engine.files.store import FileStore
from dwctl.engine.files.upload import Uploads
from dwctl.engine.housekeeping import Chore
from dwctl.engine.responses.accepting import Acceptance
from dwctl.engine.responses.queued import QueuedCalls
from dwctl.engine.responses.streams import EventStreams
from dwctl.requests.endings import Endings
from dwctl.requests.queue.store import CHANNEL, ENDED, QueueStore
from dwctl.requests.retention.store import Retention
from dwctl.requests.singles.store import SingleStore
from dwctl.requests.store import RequestStore
from dwctl.routing.hidden_keys.store import HiddenKeys
from dwctl.routing.snapshot import Routing
from dwctl.routing.sync import RoutingSync
from dwctl.server.settings import Settings

FLEETING = 300.0
"""Seconds after the end of a call that wants nothing stored, in which whoever waits for it has read its answer."""


class WorkParts(msgspec.Struct, frozen=True):
    """What is needed before there is a control plane."""

    files: FileActions
    uploads: Uploads
    chores: tuple[Chore, ...]
    silent: float
    """Seconds of silence after which a process is taken for dead."""


class Work(msgspec.Struct, frozen=True):
    """How work comes in."""

    routes: tuple[Router, ...]
    services: tuple[Service, ...]
    queued: QueuedCalls | None
    """Who takes the gateway's calls that are to be queued; None when none are."""
    endings: Endings
    """Tells of the end of single calls."""


def work_of(
    settings: Settings, database: Database, reading: Reading, routing: Routing, daemon_id: UUID
) -> WorkParts:
    """Files, and what is to be swept up after them."""
    silent = settings.background_services.batch_daemon.stale_daemon_threshold_ms / 1000
    store = FileStore(database, reading)
    uploads = Uploads(
        store=store,
        routing=routing,
        daemon_id=daemon_id,
        batches=settings.batches,
        limits=settings.limits.files,
        max_body_bytes=settings.limits.requests.max_body_size,
    )
    keeping = Keeping(
        store,
        uploads,
        silent_secs=silent,
        outputs_secs=_outputs_secs(settings),
    )
    singles, lifetime = SingleStore(database), settings.batches.async_requests.idempotency_key_lifetime
    chores: tuple[Chore, ...] = (
        _chore(keeping.step),
        partial(singles.forget_keys, lifetime),
        partial(singles.forget_fleeting, FLEETING),
    )
    if settings.recording.retention_days is not None:
        retention = Retention(database, settings.recording.retention_days)
        chores += (retention.step, ConversationStore(database).clear_lost)
    return WorkParts(FileActions(store, uploads, routing), uploads, chores, silent)


def _outputs_secs(settings: Settings) -> int | None:
    """How long outputs live after their batch, unless it says so itself: no longer than calls are kept."""
    default, days = settings.batches.files.default_output_expiry_seconds, settings.recording.retention_days
    return default if default is None or days is None else min(default, days * 86_400)


def work_routes(
    settings: Settings,
    parts: WorkParts,
    database: Database,
    reading: Reading,
    plane: Plane,
    sync: RoutingSync,
    notices: Listener,
    clock: Clock,
    streams: EventStreams,
    give_back: Callable[[UUID, UUID], None],
) -> Work:
    """Routes, and the services behind them."""
    queue, keys = QueueStore(database), HiddenKeys(database, sync, "batch")
    origins = settings.auth.security.cors.allowed_origins
    daemons = daemons_router(DaemonActions(DaemonStore(database), parts.silent), plane.authenticator, origins)
    endings = Endings()
    notices.subscribe(ENDED, endings)
    if not settings.batches.enabled:
        return Work((daemons,), (), None, endings)
    store = BatchStore(database, reading)
    batches = BatchActions(store, Creation(store, keys, settings.batches), queue, clock)
    retrying = Retrying(queue, clock)
    notices.subscribe(CHANNEL, retrying.waking)
    routes = (
        daemons,
        files_router(parts.files, plane.authenticator, origins),
        batches_router(batches, plane.authenticator, origins),
    )
    if not settings.batches.async_requests.enabled:
        return Work(routes, (retrying,), None, endings)
    single = settings.batches.async_requests
    queued = QueuedCalls(
        Acceptance(database, single.idempotency_key_lifetime),
        RequestStore(database),
        SingleStore(database),
        keys,
        endings,
        streams,
        single,
        give_back,
    )
    return Work(routes, (retrying, queued), queued, endings)


def _chore(step: Callable[[], Awaitable[bool]]) -> Chore:
    async def chore(most: int) -> int:
        del most
        return int(await step())

    return chore
