"""The spool's disk fills up: new calls are refused with the reason, answered ones keep their rows, and it heals."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from dwctl.requests.record import State
from tests.chaos.load import HEADER
from tests.chaos.rows import rows_of
from tests.fakes.model import MODEL
from tests.fakes.upstream import upstream_in_thread
from tests.server_process import Product

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("chaos")]

SPOOL_BYTES = "1m"
CALLS = 400
BODY = "x" * 8000


@pytest.fixture
def small_spool(open_directory: Path) -> Iterator[Path]:
    """A data directory whose spool lies on a file system of its own, which is soon full."""
    home = Path(tempfile.mkdtemp(dir=open_directory))
    home.chmod(0o755)
    spool = home / "spool"
    spool.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SPOOL_BYTES}", "none", str(spool)],
        check=False,
        capture_output=True,
    )
    if mounted.returncode != 0:
        pytest.skip("a small file system can be mounted by root alone")
    yield home
    subprocess.run(["umount", str(spool)], check=True)
    shutil.rmtree(home, ignore_errors=True)


async def test_a_full_disk_refuses_new_calls_and_loses_none(small_spool: Path) -> None:
    answered: list[str] = []
    refused: list[httpx.Response] = []
    after = 0
    with upstream_in_thread() as upstream:
        product = Product(small_spool, upstream=upstream.url)
        product.start()
        try:
            headers = {"authorization": f"Bearer {product.key}"}
            body = {"model": MODEL, "messages": [{"role": "user", "content": BODY}]}
            async with httpx.AsyncClient(base_url=product.base_url, headers=headers, timeout=20) as client:
                for _ in range(CALLS):
                    answer = await client.post("/chat/completions", json=body)
                    if answer.status_code == 200:
                        answered.append(answer.headers[HEADER])
                        after += bool(refused)
                    else:
                        refused.append(answer)
                while not after:
                    answer = await client.post("/chat/completions", json=body)
                    after += answer.status_code == 200
            rows = {row["id"]: row["state"] for row in await rows_of(small_spool, len(upstream.posts))}
        finally:
            product.close()
    assert refused, "the disk was never full"
    for answer in refused:
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "5"
        assert "No space left on device" in answer.json()["error"]["message"]
    states = [rows.get(UUID(name.removeprefix("resp_"))) for name in answered]
    assert states == [State.COMPLETED] * len(answered)
    assert len(upstream.posts) == len(rows)
