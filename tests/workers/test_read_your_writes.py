"""Whoever has an answer finds its row at once, at whichever worker he asks: ten thousand times of ten thousand.

Pairs of connections that stay open, each to another worker: one has the answer, the other one asks for it.
"""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count, cycle
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest

from tests.chaos.test_batches import database_of
from tests.contract.adapter import set_adapter
from tests.fakes.model import MODEL
from tests.fakes.upstream import UpstreamThread, upstream_in_thread
from tests.server_process import Product

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("workers")]

TIMES = 10_000
PAIRS = 8
LINES = 1000
"""Of a batch, among those."""
TEXT = "Hello from the fake model."
HEADER = "x-onwards-response-id"
CHAT = "/chat/completions"
RESPONSES = "/responses"
MODES: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": (CHAT, {}),
    "streamed chat": (CHAT, {"stream": True}),
    "response": (RESPONSES, {}),
    "streamed response": (RESPONSES, {"stream": True}),
    "background": (RESPONSES, {"background": True}),
    "streamed background": (RESPONSES, {"background": True, "stream": True}),
    "flex": (RESPONSES, {"service_tier": "flex"}),
    "flex in the background": (RESPONSES, {"service_tier": "flex", "background": True}),
    "continued": (RESPONSES, {}),
}
ACCEPTED = {"background", "flex in the background"}
"""Whose answer is not the end of the call."""


@pytest.fixture(scope="module")
def upstream() -> Iterator[UpstreamThread]:
    """The model server."""
    with upstream_in_thread() as running:
        yield running


class Pair:
    """Two connections that stay open, to two workers."""

    def __init__(self, product: Product, stack: AsyncExitStack) -> None:
        self._product = product
        self._stack = stack
        self.lines: list[httpx.AsyncClient] = []
        self.made: tuple[list[str], list[str]] = ([], [])
        """Calls that were run at once, by connection."""
        self.found: Counter[str] = Counter()

    async def open(self) -> None:
        """Connect both, one after the other."""
        for _ in range(2):
            line = httpx.AsyncClient(
                base_url=self._product.base_url,
                headers={"authorization": f"Bearer {self._product.key}"},
                limits=httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=None),
                timeout=60,
                trust_env=False,
            )
            self.lines.append(await self._stack.enter_async_context(line))
            (await line.get("/models")).raise_for_status()

    async def once(self, mode: str, turn: int) -> None:
        """A call at one of them; the other one knows it."""
        at = turn % 2
        path, fields = MODES[mode]
        if mode == "continued":
            # From the last one that the other connection has had.
            last = self.made[1 - at][-1:]
            fields = {"previous_response_id": last[0]} if last else {}
        question = f"{mode} {turn}"
        said = {"messages": [{"role": "user", "content": question}]} if path == CHAT else {"input": question}
        answer = await self.lines[at].post(path, json={"model": MODEL, **said, **fields})
        assert answer.status_code == (202 if mode in ACCEPTED else 200), f"{mode}: {answer.text}"
        name = answer.headers[HEADER]
        assert name in answer.text, f"{mode}: the answer does not say its id"
        if mode in ("response", "streamed response", "continued"):
            self.made[at].append(name)
        await self.look(1 - at, name, mode, accepted=mode in ACCEPTED)

    async def look(self, at: int, name: str, mode: str, *, accepted: bool = False) -> None:
        """Ask one of them for a call."""
        answer = await self.lines[at].get(f"/responses/{name}")
        assert answer.status_code == 200, f"{mode}: {answer.text}"
        found = msgspec.json.decode(answer.content)
        assert found["id"] == name
        if not accepted or found["status"] == "completed":
            assert found["status"] == "completed", f"{mode}: {found}"
            assert found["output"][-1]["content"][0]["text"] == TEXT
        self.found[mode] += 1


@asynccontextmanager
async def pairs(product: Product) -> AsyncIterator[list[Pair]]:
    """So many of them."""
    async with AsyncExitStack() as stack:
        made = [Pair(product, stack) for _ in range(PAIRS)]
        for pair in made:
            await pair.open()
        yield made


async def batch(line: httpx.AsyncClient) -> list[str]:
    """The ids of a batch's lines, as its output names them."""
    body = {"model": MODEL, "messages": [{"role": "user", "content": "x"}]}
    wanted = [
        {"custom_id": f"line-{n}", "method": "POST", "url": "/v1/chat/completions", "body": body}
        for n in range(LINES)
    ]
    text = b"\n".join(msgspec.json.encode(each) for each in wanted)
    file = await line.post("/files", data={"purpose": "batch"}, files={"file": ("in.jsonl", text)})
    fields = {
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
        "input_file_id": file.json()["id"],
    }
    made = (await line.post("/batches", json=fields)).json()
    while made["status"] not in ("completed", "failed"):
        made = (await line.get(f"/batches/{made['id']}")).json()
    assert made["request_counts"] == {"total": LINES, "completed": LINES, "failed": 0}
    output = await line.get(f"/files/{made['output_file_id']}/content")
    lines = [msgspec.json.decode(each) for each in output.content.splitlines()]
    return [each["response"]["body"]["id"] for each in lines]


async def test_whoever_has_an_answer_finds_its_row(data_dir: Path, upstream: UpstreamThread) -> None:
    product = Product(data_dir, upstream=upstream.url, arguments=["--workers", "2"])
    product.start()
    set_adapter(product, False)
    try:
        began = time.monotonic()
        async with pairs(product) as made:
            turns = iter(zip(range(TIMES - LINES), cycle(MODES), strict=False))

            async def go(pair: Pair) -> None:
                for mine in count():
                    following = next(turns, None)
                    if following is None:
                        return
                    await pair.once(following[1], mine)

            async def look(pair: Pair, names: Iterator[str]) -> None:
                for mine, name in enumerate(names):
                    await pair.look(mine % 2, name, "batch")

            async with asyncio.TaskGroup() as tasks:
                for pair in made:
                    tasks.create_task(go(pair))
            names = iter(await batch(made[0].lines[0]))
            async with asyncio.TaskGroup() as tasks:
                for pair in made:
                    tasks.create_task(look(pair, names))
            found = sum((pair.found for pair in made), Counter[str]())
            sys.stdout.write(f"{found}, {time.monotonic() - began:.0f} s\n")
            assert found.total() == TIMES
            assert set(found) == {*MODES, "batch"}
            await _each_pair_has_two_workers(data_dir, made)
    finally:
        product.close()


async def _each_pair_has_two_workers(home: Path, made: list[Pair]) -> None:
    async with database_of(home) as database:
        rows = await database.fetch("select id, daemon_id from requests where daemon_id is not null")
    workers = {f"resp_{row['id']}": row["daemon_id"] for row in rows}
    for pair in made:
        seen: list[set[UUID]] = [{workers[name] for name in names} for names in pair.made]
        assert [len(each) for each in seen] == [1, 1]
        assert seen[0] != seen[1]
