"""Single responses in several processes: whoever is asked, the one that runs the call ends it."""

import shutil
import tempfile
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.contract.adapter import set_adapter
from tests.fakes.answers import Answer, Hang
from tests.fakes.incoming import Request
from tests.fakes.model import MODEL, ModelServer
from tests.fakes.upstream import UpstreamThread, upstream_in_thread
from tests.server_process import Product
from tests.waiting import until
from tests.workers.crew import kill_worker

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("workers")]

CALLS = 12
SETTINGS = """
background_services:
  batch_daemon:
    default_model_concurrency: 100
    adaptive:
      enabled: false
"""


def respond(request: Request) -> Answer:
    """Questions that begin with `wait` are never answered."""
    if request.method == "POST" and b'"input":"wait' in request.body:
        return Answer((Hang(),))
    return ModelServer()(request)


@pytest.fixture(scope="module")
def upstream() -> Iterator[UpstreamThread]:
    """The model server."""
    with upstream_in_thread(respond) as running:
        yield running


@pytest.fixture(scope="module")
def product(open_directory: Path, upstream: UpstreamThread) -> Iterator[Product]:
    """Three workers."""
    home = Path(tempfile.mkdtemp(dir=open_directory))
    home.chmod(0o755)
    settings = home / "dwctl.yaml"
    settings.write_text(SETTINGS)
    running = Product(home, upstream=upstream.url, arguments=("-f", str(settings), "--workers", "3"))
    running.start()
    set_adapter(running, False)
    yield running
    running.close()
    shutil.rmtree(home, ignore_errors=True)


def ask(product: Product, method: str, path: str, **more: Any) -> dict[str, Any]:
    """One request on a connection of its own, to whichever worker gets it."""
    headers = {"authorization": f"Bearer {product.key}"} | more.pop("headers", {})
    answer = httpx.request(
        method, f"{product.base_url}{path}", headers=headers, trust_env=False, timeout=20, **more
    )
    assert answer.status_code < 300, answer.text
    found: dict[str, Any] = answer.json()
    return found


def begin(product: Product, text: str) -> str:
    body = {"model": MODEL, "input": text, "background": True}
    return str(ask(product, "POST", "/responses", json=body)["id"])


def left(upstream: UpstreamThread, text: str) -> int:
    """Questions whose asker has gone."""
    return sum(text.encode() in request.body and request.left_early for request in upstream.posts)


def test_any_worker_cancels_what_any_other_runs(product: Product, upstream: UpstreamThread) -> None:
    text = f"wait {uuid.uuid4()}"
    names = [begin(product, text) for _ in range(CALLS)]
    upstream.wait_until(lambda: len(upstream.posts) >= CALLS, "all are run")
    for name in names:
        assert ask(product, "POST", f"/responses/{name}/cancel")["status"] == "cancelled"
        assert ask(product, "GET", f"/responses/{name}")["status"] == "cancelled"
    upstream.wait_until(lambda: left(upstream, text) == CALLS, "the model server works for nobody")


def test_any_worker_deletes_what_any_other_runs(product: Product, upstream: UpstreamThread) -> None:
    text = f"wait {uuid.uuid4()}"
    names = [begin(product, text) for _ in range(CALLS)]
    upstream.wait_until(lambda: sum(text.encode() in post.body for post in upstream.posts) == CALLS, "run")
    for name in names:
        assert ask(product, "DELETE", f"/responses/{name}")["deleted"]
    upstream.wait_until(lambda: left(upstream, text) == CALLS, "the model server works for nobody")


def test_a_key_makes_one_call_in_all_workers(product: Product, upstream: UpstreamThread) -> None:
    text = f"quick {uuid.uuid4()}"
    body = {"model": MODEL, "input": text, "service_tier": "flex"}

    def call(_: int) -> str:
        headers = {"idempotency-key": text}
        return str(ask(product, "POST", "/responses", json=body, headers=headers)["id"])

    with ThreadPoolExecutor(24) as threads:
        assert len(set(threads.map(call, range(24)))) == 1
    assert sum(text.encode() in post.body for post in upstream.posts) == 1


def test_a_cancelled_call_whose_worker_dies_is_not_run_again(
    product: Product, upstream: UpstreamThread
) -> None:
    text = f"wait {uuid.uuid4()}"
    names = [begin(product, text) for _ in range(CALLS)]
    upstream.wait_until(lambda: sum(text.encode() in post.body for post in upstream.posts) == CALLS, "run")
    with ThreadPoolExecutor(CALLS + 1) as threads:
        killing = threads.submit(kill_worker, product, "worker-1")
        cancelled = list(threads.map(lambda name: cancelled_by_somebody(product, name), names))
        killing.result()
    assert all(cancelled)
    until(
        lambda: all(ask(product, "GET", f"/responses/{name}")["status"] == "cancelled" for name in names),
        "all are cancelled",
    )


def cancelled_by_somebody(product: Product, name: str) -> bool:
    """Ask until a worker has answered: the one that is asked may die of it."""
    for _ in range(20):
        try:
            ask(product, "POST", f"/responses/{name}/cancel")
        except httpx.TransportError:
            continue
        return True
    return False
