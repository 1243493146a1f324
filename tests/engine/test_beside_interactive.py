"""A batch that could fill a model server twice, beside people who call the same model, through the real server.

How long these people wait is measured by `benchmarks/durable/beside.py`.
"""

import asyncio
import heapq
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
import pytest

from dwctl.requests.record import State
from tests.chaos.test_batches import database_of
from tests.engine.works import Works
from tests.fakes import shapes
from tests.fakes.answers import Answer, Pause, frames, json_reply, stream_reply
from tests.fakes.incoming import Request
from tests.fakes.model import MODEL, ModelServer
from tests.fakes.upstream import upstream_in_thread
from tests.gateway.house import CHAT, chat, model, target
from tests.server_process import Product

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("chaos")]

SLOTS = 16
CONCURRENCY = 32
LINES = 20_000
PREFILL = 0.2
DECODE = 0.8
LINE = 1.0
EVERY = 0.3
"""Between two interactive calls: about three are under way."""
CALM = 30
"""Calls of each kind in a row that found a free slot: the limit is found."""
QUIET = 10.0
LEARN = 20
DEADLINE = 300.0
"""For what happens within half a minute where nothing else runs."""
SETTINGS = f"""
background_services:
  batch_daemon:
    default_model_concurrency: {CONCURRENCY}
    adaptive:
      learn: {LEARN}
      quiet: {QUIET}
"""


class Slots:
    """A model server that works at so many calls at a time; the others wait in the order in which they came."""

    def __init__(self) -> None:
        self._free = [0.0] * SLOTS
        self._ends: list[float] = []
        self._lock = threading.Lock()
        self._listed = ModelServer()
        self._calm: Counter[bool] = Counter()
        self.seen: Counter[str] = Counter()
        """Lines by their names."""

    def __call__(self, request: Request) -> Answer:
        if request.method != "POST":
            return self._listed(request)
        asked = request.json()
        streams = bool(asked.get("stream"))
        takes = PREFILL + DECODE if streams else LINE
        now = time.monotonic()
        with self._lock:
            begins = max(now, heapq.heappop(self._free))
            heapq.heappush(self._free, begins + takes)
            if begins > now:
                self._calm.clear()
            self._calm[streams] += 1
            if not streams:
                self._ends.append(begins + takes)
                self.seen[asked["user"]] += 1
        if not streams:
            reply = json_reply(shapes.chat_completion(MODEL, "Hello.", prompt=9, completion=5))
            return reply.delayed(begins + takes - now)
        first, *others = frames(shapes.chat_chunks(MODEL, ["Hel", "lo."]))
        steps = stream_reply([first, b"".join(others)]).steps
        return Answer((*steps[:1], Pause(begins + PREFILL - now), steps[1], Pause(DECODE), *steps[2:]))

    @property
    def lines(self) -> int:
        """Lines of batches that are here."""
        now = time.monotonic()
        with self._lock:
            self._ends = [end for end in self._ends if end > now]
            return len(self._ends)

    @property
    def full(self) -> bool:
        """Whether the last call had to wait."""
        with self._lock:
            return min(self._free) > time.monotonic()

    @property
    def calm(self) -> bool:
        """Whether calls of both kinds have been coming for a while, and none had to wait."""
        with self._lock:
            return min(self._calm[True], self._calm[False]) >= CALM


class Talking:
    """Interactive calls at an even pace while the block lasts; each must be answered."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._ends = asyncio.Event()
        self._tasks = asyncio.TaskGroup()

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        self._tasks.create_task(self._go_on())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ends.set()
        await self._tasks.__aexit__(kind, error, trace)

    async def _go_on(self) -> None:
        while not self._ends.is_set():
            self._tasks.create_task(self._call())
            with suppress(TimeoutError):
                async with asyncio.timeout(EVERY):
                    await self._ends.wait()

    async def _call(self) -> None:
        answer = await self._client.post(CHAT, json=chat(MODEL, stream=True))
        assert answer.status_code == 200
        assert "data: [DONE]" in answer.text


async def test_it_yields_and_takes_back(data_dir: Path) -> None:
    settings = data_dir / "dwctl.yaml"
    settings.write_text(SETTINGS)
    server = Slots()
    with upstream_in_thread(server) as upstream:
        product = Product(data_dir, upstream=upstream.url, arguments=("-f", str(settings)))
        await asyncio.to_thread(product.start)
        headers = {"authorization": f"Bearer {product.key}"}
        try:
            async with (
                database_of(data_dir) as database,
                httpx.AsyncClient(base_url=product.address, headers=headers, timeout=60) as client,
            ):
                works = Works(database, model(MODEL, target(upstream.url)))
                batch_id = await works.batch(await works.account(), LINES)
                await works.until(
                    lambda: server.lines >= CONCURRENCY, "the batch has all it may have", DEADLINE
                )
                async with Talking(client):
                    await works.until(lambda: server.lines <= SLOTS // 2, "the batch yields", DEADLINE)
                    # Where its limit lies is found by going too far.
                    await works.until(lambda: server.full, "the batch goes on beside the calls", DEADLINE)
                    await works.until(lambda: server.calm, "no call has to wait for the batch", DEADLINE)
                await works.until(
                    lambda: server.lines >= CONCURRENCY - 2, "the batch takes its room back", DEADLINE
                )
                await works.cancel(batch_id)
                row = await works.ended(batch_id)
                ended = {
                    f"{batch_id}/{line['line']}"
                    for line in await works.requests(batch_id)
                    if line["state"] == State.COMPLETED
                }
        finally:
            await asyncio.to_thread(product.close)
    assert (row["failed"], row["completed"] + row["canceled"]) == (0, LINES)
    assert len(ended) == row["completed"]
    assert set(server.seen.values()) == {1}
    assert ended <= server.seen.keys()
