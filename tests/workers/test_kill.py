"""SIGKILL to a worker under load: the others go on, no answered call is without its row, and none has two."""

import random
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.load import Calls, callers
from tests.chaos.rows import rows_of
from tests.chaos.test_kill import compare
from tests.fakes.upstream import upstream_in_thread
from tests.server_process import Product
from tests.workers.crew import kill_worker, workers_of

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("chaos")]
KILLS = 8


@pytest.fixture
def home(open_directory: Path) -> Iterator[Path]:
    """A data directory for one test."""
    made = Path(tempfile.mkdtemp(dir=open_directory))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


async def test_workers_are_killed_under_load(home: Path) -> None:
    chance = random.Random(3)
    calls = Calls()
    with upstream_in_thread() as upstream:
        product = Product(home, upstream=upstream.url, arguments=["--workers", "3"])
        product.start()
        try:
            with callers(calls, product.base_url, product.key, threading.Event()):
                for _ in range(KILLS):
                    calls.wait_for(len(calls.answered) + chance.randrange(1, 800))
                    kill_worker(product, chance.choice(sorted(workers_of(product))))
            compare(await rows_of(home, living=3), calls, upstream)
        finally:
            product.close()
    assert len(calls.answered) > KILLS
    assert "Traceback" not in product.output
