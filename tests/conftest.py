"""Real parts for every test: one embedded PostgreSQL for each test process, a fresh database for each test."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from random import SystemRandom

import asyncpg
import pytest

from dwctl.db.embedded import EmbeddedPostgres
from dwctl.db.migrations import migrate
from dwctl.db.postgres import Database
from dwctl.db.settings import PoolSettings
from tests import examples, places
from tests.databases import Server

TEMPLATE = "dwctl_template"
OPTIONS = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "60",
    # A database lives for a test: nothing in it grows old.
    "autovacuum": "off",
    # It may lie in memory.
    "max_wal_size": "256MB",
}
examples.register()
pytest_plugins = ["tests.models.fixtures", "tests.replicas"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """What a run can be told."""
    parser.addoption("--chaos-seed", type=int, help="of the random moments of kills; another one in each run")


@pytest.fixture
def chaos_seed(pytestconfig: pytest.Config) -> int:
    """The seed of the moments of kills, to be printed: given, they can be had again."""
    given: int | None = pytestconfig.getoption("--chaos-seed")
    return SystemRandom().randrange(2**32) if given is None else given


@pytest.fixture(scope="session")
def open_directory() -> Iterator[Path]:
    """A directory that an unprivileged server may enter: pytest's own ones are closed to other users."""
    with places.directory(places.chosen()) as path:
        yield path


@pytest.fixture
def data_dir(open_directory: Path) -> Iterator[Path]:
    """A fresh data directory."""
    path = Path(tempfile.mkdtemp(dir=open_directory))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(open_directory: Path) -> Iterator[Server]:
    """A server with a migrated template database; without fsync, since its data need not outlive it."""
    home = open_directory / f"server-{os.getpid()}"
    home.mkdir()
    embedded = EmbeddedPostgres(home, options=OPTIONS)
    with asyncio.Runner() as runner:
        runner.run(_prepare(embedded))
        yield Server(embedded)
        runner.run(embedded.stop())


async def _prepare(embedded: EmbeddedPostgres) -> None:
    await embedded.start()
    admin = await asyncpg.connect(embedded.dsn_of("postgres"))
    await admin.execute(f"create database {TEMPLATE}")
    await admin.close()
    database = Database(embedded.dsn_of(TEMPLATE))
    await database.open()
    await migrate(database)
    await database.close()


@pytest.fixture(scope="session")
def any_database() -> Database:
    """Of all tests of the process, opened for each on another: what is built on it once serves them all."""
    return Database("not given yet", PoolSettings(max_connections=5))


@pytest.fixture
async def database(postgres: Server, any_database: Database) -> AsyncIterator[Database]:
    """A migrated database of this test's own, opened with connections of its own."""
    name = await postgres.clone(TEMPLATE)
    any_database.dsn = postgres.dsn_of(name)
    await any_database.open()
    yield any_database
    await any_database.close()
    await postgres.drop(name)
