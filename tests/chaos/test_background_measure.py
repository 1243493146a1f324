"""Many background streams at a time, read, resumed at random and polled, while the process is killed twice."""

import asyncio
import random
from collections import Counter
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any, Self
from urllib.parse import urlsplit

import msgspec
import pytest

from dwctl.requests.record import State
from tests.chaos.test_batches import database_of
from tests.contract.adapter import set_adapter
from tests.fakes.answers import Answer, frames, stream_reply
from tests.fakes.incoming import Request
from tests.fakes.model import MODEL, ModelServer
from tests.fakes.shapes import response_events
from tests.fakes.upstream import Respond, upstream_in_thread
from tests.server_process import Product

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("chaos")]

STREAMS = 300
SECONDS = 10.0
"""That one stream takes."""
WORDS = [f"word{number} " for number in range(30)]
DEADLINE = 240.0
LISTED = ModelServer()
_data = msgspec.json.Decoder(dict[str, Any]).decode


def slow_streams(seconds: float) -> Respond:
    """A model server that takes so long for every call."""
    said = stream_reply(frames(response_events(MODEL, WORDS), named=True), gap=seconds / len(WORDS))

    def respond(request: Request) -> Answer:
        return said if request.method == "POST" else LISTED(request)

    return respond


class House:
    """Where the product answers now, if it does."""

    def __init__(self, product: Product) -> None:
        self.product = product
        self.up = asyncio.Event()
        self.up.set()
        self.events = 0
        """That all clients have been shown."""
        self.closing = False
        """Whether no new calls are made."""
        self.counts: Counter[str] = Counter()

    async def ask(self, method: str, path: str, body: bytes = b"") -> "Answered":
        """Send a request on a connection of its own."""
        await self.up.wait()
        place = urlsplit(self.product.address)
        reader, writer = await asyncio.open_connection(place.hostname, place.port, limit=1 << 22)
        head = (
            f"{method} /ai/v1{path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {self.product.key}\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        writer.write(head.encode() + body)
        return Answered(reader, writer)

    async def kill_and_start(self) -> None:
        """SIGKILL, and a new process on the same directory."""
        self.up.clear()
        await asyncio.to_thread(self.product.kill)
        await asyncio.to_thread(self.product.start_again)
        self.up.set()


class Answered:
    """An answer that comes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.lines = reader
        self._writer = writer

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._writer.transport.abort()


class Call:
    """One call and its reader, which leaves after so many events, if at all, and comes back."""

    def __init__(self, house: House, leaves: list[int]) -> None:
        self._house = house
        self._leaves = leaves
        self.name: str | None = None
        self.seen: list[bytes] = []
        self.ended = False

    async def run(self) -> None:
        """Until the stream has ended."""
        while not self.ended:
            with suppress(OSError):
                await self._read()

    async def _read(self) -> None:
        house = self._house
        if self.name is None:
            fields = {"model": MODEL, "input": "x", "background": True, "stream": True}
            answered = await house.ask("POST", "/responses", msgspec.json.encode(fields))
        else:
            house.counts["resumed"] += 1
            query = f"stream=true&starting_after={len(self.seen) - 1}"
            answered = await house.ask("GET", f"/responses/{self.name}?{query}")
        async with answered:
            status = await answered.lines.readline()
            if not status.startswith(b"HTTP/1.1 200 "):
                # It ends, or has only just begun.
                house.counts[f"read: {status.decode().strip()}"] += 1
                return
            async for line in answered.lines:
                if line == b"data: [DONE]\n":
                    self.ended = True
                    return
                if line.startswith(b"data: {") and line.endswith(b"\n"):
                    self._take(line)
                    if self._leaves and len(self.seen) == self._leaves[-1]:
                        self._leaves.pop()
                        return

    def _take(self, line: bytes) -> None:
        event = _data(line[6:])
        assert event["sequence_number"] == len(self.seen), f"{self.name}: an event is missed or repeated"
        self.seen.append(line)
        self._house.events += 1
        if self.name is None:
            self.name = event["response"]["id"]

    async def replay(self) -> list[bytes]:
        """The whole log."""
        async with await self._house.ask("GET", f"/responses/{self.name}?stream=true") as answered:
            return [line async for line in answered.lines if line.startswith(b"data: {")]

    @property
    def end(self) -> str:
        """The type of its last event."""
        return str(_data(self.seen[-1][6:])["type"])


async def keep_calling(house: House, calls: list[Call], chance: random.Random) -> None:
    """One call after the other; one in ten readers leaves twice. The last one is whole, whatever it takes."""
    while True:
        leaves = [chance.randrange(1, len(WORDS)) for _ in range(2)] if chance.random() < 0.1 else []
        call = Call(house, sorted(leaves, reverse=True))
        calls.append(call)
        await call.run()
        if house.closing and call.end == "response.completed":
            return


async def poll(house: House, calls: list[Call]) -> None:
    """Ask how each of them stands, one after the other."""
    while True:
        for call in list(calls):
            if call.name is not None and not call.ended:
                with suppress(OSError):
                    async with await house.ask("GET", f"/responses/{call.name}") as answered:
                        status = await answered.lines.readline()
                        house.counts[f"polled: {status[9:12].decode()}"] += 1
        await asyncio.sleep(0)


async def measure(data_dir: Path, streams: int, seconds: float) -> dict[str, Any]:
    """So many streams at a time, each of so many seconds; what came of it."""
    environment = {"DWCTL_GATEWAY__UPSTREAM__MAX_CONNECTIONS": "8192", "DWCTL_ENABLE_METRICS": "true"}
    chance = random.Random(39)
    calls: list[Call] = []
    with upstream_in_thread(slow_streams(seconds)) as upstream:
        product = Product(data_dir, upstream=upstream.url, environment=environment)
        product.start()
        await asyncio.to_thread(set_adapter, product, False)
        async with database_of(data_dir) as database:
            await database.execute("update models set batch_capacity = $1", streams)
        house = House(product)
        began = monotonic()
        try:
            async with asyncio.timeout(DEADLINE), asyncio.TaskGroup() as tasks:
                polling = tasks.create_task(poll(house, calls))
                slots = [tasks.create_task(keep_calling(house, calls, chance)) for _ in range(streams)]
                for _ in range(2):
                    wanted = house.events + streams * len(WORDS) // 2
                    while house.events < wanted:
                        await asyncio.sleep(0.05)
                    await house.kill_and_start()
                house.closing = True
                await asyncio.wait(slots)
                polling.cancel()
            took = monotonic() - began
            for call in calls:
                assert await call.replay() == call.seen, f"{call.name}: the log is not what was read"
            async with database_of(data_dir) as database:
                rows = await database.fetch("select id, state, attempt, error_code from requests")
                assert await database.fetch_value("select count(*) from queue") == 0
        finally:
            product.close()
        check({f"resp_{row['id']}": dict(row) for row in rows}, calls)
        return {
            "seconds": round(took),
            "calls": len(calls),
            "events": house.events,
            "ends": Counter(call.end for call in calls),
            "attempts": Counter(row["attempt"] for row in rows),
            "sent upstream": len(upstream.posts),
            **house.counts,
        }


def check(rows: dict[str, dict[str, Any]], calls: list[Call]) -> None:
    """Each call has ended as its client was promised."""
    for call in calls:
        row = rows[call.name or ""]
        if row["state"] == State.COMPLETED:
            assert call.end == "response.completed"
            assert sum(b'"response.output_text.delta"' in line for line in call.seen) == len(WORDS)
        else:
            # Only what had been shown when its process was killed.
            assert (row["state"], row["error_code"], call.end) == (
                State.FAILED, "interrupted", "response.failed"
            )  # fmt: skip
            assert len(call.seen) > 3


async def test_every_stream_ends_and_no_reader_misses_anything(data_dir: Path) -> None:
    found = await measure(data_dir, STREAMS, SECONDS)
    assert found["ends"]["response.failed"] > 0
    assert found["ends"]["response.completed"] >= STREAMS
