"""Who takes calls and who runs queued work, when that is not everybody."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from dwctl.db.postgres import Database
from tests.chaos.test_batches import database_of, respond
from tests.chaos.test_kill import ADMIN, PASSWORD
from tests.cli.command import dwctl
from tests.contract.test_metrics import free_port
from tests.engine.works import Works
from tests.fakes.model import MODEL
from tests.fakes.upstream import upstream_in_thread
from tests.gateway.house import model, target
from tests.server_process import Product
from tests.workers.test_batches import daemons

pytestmark = [pytest.mark.xdist_group("workers")]

READY = "is ready: a worker, without a port"
LINES = 40


def listening(pid: int) -> int:
    """How many sockets of a process wait for connections."""
    inodes = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        text = str(link.readlink())
        if text.startswith("socket:["):
            inodes.add(text[8:-1])
    found = 0
    for table in ("tcp", "tcp6"):
        for row in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = row.split()
            found += fields[3] == "0A" and fields[9] in inodes
    return found


async def fetch(method: str, url: str, **more: Any) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.request(method, url, **more)


async def completed(url: str, calls: dict[str, Any]) -> None:
    """Wait until this response is."""
    async with asyncio.timeout(30):
        while (await fetch("GET", url, **calls)).json()["status"] != "completed":
            pass


async def dropped(database: Database, day: date) -> bool:
    """Whether the calls of a day are gone, with their contents."""
    found: bool = await database.fetch_value(
        "select coalesce(to_regclass('requests' || $1), to_regclass('contents' || $1)) is null",
        f"_{day:%Y%m%d}",
    )
    return found


@pytest.mark.long
async def test_a_gateway_claims_nothing_until_a_worker_joins(data_dir: Path) -> None:
    settings = data_dir / "dwctl.yaml"
    settings.write_text(f"admin_email: {ADMIN}\nadmin_password: {PASSWORD}\n")
    metrics = f"127.0.0.1:{free_port()}"
    old = datetime.now(UTC).date() - timedelta(days=9)
    keeping = {
        "DWCTL_RECORDING__RETENTION_DAYS": "7",
        "DWCTL_BACKGROUND_SERVICES__BATCH_DAEMON__PURGE_INTERVAL_MS": "1000",
    }
    with upstream_in_thread(respond) as upstream:
        gateway = Product(
            data_dir,
            upstream=upstream.url,
            arguments=("-f", str(settings), "--role", "gateway"),
            environment=keeping,
        )
        worker = Product(
            data_dir,
            arguments=("-f", str(settings), "--role", "worker", "--join"),
            environment={"DWCTL_METRICS__LISTEN": metrics, **keeping},
        )
        gateway.start_again()
        try:
            key = gateway.wait_for(r"API key\s+(sk-[\w-]+)")
            calls: dict[str, Any] = {"headers": {"authorization": f"Bearer {key}"}, "timeout": 20}
            asked = {"model": MODEL, "input": "x", "background": True}
            queued = (await fetch("POST", f"{gateway.base_url}/responses", json=asked, **calls)).json()
            call = f"{gateway.base_url}/responses/{queued['id']}"
            assert (await fetch("GET", call, **calls)).json()["status"] == "queued"
            async with database_of(data_dir) as database:
                works = Works(database, model(MODEL, target(upstream.url)))
                batch_id = await works.batch(await works.account(), LINES)
                assert [each["config"]["role"] for each in await asyncio.to_thread(daemons, gateway)] == [
                    "gateway"
                ]
                assert await database.fetch_value("select started_at from batches") is None
                assert upstream.posts == []
                await database.execute("select ensure_request_partitions($1, 1)", old)
                assert await dropped(database, old) is False
                worker.begin()
                worker.wait_for(READY)
                row = await works.ended(batch_id)
                async with asyncio.timeout(30):
                    while not await dropped(database, old):
                        pass
                holders = {each["daemon_id"] for each in await works.requests(batch_id)}
            assert row["completed"] == LINES
            await completed(call, calls)
            shown = {each["config"]["role"]: each for each in await asyncio.to_thread(daemons, gateway)}
            assert {str(each) for each in holders} == {shown["worker"]["id"]}
            assert shown["worker"]["pid"] == worker.pid
            assert listening(gateway.pid) == 1
            # Its page of metrics, and nothing else.
            assert listening(worker.pid) == 1
            page = (await fetch("GET", f"http://{metrics}/metrics")).text
            assert "fusillade_" in page
        finally:
            worker.close()
            gateway.close()


@pytest.mark.long
async def test_a_worker_alone_holds_the_directory_and_others_join_it(data_dir: Path) -> None:
    with upstream_in_thread(respond) as upstream:
        worker = Product(data_dir, upstream=upstream.url, arguments=("--role", "worker", "--workers", "2"))
        gateway = Product(data_dir, arguments=("--role", "gateway", "--join"))
        worker.begin()
        try:
            worker.wait_for(READY)
            assert "Try it" not in worker.output
            assert listening(worker.pid) == 0
            told = dwctl("doctor", "--data-dir", data_dir, directory=data_dir)
            assert "is a worker and has none" in told.output
            gateway.start_again()
            assert (await fetch("GET", f"{gateway.address}/readyz")).status_code == 200
            async with database_of(data_dir) as database:
                works = Works(database, model(MODEL, target(upstream.url)))
                row = await works.ended(await works.batch(await works.account(), LINES))
                roles = await database.fetch("select config->>'role' as role from daemons")
            assert row["completed"] == LINES
            assert sorted(each["role"] for each in roles) == ["gateway", "worker", "worker"]
        finally:
            gateway.close()
            worker.close()


def test_a_role_that_there_is_not(data_dir: Path) -> None:
    told = dwctl("serve", "--role", "boss", "--data-dir", data_dir, directory=data_dir)
    assert told.status == 2
    assert "'all', 'gateway', 'worker'" in told.errors
