"""A batch that could fill a model server twice, beside people who call the same model, through the real server."""

import asyncio
import heapq
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
import pytest

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
PREFILL = 0.2
DECODE = 0.8
LINE = 1.0
EVERY = 0.3
"""Between two interactive calls: about three are under way."""
QUIET = 10.0
LEARN = 20
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

    def __call__(self, request: Request) -> Answer:
        if request.method != "POST":
            return self._listed(request)
        streams = bool(request.json().get("stream"))
        takes = PREFILL + DECODE if streams else LINE
        now = time.monotonic()
        with self._lock:
            begins = max(now, heapq.heappop(self._free))
            heapq.heappush(self._free, begins + takes)
            if not streams:
                self._ends.append(begins + takes)
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


class Talking:
    """Interactive calls at an even pace while the block lasts."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._ends = asyncio.Event()
        self._tasks = asyncio.TaskGroup()
        self.times: list[tuple[float, float]] = []
        """When a first token came, and seconds after its request."""

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
        began = time.monotonic()
        async with self._client.stream("POST", CHAT, json=chat(MODEL, stream=True)) as answer:
            assert answer.status_code == 200
            first = True
            async for _ in answer.aiter_bytes():
                if first:
                    now = time.monotonic()
                    self.times.append((now, now - began))
                first = False

    def p99(self, since: float) -> float:
        """The time to the first token, of those that came since then."""
        times = sorted(took for when, took in self.times if when >= since)
        return times[int(len(times) * 0.99)]


async def until(condition: Callable[[], bool], within: float, what: str) -> float:
    """Wait until it holds; gives how long it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < within, what
        await asyncio.sleep(0.05)
    return time.monotonic() - began


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
                async with Talking(client) as alone:
                    await until(lambda: len(alone.times) >= 40, 30, "forty calls were answered")
                usual = alone.p99(0.0)

                works = Works(database, model(MODEL, target(upstream.url)))
                batch_id = await works.batch(await works.account(), 20_000)
                await until(lambda: server.lines >= CONCURRENCY, 20, "the batch has all it may have")

                async with Talking(client) as beside:
                    yielded = await until(lambda: server.lines <= SLOTS // 2, 8, "the batch yields")
                    learned = await until(
                        lambda: server.lines >= SLOTS // 2, 90, "the batch goes on beside interactive calls"
                    )
                    # Where its limit lies is found once, by going too far.
                    await until(lambda: server.lines + 3 >= SLOTS, 60, "the batch goes too far")
                    await until(lambda: server.lines + 3 < SLOTS, 30, "the batch yields again")
                    since = time.monotonic()
                    lines = []
                    while time.monotonic() - since < 30:
                        lines.append(server.lines)
                        await asyncio.sleep(0.2)
                    p99 = beside.p99(since)
                back = await until(
                    lambda: server.lines >= CONCURRENCY - 2, QUIET + 60, "the batch takes its room back"
                )
                await works.cancel(batch_id)
        finally:
            await asyncio.to_thread(product.close)
    share = sum(lines) / len(lines)
    told = f"alone {usual:.3f} s, beside {p99:.3f} s, {share:.1f} lines; {yielded:.1f} {learned:.1f} {back:.1f} s"
    assert p99 <= 1.5 * usual, told
    assert share >= 0.3 * SLOTS, told
