"""Several workers on one port behave as one process: keys, rows, metrics, ends."""

import os
import shutil
import signal
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import openai
import pytest

from tests.cli.command import dwctl
from tests.contract.test_stop import WORDS, processes_on, slow_stream
from tests.fakes.answers import Answer, Pause
from tests.fakes.model import MODEL
from tests.fakes.upstream import UpstreamThread, upstream_in_thread
from tests.server_process import Product
from tests.waiting import until
from tests.workers.crew import Clients, admin_of, calls_by_worker, kill_worker, workers_of

pytestmark = pytest.mark.xdist_group("workers")
CLIENTS = 30
AGAIN = "worker 1 serves again"


@pytest.fixture(scope="module")
def upstream() -> Iterator[UpstreamThread]:
    """The model server."""
    with upstream_in_thread() as running:
        yield running


@pytest.fixture(scope="module")
def home(open_directory: Path) -> Iterator[Path]:
    """The data directory."""
    path = Path(tempfile.mkdtemp(dir=open_directory))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="module")
def installation(home: Path, upstream: UpstreamThread) -> Iterator[Product]:
    """Three workers, for all tests."""
    made = Product(home, upstream=upstream.url, arguments=["--workers", "3"])
    yield made
    made.end()


@pytest.fixture
def product(installation: Product) -> Product:
    """The same, running: a test may end it."""
    if not installation.runs:
        installation.start()
    return installation


@pytest.fixture
def clients(product: Product) -> Iterator[Clients]:
    """Connections to all workers."""
    with ExitStack() as stack:
        yield Clients(product, CLIENTS, stack)


def metric(product: Product, name: str) -> float:
    """One number of the page."""
    lines = httpx.get(f"{product.address}/internal/metrics", trust_env=False).text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


async def test_each_has_its_share_of_connections(home: Path, product: Product, clients: Clients) -> None:
    assert sorted(workers_of(product)) == ["worker-1", "worker-2"]
    assert clients.call(product.key) == [200] * CLIENTS
    counts = await calls_by_worker(home, CLIENTS)
    assert len(counts) == 3
    assert max(counts.values()) <= CLIENTS / 3 + 2


def test_a_key_counts_everywhere_once_it_is_shown_and_nowhere_once_it_is_revoked(
    product: Product, clients: Clients
) -> None:
    with admin_of(product) as admin:
        for _ in range(3):
            made = admin.post("/admin/api/v1/users/current/api-keys", json={"name": "new"}).json()
            assert clients.call(made["key"]) == [200] * CLIENTS
            gone = admin.delete(f"/admin/api/v1/users/current/api-keys/{made['id']}")
            assert gone.status_code == 204
            assert clients.call(made["key"]) == [401] * CLIENTS
    assert "not confirmed within" not in product.output


def test_a_stored_response_is_there_whoever_is_asked(product: Product, clients: Clients) -> None:
    _, ident = clients.post(product.key)[0]
    answers = clients.get(product.key, f"/ai/v1/responses/{ident}")
    assert [status for status, _ in answers] == [200] * CLIENTS


def test_a_limit_is_one_for_all(product: Product, clients: Clients) -> None:
    with admin_of(product) as admin:
        (model,) = (
            each for each in admin.get("/admin/api/v1/models").json()["data"] if each["alias"] == MODEL
        )
        path = f"/admin/api/v1/models/{model['id']}"
        limits = {"requests_per_second": 0.001, "burst_size": 5}
        assert admin.patch(path, json={"type": "standard", **limits}).status_code == 200
        statuses = Counter(clients.call(product.key))
        # One after the other, nobody decides at the same moment as another: the bound of decision 0021 is exact.
        assert statuses == {200: 5, 429: CLIENTS - 5}
        kill_worker(product, "worker-1")
        with ExitStack() as stack:
            assert set(Clients(product, CLIENTS, stack).call(product.key)) == {429}
        freed = admin.patch(path, json={"type": "standard", **dict.fromkeys(limits)})
        assert freed.status_code == 200


def test_one_page_of_metrics_for_all(product: Product, clients: Clients) -> None:
    before = metric(product, "dwctl_gateway_calls_total")
    clients.call(product.key)
    pages = clients.get(product.key, "/internal/metrics")
    name = b'dwctl_gateway_calls_total{model="fake-model",path="/v1/chat/completions",status="2xx"} '
    told = {
        float(line.removeprefix(name))
        for _, page in pages
        for line in page.splitlines()
        if line.startswith(name)
    }
    assert told == {before + CLIENTS}
    assert metric(product, "dwctl_connections ") >= CLIENTS


@pytest.mark.long
def test_a_worker_that_is_killed(product: Product, home: Path, upstream: UpstreamThread) -> None:
    with ExitStack() as stack:
        answered = Clients(product, CLIENTS, stack).post(product.key)
    counted = metric(product, "dwctl_gateway_calls_total")
    again = product.output.count(AGAIN)
    kill_worker(product, "worker-1")
    with ExitStack() as stack:
        clients = Clients(product, 3, stack)
        # What it had answered is not lost, and can be read at once.
        for status, ident in answered:
            assert status == 200
            assert {status for status, _ in clients.get(product.key, f"/ai/v1/responses/{ident}")} == {200}
    until(lambda: product.output.count(AGAIN) > again, AGAIN)
    # A sum that falls would be taken for a restart of everything.
    assert metric(product, "dwctl_gateway_calls_total") >= counted
    until(lambda: len(list((home / "spool").iterdir())) == 3, "its spool is taken over")
    with ExitStack() as stack:
        assert Clients(product, CLIENTS, stack).call(product.key) == [200] * CLIENTS


@pytest.mark.long
def test_a_worker_that_is_just_starting_leaves_nothing_when_it_stops(product: Product, home: Path) -> None:
    kill_worker(product, "worker-1")
    spools = set((home / "spool").iterdir())
    until(lambda: not set((home / "spool").iterdir()) <= spools, "the next worker 1 has a spool")
    (fresh,) = set((home / "spool").iterdir()) - spools
    product.stop()
    assert not fresh.exists()


@pytest.mark.long
def test_streams_of_all_are_finished_when_it_stops(
    product: Product, home: Path, upstream: UpstreamThread
) -> None:
    upstream.push(*[slow_stream(0.03)] * 6)
    texts: list[str] = []

    def read() -> None:
        with openai.OpenAI(base_url=product.base_url, api_key=product.key, max_retries=0) as client:
            stream = client.chat.completions.create(
                model=MODEL, messages=[{"role": "user", "content": "Count"}], stream=True
            )
            texts.append("".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices))

    seen = len(upstream.posts)
    readers = [threading.Thread(target=read) for _ in range(6)]
    for reader in readers:
        reader.start()
    upstream.wait_until(lambda: len(upstream.posts) == seen + 6, "all streams have begun")
    product.stop()
    for reader in readers:
        reader.join()
    assert texts == ["".join(WORDS)] * 6
    assert processes_on(home) == []
    assert list((home / "spool").iterdir()) == []
    assert list((home / "workers").iterdir()) == []


@pytest.mark.long
def test_they_end_with_the_first(product: Product, home: Path, upstream: UpstreamThread) -> None:
    assert len(workers_of(product)) == 2
    product.kill()
    until(lambda: processes_on(home) == [], "nothing of it runs any more")
    product.start()
    assert len(list((home / "workers").iterdir())) == 1


@pytest.mark.long
def test_a_second_signal_ends_all_at_once(product: Product, home: Path, upstream: UpstreamThread) -> None:
    upstream.push(Answer((Pause(60),)))
    seen = len(upstream.posts)
    call = threading.Thread(target=lose, args=(product,), daemon=True)
    call.start()
    upstream.wait_until(lambda: len(upstream.posts) > seen, "the call is under way")
    os.kill(product.pid, signal.SIGTERM)
    product.wait_for("stopping: requests under way are finished")
    os.kill(product.pid, signal.SIGTERM)
    assert product.wait_for_end() == 130
    call.join()
    until(lambda: processes_on(home) == [], "nothing of it runs any more")


def lose(product: Product) -> None:
    """A call whose connection is cut."""
    with pytest.raises(httpx.HTTPError):
        httpx.post(
            f"{product.base_url}/chat/completions",
            json={"model": MODEL, "messages": []},
            headers={"authorization": f"Bearer {product.key}"},
            timeout=60,
            trust_env=False,
        )


@pytest.mark.long
def test_a_port_that_is_taken_is_said_once(
    product: Product, data_dir: Path, upstream: UpstreamThread
) -> None:
    port = product.address.rpartition(":")[2]
    told = dwctl("serve", "--workers", "2", "--port", port, "--data-dir", data_dir, directory=data_dir)
    assert told.status == 1
    assert told.errors.count("is taken by another program") == 1
    assert processes_on(data_dir) == []


@pytest.mark.parametrize("count", ["0", "257", "-1"])
def test_a_number_of_workers_that_is_none(data_dir: Path, count: str) -> None:
    told = dwctl("serve", "--workers", count, "--data-dir", data_dir, directory=data_dir)
    assert (told.status, "workers: expected a number from 1 to 256" in told.errors) == (1, True)
