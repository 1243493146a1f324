"""The embedded server: quick, private, gone with its parent, and back after any kill."""

import asyncio
import ctypes
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path

import pytest

from dwctl.core.errors import SetupError
from dwctl.db.embedded import EmbeddedPostgres, children_of
from dwctl.db.postgres import Database
from tests.processes import ROOT

DEADLINE = 30.0
PR_SET_CHILD_SUBREAPER = 36
PARENT = """
import asyncio, sys
from pathlib import Path
from dwctl.db.embedded import EmbeddedPostgres, children_of

async def main():
    server = EmbeddedPostgres(Path(sys.argv[1]))
    await server.start()
    print("ready", flush=True)
    await server.run()

asyncio.run(main())
"""


def postmaster(data_dir: Path) -> int:
    return int((data_dir / "postgres" / "postmaster.pid").read_text().splitlines()[0])


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + DEADLINE
    while alive(pid):
        assert time.monotonic() < deadline, f"process {pid} is still there"
        os.sched_yield()


async def write_and_count(server: EmbeddedPostgres) -> int:
    database = Database(server.dsn)
    await database.open()
    await database.execute("create table if not exists kept (at timestamptz default now())")
    await database.execute("insert into kept default values")
    count: int = await database.fetch_value("select count(*) from kept")
    await database.close()
    return count


async def test_the_server_is_private_and_checks_its_pages(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir)
    await server.start()
    try:
        database = Database(server.dsn)
        await database.open()
        assert await database.fetch_value("show listen_addresses") == ""
        assert await database.fetch_value("show data_checksums") == "on"
        assert await database.fetch_value("show fsync") == "on"
        assert await database.fetch_value("show synchronous_commit") == "on"
        await database.close()
        assert stat.S_IMODE((data_dir / "run").stat().st_mode) == 0o700
        assert stat.S_IMODE((data_dir / "postgres").stat().st_mode) == 0o700
    finally:
        await server.stop()
    assert not (data_dir / "postgres" / "postmaster.pid").exists()


async def test_it_comes_back_after_its_own_sigkill(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir)
    await server.start()
    assert await write_and_count(server) == 1
    watching = asyncio.get_running_loop().create_task(server.run())
    os.kill(postmaster(data_dir), signal.SIGKILL)
    with pytest.raises(SetupError, match="PostgreSQL ended"):
        await asyncio.wait_for(watching, DEADLINE)
    again = EmbeddedPostgres(data_dir)
    await again.start()
    assert await write_and_count(again) == 2
    await again.stop()


def test_it_dies_with_its_parent_and_starts_again(data_dir: Path) -> None:
    for round_number in range(2):
        with subprocess.Popen(
            [sys.executable, "-c", PARENT, str(data_dir)],
            env={"PYTHONPATH": str(ROOT / "src"), "PATH": os.defpath},
            stdout=subprocess.PIPE,
        ) as parent:
            assert parent.stdout is not None
            assert parent.stdout.readline() == b"ready\n"
            pid = postmaster(data_dir)
            parent.kill()
        if round_number:
            wait_until_gone(pid)
    asyncio.run(_starts(data_dir))


@pytest.fixture
def adopting() -> Iterator[None]:
    """Processes whose parent dies become this one's children, and stay dead but unburied until it looks."""
    prctl = ctypes.CDLL(None).prctl
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    yield
    prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


@pytest.mark.usefixtures("adopting")
def test_it_starts_when_both_were_killed_and_nobody_has_buried_the_server(data_dir: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(data_dir)],
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": os.defpath},
        stdout=subprocess.PIPE,
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        pid = postmaster(data_dir)
        killed = [pid, *children_of(pid)]
        for each in killed:
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        parent.kill()
    with ThreadPoolExecutor(1) as threads:
        starting = threads.submit(asyncio.run, _starts(data_dir))
        wait([starting], timeout=1.0)
        for each in killed:
            with suppress(ChildProcessError):
                os.waitpid(each, 0)
        starting.result()


async def _starts(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir)
    await server.start()
    assert await write_and_count(server) == 1
    await server.stop()


async def test_a_cluster_in_use_is_left_alone(data_dir: Path) -> None:
    """Two data directories with one `database.data_dir`: the second start must not end the first server."""
    first = EmbeddedPostgres(data_dir)
    await first.start()
    try:
        (data_dir / "other").mkdir()
        second = EmbeddedPostgres(data_dir / "other", cluster=data_dir / "postgres")
        with pytest.raises(SetupError, match="another dwctl works with the database in "):
            await second.start()
        assert await write_and_count(first) == 1
    finally:
        await first.stop()
    await second.start()
    assert await write_and_count(second) == 2
    await second.stop()


async def test_a_half_made_cluster_is_thrown_away(data_dir: Path) -> None:
    half = data_dir / ".postgres.making-1"
    half.mkdir()
    (half / "PG_VERSION").write_text("18")
    server = EmbeddedPostgres(data_dir)
    await server.start()
    assert await write_and_count(server) == 1
    await server.stop()
    assert not half.exists()


async def test_a_long_path_gets_a_short_socket(data_dir: Path) -> None:
    deep = data_dir / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    server = EmbeddedPostgres(deep)
    await server.start()
    assert await write_and_count(server) == 1
    await server.stop()


async def test_a_cluster_of_another_version_is_refused(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir)
    await server.start()
    await server.stop()
    version = data_dir / "postgres" / "PG_VERSION"
    version.write_text("12\n")
    with pytest.raises(SetupError, match="made by PostgreSQL 12"):
        await EmbeddedPostgres(data_dir).start()


async def test_an_unreachable_server_is_told_without_its_password() -> None:
    database = Database("postgresql://user:hidden@127.0.0.1:1/none")
    with pytest.raises(SetupError, match=r"127\.0\.0\.1:1/none cannot be reached") as refusal:
        await database.open()
    assert "hidden" not in str(refusal.value)
