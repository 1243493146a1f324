"""A product with several workers, as its clients and its administrator see it."""

import http.client
import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import httpx
import msgspec

from dwctl.db.embedded import EmbeddedPostgres
from tests.fakes.model import MODEL
from tests.server_process import Product
from tests.waiting import until

HELLO = msgspec.json.encode({"model": MODEL, "messages": [{"role": "user", "content": "Hello"}]})


def workers_of(product: Product) -> dict[str, int]:
    """Process ids of the other workers by their name, such as `worker-1`."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        named = [word.decode() for word in words if word.startswith(b"worker-")]
        if parent == product.pid and named:
            found[named[0]] = int(folder.name)
    return found


def kill_worker(product: Product, name: str) -> None:
    """SIGKILL to one of the other workers, and wait until another has taken its place."""
    before = workers_of(product)[name]
    os.kill(before, signal.SIGKILL)
    until(lambda: workers_of(product).get(name, before) != before, f"another {name} is started")


class Clients:
    """Connections that stay open; each belongs to one worker for as long as it lives."""

    def __init__(self, product: Product, count: int, stack: ExitStack) -> None:
        place = urlsplit(product.address)
        self._connections = [
            stack.enter_context(
                closing(http.client.HTTPConnection(place.hostname or "", place.port, timeout=20))
            )
            for _ in range(count)
        ]
        for connection in self._connections:
            connection.connect()

    def call(self, key: str) -> list[int]:
        """The status of one call on each."""
        return [answer[0] for answer in self.post(key)]

    def post(self, key: str) -> list[tuple[int, str]]:
        """Status and response id of one call on each."""
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        answers = []
        for connection in self._connections:
            connection.request("POST", "/ai/v1/chat/completions", HELLO, headers)
            answer = connection.getresponse()
            answer.read()
            answers.append((answer.status, answer.headers.get("x-onwards-response-id", "")))
        return answers

    def get(self, key: str, path: str) -> list[tuple[int, bytes]]:
        """Status and body of one request on each."""
        answers = []
        for connection in self._connections:
            connection.request("GET", path, headers={"authorization": f"Bearer {key}"})
            answer = connection.getresponse()
            answers.append((answer.status, answer.read()))
        return answers


async def calls_by_worker(home: Path, at_least: int) -> Counter[UUID]:
    """How many calls each process has recorded, once there are so many."""
    dsn = EmbeddedPostgres(home).running_dsn()
    assert dsn is not None
    connection = await asyncpg.connect(dsn)
    try:
        while True:
            rows = await connection.fetch("select daemon_id, count(*) as calls from requests group by 1")
            counts = Counter({row["daemon_id"]: row["calls"] for row in rows})
            if counts.total() >= at_least:
                return counts
    finally:
        await connection.close()


@contextmanager
def admin_of(product: Product) -> Iterator[httpx.Client]:
    """A session of the administrator's."""
    with httpx.Client(base_url=product.address, trust_env=False, timeout=20) as client:
        signed_in = client.post(
            "/authentication/login", json={"email": product.admin_email, "password": product.admin_password}
        )
        assert signed_in.status_code == 200, signed_in.text
        yield client
