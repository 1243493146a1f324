"""PostgreSQL is killed in the middle of populating: steps that did not wait for the disk are lost, lines are not."""

import contextlib
import os
import signal
from pathlib import Path

import asyncpg
import pytest

from dwctl.db.embedded import EmbeddedPostgres, children_of
from dwctl.db.migrations import migrate
from dwctl.db.postgres import UNREACHABLE, Database
from dwctl.db.queries import Queries
from dwctl.requests.queue.store import QueueStore
from tests.requests.queue.work import add_batch

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("chaos")]

LINES, STEP = 4_000, 100
KILLS = 4


async def begin(data_dir: Path) -> tuple[EmbeddedPostgres, Database]:
    """A server, and a pool on it."""
    server = EmbeddedPostgres(data_dir)
    await server.start()
    database = Database(server.dsn)
    await database.open()
    return server, database


def kill(data_dir: Path) -> None:
    """The server and all its processes."""
    parent = int((data_dir / "postgres" / "postmaster.pid").read_text().splitlines()[0])
    for pid in (parent, *children_of(parent)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


async def test_every_line_waits_once_whatever_the_server_has_lost(data_dir: Path) -> None:
    server, database = await begin(data_dir)
    await migrate(database)
    await database.fetch(Queries.load("dwctl.requests")["make_partitions"], 3)
    batch_id = await add_batch(database, LINES)
    for number in range(KILLS):
        store = QueueStore(database)
        for _ in range(5):
            assert await store.populate(batch_id, STEP)
        told = await database.fetch_value("select populated from batches")
        kill(data_dir)
        with contextlib.suppress(*UNREACHABLE, asyncpg.PostgresError, asyncpg.InterfaceError):
            await database.close()
        await server.stop()
        server, database = await begin(data_dir)
        kept = await database.fetch_value("select populated from batches")
        assert kept <= told, number
        for counted in ("from requests", "from queue", "from lanes l, generate_series(1, l.live)"):
            assert await database.fetch_value(f"select count(*) {counted}") == kept
        assert await is_closed(database)
    store = QueueStore(database)
    while await store.populate(batch_id, STEP):
        pass
    rows = await database.fetch("select r.line from requests r join queue q using (id) order by id")
    assert [row["line"] for row in rows] == list(range(LINES))
    kill(data_dir)
    await server.stop()
    server, database = await begin(data_dir)
    # What has started is on disk.
    assert await database.fetch_value("select started_at is not null and populated = total from batches")
    assert [lane.live for lane in await QueueStore(database).lanes()] == [LINES]
    await database.close()
    await server.stop()


async def is_closed(database: Database) -> bool:
    """Nothing can be claimed yet."""
    return await QueueStore(database).lanes() == []
