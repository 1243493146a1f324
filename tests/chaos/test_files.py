"""SIGKILL in the middle of an upload, and files far larger than memory should be."""

import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import pytest

from dwctl.db.embedded import EmbeddedPostgres
from dwctl.db.postgres import Database
from dwctl.engine.files.keeping import Keeping
from dwctl.engine.files.store import FileStore
from tests.contract.test_files import END, HEAD, KIND, files_of, requests
from tests.engine.files.house import apart_of
from tests.fakes.upstream import upstream_in_thread
from tests.server_process import Product
from tests.waiting import until

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("chaos")]

MB = 1_000_000
MOST = 100 * MB
LARGE = 500 * MB


class NoUploads:
    """A process that takes none."""

    def __init__(self) -> None:
        self.failed: set[UUID] = set()


@pytest.fixture
def product(open_directory: Path) -> Iterator[Product]:
    """A product of this test's own, that takes files of any size."""
    home = Path(tempfile.mkdtemp(dir=open_directory))
    home.chmod(0o755)
    with upstream_in_thread() as upstream:
        running = Product(
            home, upstream=upstream.url, environment={"DWCTL_LIMITS__FILES__MAX_FILE_SIZE": str(4000 * MB)}
        )
        running.start()
        yield running
        running.close()
    shutil.rmtree(home, ignore_errors=True)


async def database_of(product: Product) -> Database:
    """The database of a running product."""
    dsn = EmbeddedPostgres(product.data_dir).running_dsn()
    assert dsn is not None
    database = Database(dsn)
    await database.open()
    return database


async def test_a_kill_in_the_middle_of_an_upload(product: Product) -> None:
    content = requests(5000, "x" * 1000)
    place = urlsplit(product.address)
    lines = [
        "POST /ai/v1/files HTTP/1.1",
        "host: x",
        f"authorization: Bearer {product.key}",
        f"content-type: {KIND}",
        f"content-length: {10 * len(content)}",
    ]
    with socket.create_connection((place.hostname, place.port), timeout=30) as made:
        made.sendall("\r\n".join([*lines, "", ""]).encode() + (HEAD % "batch").encode() + content)
        database = await database_of(product)
        while not await database.fetch_value("select count(*) from file_lines"):
            pass
        readers = apart_of(product.pid)
        assert len(readers) == 1
        await database.close()
        product.kill()
    product.start()
    assert files_of(product) == []
    database = await database_of(product)
    assert await database.fetch_value("select count(*) from file_lines") > 0
    keeping = Keeping(FileStore(database), NoUploads(), silent_secs=0, outputs_secs=None)
    while await keeping.step():
        pass
    left = await database.fetch_row(
        """select (select count(*) from files), (select count(*) from file_lines),
            (select count(*) from file_pieces)"""
    )
    assert left is not None
    assert tuple(left) == (0, 0, 0)
    await database.close()
    until(lambda: not Path(f"/proc/{readers[0]}").exists(), "who read its lines is gone with it")


def resident(pid: int) -> int:
    """Bytes of memory that a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


@contextmanager
def watched(pid: int) -> Iterator[list[int]]:
    """The most memory that a process holds meanwhile."""
    most = [resident(pid)]
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.02):
            most[0] = max(most[0], resident(pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    yield most
    ended.set()
    watcher.join()


@pytest.mark.parametrize("purpose", ["batch", "user_data"])
def test_a_large_file_moves_the_process_by_little(product: Product, purpose: str) -> None:
    block = requests(1000, "x" * 870)
    count = LARGE // len(block)

    def body() -> Iterator[bytes]:
        yield (HEAD % purpose).encode()
        for _ in range(count):
            yield block
        yield END

    headers = {"authorization": f"Bearer {product.key}", "content-type": KIND}
    before = resident(product.pid)
    with httpx.Client(trust_env=False, timeout=600, headers=headers) as client:
        with watched(product.pid) as most:
            made = client.post(f"{product.base_url}/files", content=body())
        assert made.status_code == 201, made.text
        assert made.json()["bytes"] == count * len(block)
        assert most[0] - before < MOST
        size = 0
        with (
            watched(product.pid) as most,
            client.stream("GET", f"{product.base_url}/files/{made.json()['id']}/content") as answer,
        ):
            for data in answer.iter_raw():
                size += len(data)
        assert size == count * len(block)
        assert most[0] - before < MOST
