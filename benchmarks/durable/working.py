"""One worker and its completer on an embedded PostgreSQL with every setting at its default, and a stub for the gateway.

Nothing but that runs in this process, so that a core that one worker has for itself is what is measured, and PostgreSQL
beside it.
"""

import asyncio
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from uuid import UUID

import asyncpg
import msgspec

from benchmarks import processes
from benchmarks.durable.stock import MODEL, RUN_KEY
from benchmarks.durable.stub import Stub
from benchmarks.failures import Broken
from dwctl.core.clock import SystemClock
from dwctl.core.ids import new_uuid
from dwctl.core.services import Supervisor
from dwctl.db.embedded import EmbeddedPostgres
from dwctl.db.migrations import migrate
from dwctl.db.postgres import Database
from dwctl.db.queries import Queries
from dwctl.engine.completer import Completer
from dwctl.engine.counts import WorkerCounts
from dwctl.engine.headroom import Headroom
from dwctl.engine.responses.event_counts import EventCounts
from dwctl.engine.responses.event_log import EventLog
from dwctl.engine.worker import Worker
from dwctl.engine.worker_settings import BatchDaemonSettings
from dwctl.requests.events.store import EventStore
from dwctl.requests.onlooker import Onlooker
from dwctl.requests.queue.store import QueueStore
from dwctl.requests.queue.structs import Claimed
from dwctl.routing.snapshot import EVERYONE, Key, Model, Routing, Snapshot

CAPACITY = 2_000
"""Requests at a time: as many as keep claims and settlements large."""
PARTITIONS = 3
WITHIN = 120.0


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker did in a stretch of time."""

    requests: int
    seconds: float
    own_cpu: float
    postgres_cpu: float
    claims_ms: tuple[float, ...]

    @property
    def rate(self) -> float:
        """Requests that were committed in a second."""
        return self.requests / self.seconds

    @property
    def own_us(self) -> float:
        """CPU of this process for a request."""
        return self.own_cpu / self.requests * 1e6

    @property
    def postgres_us(self) -> float:
        """CPU of PostgreSQL for a request, autovacuum and writers included."""
        return self.postgres_cpu / self.requests * 1e6

    @property
    def claim_p99_ms(self) -> float:
        """Of the statements that claimed something."""
        return statistics.quantiles(self.claims_ms, n=100)[98] if len(self.claims_ms) > 1 else 0.0


class _Timed(QueueStore):
    """The queue, and how long each claim took that got something."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.took: list[float] = []

    async def claim(
        self, holder: UUID, wanted: Mapping[int, int], floors: Mapping[int, int] | None = None
    ) -> list[Claimed]:
        began = time.perf_counter()
        claimed = await super().claim(holder, wanted, floors)
        if claimed:
            self.took.append((time.perf_counter() - began) * 1000)
        return claimed


@asynccontextmanager
async def server() -> AsyncIterator[EmbeddedPostgres]:
    """PostgreSQL on disk, as `dwctl serve` has it; gone afterwards."""
    home = await asyncio.to_thread(_home)
    postgres = EmbeddedPostgres(home)
    try:
        await postgres.start()
        yield postgres
    finally:
        await postgres.stop()
        shutil.rmtree(home, ignore_errors=True)


def _home() -> Path:
    home = Path(tempfile.mkdtemp(prefix="dwctl-bench-"))
    home.chmod(0o755)  # a database server that runs as another user must get in
    return home


@asynccontextmanager
async def migrated(postgres: EmbeddedPostgres, name: str) -> AsyncIterator[Database]:
    """A new database on it, as a first start leaves it."""
    admin = await asyncpg.connect(postgres.dsn)
    await admin.execute(f"create database {name}")
    await admin.close()
    database = Database(postgres.dsn_of(name))
    await database.open()
    try:
        await migrate(database)
        await database.fetch(Queries.load("dwctl.requests")["make_partitions"], PARTITIONS)
        yield database
    finally:
        await database.close()


class _Nobody:
    """A gateway without calls."""

    onlooker: Onlooker | None = None


async def work(database: Database, *, most: int, seconds: float) -> Work:
    """Let one worker run until it has committed so many requests or the time is over, whichever is first."""
    holder = new_uuid()
    await database.execute(
        "insert into daemons (id, kind, hostname, pid, version, installation_id) values ($1, 'bench', '', $2, '', $1)",
        holder,
        os.getpid(),
    )
    store = _Timed(database)
    completer = Completer(store, holder)
    settings, clock = BatchDaemonSettings(), SystemClock()
    # Nobody calls beside it, so it is never held back.
    headroom = Headroom(
        store=store,
        settings=settings.adaptive,
        daemon_id=holder,
        clock=clock,
        gateway=_Nobody(),
        interactive=lambda _: 0,
    )
    worker = Worker(
        store=store,
        dispatch=Stub(holder, None),
        completer=completer,
        routing=Routing(_snapshot()),
        settings=settings,
        holder=holder,
        clock=clock,
        counts=WorkerCounts(),
        headroom=headroom,
        events=EventLog(EventStore(database), holder, EventCounts(), most=0),
        drain=1.0,
    )
    stopping, started = asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(Supervisor((headroom, completer, worker)).run(stopping, started))
        await started.wait()
        await _until(lambda: completer.done >= min(CAPACITY, most // 10), WITHIN)
        store.took.clear()
        done, began, before = completer.done, time.perf_counter(), processes.cpu_seconds(os.getpid())
        await _until(lambda: completer.done >= most, seconds)
        spent = processes.cpu_seconds(os.getpid()).since(before)
        result = Work(
            requests=completer.done - done,
            seconds=time.perf_counter() - began,
            own_cpu=spent.own,
            postgres_cpu=spent.postgres,
            claims_ms=tuple(store.took),
        )
        stopping.set()
    if not result.requests:
        raise Broken("the worker did nothing")
    return result


async def _until(condition: Callable[[], bool], seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.005)


def _snapshot() -> Snapshot:
    key = Key(id=MODEL, owner_id=MODEL, creator_id=MODEL, purpose="batch", groups=frozenset({EVERYONE}))
    model = Model(
        id=MODEL,
        alias=MODEL,
        type="CHAT",
        groups=frozenset({EVERYONE}),
        targets=(),
        created=0,
        batch_capacity=CAPACITY,
    )
    return Snapshot(version=1, keys={RUN_KEY: key}, models={MODEL: model})
