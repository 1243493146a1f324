"""A server and its standby, as operators make one, for tests of what is read from which."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from prometheus_client import generate_latest

from dwctl.core.metrics import Metrics
from dwctl.db.binaries import find, runner
from dwctl.db.embedded import SUPERUSER, EmbeddedPostgres
from dwctl.db.migrations import migrate
from dwctl.db.postgres import Database
from dwctl.db.replica import Reading, Replica
from dwctl.db.settings import PoolSettings

OPTIONS = {"wal_level": "replica", "max_wal_senders": "4", "fsync": "off", "autovacuum": "off"}
POOL = PoolSettings(max_connections=3)


class Pair:
    """A server, its standby, and what reads from both."""

    def __init__(self, primary: Database, standby: EmbeddedPostgres) -> None:
        self.primary = primary
        self.standby = standby
        self.metrics = Metrics()
        self.replica = Replica(primary, standby.dsn, POOL, self.metrics, max_lag=30.0)
        self.reading = Reading(primary, self.replica)

    async def caught_up(self) -> None:
        """The standby has everything that the primary has now."""
        place = await self.primary.fetch_value("select pg_current_wal_flush_lsn()::text")
        async with self.beside() as standby:
            sql = "select pg_last_wal_replay_lsn() >= $1::text::pg_lsn"

            async def there() -> bool:
                return bool(await standby.fetch_value(sql, place))

            await until(there)
        await self.replica.look()

    @asynccontextmanager
    async def beside(self) -> AsyncIterator[Database]:
        """The standby, by itself."""
        database = Database(self.standby.dsn, POOL)
        await database.open()
        yield database
        await database.close()

    async def pause(self, call: str = "pg_wal_replay_pause") -> None:
        """The standby takes nothing more in."""
        async with self.beside() as standby:
            await standby.execute(f"select {call}()")

    def shows(self, name: str) -> float:
        """A metric."""
        lines = generate_latest(self.metrics.registry).decode().splitlines()
        return float(next(line for line in lines if line.startswith(name)).rpartition(" ")[2])


@pytest.fixture(scope="module")
def homes(open_directory: Path) -> tuple[Path, Path]:
    """Of the two servers."""
    found = open_directory / f"first-{os.getpid()}", open_directory / f"second-{os.getpid()}"
    for home in found:
        home.mkdir(exist_ok=True)
    return found


@pytest.fixture
async def pair(homes: tuple[Path, Path]) -> AsyncIterator[Pair]:
    """Both run."""
    first = EmbeddedPostgres(homes[0], options=OPTIONS)
    await first.start()
    primary = Database(first.dsn, POOL)
    await primary.open()
    await migrate(primary)
    await primary.execute("create table if not exists notes (text text); truncate notes")
    cluster = homes[1] / "postgres"
    await asyncio.to_thread(_copy, first, cluster, homes[1])
    second = EmbeddedPostgres(homes[1], options=OPTIONS)
    await second.start()
    pair = Pair(primary, second)
    await pair.replica.start()
    yield pair
    await pair.replica.stop()
    await primary.close()
    await second.stop()
    await first.stop()


def _copy(first: EmbeddedPostgres, cluster: Path, home: Path) -> None:
    """What an operator does: pg_basebackup, and the copy follows."""
    shutil.rmtree(cluster, ignore_errors=True)
    cluster.mkdir(mode=0o700)
    where = urlsplit(first.dsn)
    sockets = parse_qs(where.query)["host"][0]
    who = runner(Path(sockets).parent / "postgres")
    if who.uid is not None and who.gid is not None:
        os.chown(cluster, who.uid, who.gid)
    subprocess.run(
        [
            find(home, who).path("pg_basebackup"),
            *("-h", sockets, "-U", SUPERUSER, "-D", str(cluster), "-R", "-X", "stream", "-c", "fast"),
        ],
        user=who.uid,
        group=who.gid,
        extra_groups=[] if who.uid is not None else None,
        cwd="/",
        env={"LC_ALL": "C", "PATH": os.defpath},
        check=True,
    )


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for what a server has to come to."""
    async with asyncio.timeout(30):
        while not await condition():
            await asyncio.sleep(0.02)
