"""Whoever answered a call, any worker goes on from it at once; a kill loses nothing that was answered."""

import http.client
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import msgspec
import pytest

from dwctl.db.embedded import EmbeddedPostgres
from tests.contract.adapter import set_adapter
from tests.contract.test_context import TEXT, hanging, texts
from tests.fakes.model import MODEL
from tests.fakes.upstream import UpstreamThread, upstream_in_thread
from tests.server_process import Product
from tests.waiting import until
from tests.workers.crew import kill_worker

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("workers")]
TURNS = 200


@pytest.fixture(scope="module")
def shared() -> Iterator[UpstreamThread]:
    """The model server."""
    with upstream_in_thread() as running:
        yield running


@pytest.fixture
def upstream(shared: UpstreamThread) -> UpstreamThread:
    """The same with nothing behind it."""
    shared.forget()
    return shared


@pytest.fixture(scope="module")
def home(open_directory: Path) -> Iterator[Path]:
    """The data directory."""
    path = Path(tempfile.mkdtemp(dir=open_directory))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="module")
def product(home: Path, shared: UpstreamThread) -> Iterator[Product]:
    """Two workers."""
    made = Product(home, upstream=shared.url, arguments=["--workers", "2"])
    made.start()
    set_adapter(made, False)
    yield made
    made.end()


class Line:
    """A connection that stays open, and so belongs to one worker."""

    def __init__(self, product: Product, stack: ExitStack) -> None:
        place = urlsplit(product.address)
        made = http.client.HTTPConnection(place.hostname or "", place.port, timeout=20)
        self._connection = stack.enter_context(closing(made))
        self._headers = {"authorization": f"Bearer {product.key}", "content-type": "application/json"}
        made.connect()

    def ask(self, path: str = "/ai/v1/responses", **body: Any) -> tuple[int, dict[str, Any]]:
        """One call."""
        given = {"model": MODEL, **body} if path.endswith("responses") else body
        self._connection.request("POST", path, msgspec.json.encode(given), self._headers)
        answer = self._connection.getresponse()
        return answer.status, msgspec.json.decode(answer.read())

    def begin(self, **body: Any) -> None:
        """One call whose answer nobody reads."""
        given = msgspec.json.encode({"model": MODEL, **body})
        self._connection.request("POST", "/ai/v1/responses", given, self._headers)

    def get(self, path: str) -> dict[str, Any]:
        """What is there."""
        self._connection.request("GET", path, headers=self._headers)
        found: dict[str, Any] = msgspec.json.decode(self._connection.getresponse().read())
        return found


async def workers_by_call(home: Path, names: list[str]) -> list[UUID]:
    """Which process ran each of these."""
    dsn = EmbeddedPostgres(home).running_dsn()
    assert dsn is not None
    connection = await asyncpg.connect(dsn)
    try:
        ids = [UUID(name.removeprefix("resp_")) for name in names]
        rows = await connection.fetch("select id, daemon_id from requests where id = any ($1)", ids)
        found = {row["id"]: row["daemon_id"] for row in rows}
        return [found[ident] for ident in ids]
    finally:
        await connection.close()


async def test_the_other_worker_goes_on_at_once(
    product: Product, home: Path, upstream: UpstreamThread
) -> None:
    names: list[str] = []
    with ExitStack() as stack:
        lines = [Line(product, stack) for _ in range(2)]
        for turn in range(TURNS):
            more = {"previous_response_id": names[-1]} if names else {}
            status, answer = lines[turn % 2].ask(input=f"turn {turn}", **more)
            assert status == 200, answer
            assert answer.get("previous_response_id") == (names[-1] if names else None)
            names.append(answer["id"])
        # Who is asked for a call of its own has its row written first.
        for turn, name in enumerate(names[-2:], start=TURNS - 2):
            assert lines[turn % 2].get(f"/ai/v1/responses/{name}")["id"] == name
    said = [text for turn in range(TURNS) for text in (f"turn {turn}", TEXT)]
    for turn, post in enumerate(upstream.posts):
        assert [text for _, text in texts(items(post.json()["input"]))] == said[: 2 * turn + 1]
    by = await workers_by_call(home, names)
    assert len(set(by)) == 2
    assert all(one != other for one, other in pairwise(by))


def items(given: Any) -> list[dict[str, Any]]:
    """An input as items."""
    return [{"role": "user", "content": given}] if isinstance(given, str) else given


def test_a_conversation_is_one_for_all_workers(product: Product, upstream: UpstreamThread) -> None:
    with ExitStack() as stack:
        lines = [Line(product, stack) for _ in range(2)]
        _, made = lines[0].ask("/ai/v1/conversations")
        for turn in range(40):
            status, answer = lines[turn % 2].ask(input=f"turn {turn}", conversation=made["id"])
            assert status == 200, answer
            assert len(upstream.posts[turn].json()["input"]) == 2 * turn + 1


def test_a_killed_worker_loses_nothing_that_was_answered(product: Product, upstream: UpstreamThread) -> None:
    with ExitStack() as stack:
        lines = [Line(product, stack) for _ in range(8)]
        _, made = lines[0].ask("/ai/v1/conversations")
        answers = [line.ask(input="one")[1]["id"] for line in lines]
        assert lines[0].ask(input="one", conversation=made["id"])[0] == 200
    kill_worker(product, "worker-1")
    with ExitStack() as stack:
        line = Line(product, stack)
        for name in answers:
            status, answer = line.ask(input="two", previous_response_id=name)
            assert status == 200, answer
        status, answer = line.ask(input="two", conversation=made["id"])
        assert status == 200, answer
        assert len(upstream.posts[-1].json()["input"]) == 3


def test_a_start_after_a_kill_goes_on_from_what_was_answered(
    product: Product, upstream: UpstreamThread
) -> None:
    with ExitStack() as stack:
        line = Line(product, stack)
        _, made = line.ask("/ai/v1/conversations")
        names = [line.ask(input="one")[1]["id"] for _ in range(20)]
        assert line.ask(input="one", conversation=made["id"])[0] == 200
        # One more is under way in the conversation when everything ends.
        upstream.push(hanging())
        before = len(upstream.posts)
        line.begin(input="lost", conversation=made["id"], stream=True)
        until(lambda: len(upstream.posts) > before, "the call is under way")
        os.kill(product.pid, signal.SIGKILL)
    product.kill()
    product.start_again()
    with ExitStack() as stack:
        line = Line(product, stack)
        for name in names:
            status, answer = line.ask(input="two", previous_response_id=name)
            assert status == 200, answer

        def answered() -> bool:
            return line.ask(input="two", conversation=made["id"])[0] == 200

        until(answered, "the call that was lost has its end")
        assert [text for _, text in texts(upstream.posts[-1].json()["input"])] == ["one", TEXT, "two"]
        listed = line.get(f"/ai/v1/conversations/{made['id']}/items?order=asc")
        assert [text for _, text in texts(listed["data"])] == ["one", TEXT, "two", TEXT]
