"""Background streams when processes and the database die: what was shown stands, and every reader gets its end."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.contract.adapter import set_adapter
from tests.contract.test_external_database import external
from tests.fakes.answers import Answer, Hang, Pause, frames, stream_reply
from tests.fakes.model import MODEL
from tests.fakes.shapes import response_events
from tests.fakes.upstream import upstream_in_thread
from tests.server_process import Product

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("chaos")]

WORDS = [f"word{number} " for number in range(12)]
SAID = frames(response_events(MODEL, WORDS), named=True)
READY = "is ready: a worker, without a port"
SOME = 7
"""So many of the model server's events come before it hangs; of `response.created` nothing is shown."""


@pytest.fixture
def home(open_directory: Path) -> Iterator[Path]:
    """A data directory for one test."""
    made = Path(tempfile.mkdtemp(dir=open_directory))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


def until_event(count: int, *last: Hang | Pause) -> Answer:
    """So many events, and then something else."""
    steps = stream_reply(SAID).steps
    return Answer((*steps[: 1 + count], *last))


@contextmanager
def client_of(product: Product) -> Iterator[httpx.Client]:
    """A client with the key."""
    headers = {"Authorization": f"Bearer {product.key}"}
    with httpx.Client(base_url=product.base_url, headers=headers, timeout=40, trust_env=False) as made:
        yield made


def events_in(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    """The data of each event but `[DONE]`, and of a stream that is cut those that came before."""
    try:
        for line in lines:
            if line.startswith("data: {"):
                yield json.loads(line.removeprefix("data: "))
    except httpx.TransportError:
        return


class Watch:
    """A client that has begun a stream and reads it."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self.seen: list[dict[str, Any]] = []

    def begin(self, count: int) -> str:
        """Create the call and read so many events; its id."""
        body = {"model": MODEL, "input": "x", "background": True, "stream": True}
        with self._client.stream("POST", "/responses", json=body) as answer:
            assert answer.status_code == 200, answer.read()
            for event in events_in(answer.iter_lines()):
                self.seen.append(event)
                if len(self.seen) == count:
                    break
        name = self.seen[0]["response"]["id"]
        assert isinstance(name, str)
        return name

    def resume(self, client: httpx.Client, name: str) -> None:
        """Read what comes behind the last event, to the end."""
        query = {"stream": "true", "starting_after": str(self.seen[-1]["sequence_number"])}
        with client.stream("GET", f"/responses/{name}", params=query) as answer:
            assert answer.status_code == 200, answer.read()
            self.seen += events_in(answer.iter_lines())

    def said(self) -> str:
        """All deltas; nothing is missed or repeated."""
        assert [event["sequence_number"] for event in self.seen] == list(range(len(self.seen)))
        return "".join(event["delta"] for event in self.seen if event["type"] == "response.output_text.delta")


def test_killed_before_anything_was_shown_it_runs_again(home: Path) -> None:
    with upstream_in_thread() as upstream:
        product = Product(home, upstream=upstream.url)
        product.start()
        set_adapter(product, False)
        upstream.push(until_event(1, Hang()), stream_reply(SAID))
        with client_of(product) as client:
            watch = Watch(client)
            name = watch.begin(2)
            upstream.wait_until(lambda: len(upstream.posts) == 1, "it is run")
            product.kill()
        product.start()
        try:
            with client_of(product) as client:
                watch.resume(client, name)
            assert watch.said() == "".join(WORDS)
            assert watch.seen[-1]["type"] == "response.completed"
            assert len(upstream.posts) == 2
        finally:
            product.close()


def test_killed_after_something_was_shown_it_ends_as_failed(home: Path) -> None:
    with upstream_in_thread() as upstream:
        product = Product(home, upstream=upstream.url)
        product.start()
        set_adapter(product, False)
        upstream.push(until_event(SOME, Hang()), stream_reply(SAID))
        with client_of(product) as client:
            watch = Watch(client)
            name = watch.begin(SOME + 1)
            product.kill()
        product.start()
        try:
            with client_of(product) as client:
                watch.resume(client, name)
                stored = client.get(f"/responses/{name}").json()
            assert watch.said() == "".join(WORDS[: SOME - 4])
            assert watch.seen[-1]["type"] == "response.failed"
            assert watch.seen[-1]["response"] == stored
            assert stored["error"]["code"] == "server_error"
            assert len(upstream.posts) == 1
        finally:
            product.close()


def test_another_worker_ends_what_a_killed_one_has_shown(home: Path) -> None:
    """The client of a gateway that runs nothing itself reads on, and is told the end by whoever finds the dead one."""
    with upstream_in_thread() as upstream:
        gateway = Product(home, upstream=upstream.url, arguments=("--role", "gateway", "--workers", "2"))
        gateway.start()
        set_adapter(gateway, False)
        first, second = (Product(home, arguments=("--role", "worker", "--join")) for _ in range(2))
        upstream.push(until_event(SOME, Hang()))
        body = {"model": MODEL, "input": "x", "background": True, "stream": True}
        try:
            first.begin()
            first.wait_for(READY)
            with client_of(gateway) as client:
                watch = Watch(client)
                with client.stream("POST", "/responses", json=body) as answer:
                    for event in events_in(answer.iter_lines()):
                        watch.seen.append(event)
                        if len(watch.seen) == SOME + 1:
                            first.kill()
                            second.begin()
                assert watch.said() == "".join(WORDS[: SOME - 4])
                assert watch.seen[-1]["type"] == "response.failed"
                name = watch.seen[0]["response"]["id"]
                # Other connections, and so each process of the gateway.
                for _ in range(4):
                    with client_of(gateway) as other:
                        again = Watch(other)
                        again.seen = watch.seen[:3]
                        again.resume(other, name)
                    assert again.seen == watch.seen
        finally:
            second.close()
            gateway.close()


def test_the_database_goes_and_comes_back_while_it_streams(home: Path) -> None:
    with upstream_in_thread() as upstream, external(home / "database") as server:
        data = home / "data"
        data.mkdir()
        product = Product(data, upstream=upstream.url, environment={"DATABASE_URL": server.url})
        product.start()
        set_adapter(product, False)
        upstream.push(stream_reply(SAID, gap=0.3))
        try:
            with client_of(product) as client:
                watch = Watch(client)
                body = {"model": MODEL, "input": "x", "background": True, "stream": True}
                with client.stream("POST", "/responses", json=body) as answer:
                    for event in events_in(answer.iter_lines()):
                        watch.seen.append(event)
                        if len(watch.seen) == SOME:
                            server.stop()
                            server.start()
                assert watch.said() == "".join(WORDS)
                assert watch.seen[-1]["type"] == "response.completed"
                again = Watch(client)
                again.seen = watch.seen[:1]
                again.resume(client, watch.seen[0]["response"]["id"])
                assert again.seen == watch.seen
        finally:
            product.close()
