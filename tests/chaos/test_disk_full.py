"""The spool's disk fills up: new calls are refused with the reason, answered ones keep their rows, and it heals."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from dwctl.requests.record import State
from tests.chaos.load import HEADER
from tests.chaos.rows import rows_of
from tests.cli.command import dwctl
from tests.fakes.model import MODEL
from tests.fakes.upstream import upstream_in_thread
from tests.server_process import Product

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("chaos")]

SPOOL_BYTES = "1m"
CALLS = 400
BODY = "x" * 8000


@contextmanager
def small(place: Path, size: str) -> Iterator[None]:
    """A file system of its own for a folder."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "none", str(place)],
        check=False,
        capture_output=True,
    )
    if mounted.returncode != 0:
        pytest.skip("a small file system can be mounted by root alone")
    try:
        yield
    finally:
        subprocess.run(["umount", str(place)], check=True)


def write_without_end(path: Path) -> None:
    """Until it cannot."""
    with path.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 1024 * 1024)


@pytest.fixture
def small_spool(data_dir: Path) -> Iterator[Path]:
    """A data directory whose spool lies on a file system that is soon full."""
    (data_dir / "spool").mkdir()
    with small(data_dir / "spool", SPOOL_BYTES):
        yield data_dir


def test_a_start_on_a_full_disk_says_so_and_leaves_nothing(data_dir: Path) -> None:
    with small(data_dir, "150m"):
        fill = data_dir / "fill"
        with pytest.raises(OSError, match="No space left"):
            write_without_end(fill)
        for command in ("serve", "doctor"):
            ended = dwctl(command, "--data-dir", data_dir, directory=data_dir.parent)
            assert ended.status == 1
            assert "cannot be written: No space left on device. " in ended.output + ended.errors
            assert "free some space there" in ended.output + ended.errors
        assert "FAIL  disk: 0.0 GiB free" in ended.output
        assert [path.name for path in data_dir.iterdir()] == ["fill"]
        fill.unlink()
        product = Product(data_dir)
        product.start()
        product.stop()


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
