"""Many background streams at a time, read, resumed, polled and cancelled, while the process is killed twice.

Every client keeps what it was shown; what a call was promised is judged from that, from its row and from what the fake
model server saw of it (`check` in test_background_measure.py).
"""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from time import monotonic
from typing import Any, Self
from urllib.parse import urlsplit

import msgspec

from tests.chaos.test_batches import database_of
from tests.contract.adapter import set_adapter
from tests.fakes.answers import Answer, frames, stream_reply
from tests.fakes.incoming import Request
from tests.fakes.model import MODEL, ModelServer
from tests.fakes.shapes import response_events
from tests.fakes.upstream import Respond, UpstreamThread, upstream_in_thread
from tests.server_process import Product

WORDS = [f"word{number} " for number in range(30)]
POLLERS = 4
"""That ask one after the other, as fast as they are answered."""
LOOKERS = 20
"""That read the logs again when all have ended."""
LISTED = ModelServer()
_data = msgspec.json.Decoder(dict[str, Any]).decode


class Plan(msgspec.Struct, frozen=True):
    """What one reader does, by how many events it has seen."""

    leaves: tuple[int, ...] = ()
    """Leaves, and comes back."""
    cancels: int | None = None
    """Has its call cancelled, and reads on."""


class Cancel(msgspec.Struct):
    """One that was answered."""

    sent: float
    answered: float
    said: str
    """The status in its answer."""


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
        self.peaks: list[int] = []
        """MiB that a process had at most, for each that was ended."""

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
        return Answered(reader, writer, monotonic())

    async def kill_and_start(self) -> None:
        """SIGKILL, and a new process on the same directory."""
        self.up.clear()
        self.note_peak()
        await asyncio.to_thread(self.product.kill)
        await asyncio.to_thread(self.product.start_again)
        self.up.set()

    def note_peak(self) -> None:
        """Of the process that runs now."""
        lines = Path(f"/proc/{self.product.pid}/status").read_text().splitlines()
        (peak,) = [int(line.split()[1]) for line in lines if line.startswith("VmHWM:")]
        self.peaks.append(peak // 1024)


class Answered:
    """An answer that comes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, sent: float) -> None:
        self.lines = reader
        self.sent = sent
        """When its request was: not when somebody decided to, for there is a crowd here too."""
        self._writer = writer

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._writer.transport.abort()

    async def whole(self) -> tuple[int, dict[str, Any]]:
        """Status and body; `OSError` when it was cut."""
        text = await self.lines.read()
        head, found, body = text.partition(b"\r\n\r\n")
        try:
            return int(head[9:12]), _data(body)
        except (ValueError, msgspec.DecodeError) as error:
            raise OSError("the answer was cut") from (error if found else None)


class Call:
    """One call and its reader."""

    def __init__(self, house: House, number: int, plan: Plan, tasks: asyncio.TaskGroup) -> None:
        self._house = house
        self._number = number
        self._leaves = list(plan.leaves)
        self._cancels = plan.cancels
        self._tasks = tasks
        self.cancelling: asyncio.Task[None] | None = None
        self.canceled: Cancel | None = None
        self.name: str | None = None
        self.seen: list[bytes] = []
        self.ended = False
        self.polled: list[str] = []
        """How it stood whenever somebody asked."""

    @property
    def number(self) -> str:
        """What it asks, by which the model server knows it."""
        return str(self._number)

    async def run(self) -> None:
        """Until the stream has ended, and whoever cancels it knows."""
        while not self.ended:
            with suppress(OSError):
                await self._read()
        if self.cancelling is not None:
            await self.cancelling

    async def _read(self) -> None:
        house = self._house
        if self.name is None:
            fields = {"model": MODEL, "input": self.number, "background": True, "stream": True}
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
                    if self._leaves and len(self.seen) == self._leaves[0]:
                        del self._leaves[0]
                        house.counts["left"] += 1
                        return

    def _take(self, line: bytes) -> None:
        event = _data(line[6:])
        assert event["sequence_number"] == len(self.seen), f"{self.name}: an event is missed or repeated"
        self.seen.append(line)
        self._house.events += 1
        if self.name is None:
            self.name = event["response"]["id"]
        if len(self.seen) == self._cancels:
            self.cancelling = self._tasks.create_task(self._cancel())

    async def _cancel(self) -> None:
        while self.canceled is None:
            with suppress(OSError):
                async with await self._house.ask("POST", f"/responses/{self.name}/cancel") as answered:
                    status, response = await answered.whole()
                self._house.counts[f"cancel: {status}"] += 1
                if status == 200:
                    self.canceled = Cancel(answered.sent, monotonic(), response["status"])

    async def poll(self) -> None:
        """Ask how it stands."""
        with suppress(OSError):
            async with await self._house.ask("GET", f"/responses/{self.name}") as answered:
                status, response = await answered.whole()
            self._house.counts[f"polled: {status}"] += 1
            if status == 200:
                self.polled.append(response["status"])

    async def replay(self) -> list[bytes]:
        """The whole log."""
        async with await self._house.ask("GET", f"/responses/{self.name}?stream=true") as answered:
            return [line async for line in answered.lines if line.startswith(b"data: {")]

    @property
    def end(self) -> str:
        """The type of its last event."""
        return str(_data(self.seen[-1][6:])["type"])

    @property
    def status(self) -> str:
        """What its last event said of it."""
        return str(_data(self.seen[-1][6:])["response"]["status"])


class Found(msgspec.Struct):
    """What came of it all."""

    calls: list[Call]
    rows: dict[str, dict[str, Any]]
    posts: list[Request]
    """What the model server was asked."""
    house: House
    seconds: float

    def figures(self) -> dict[str, Any]:
        """To be printed."""
        late = sorted(overrun(self))
        return {
            "seconds": round(self.seconds),
            "calls": len(self.calls),
            "events": self.house.events,
            "ends": Counter(f"{call.end} {call.status}" for call in self.calls),
            "attempts": Counter(row["attempt"] for row in self.rows.values()),
            "sent upstream": len(self.posts),
            "polls of a call": sorted(len(call.polled) for call in self.calls)[
                :: max(1, len(self.calls) // 4)
            ],
            "ran on after a cancel": [round(late[len(late) * at // 100], 3) for at in (50, 90, 99)]
            + late[-1:],
            "cancel answered after": [
                round(taken[len(taken) * at // 100], 3)
                for taken in [sorted(c.answered - c.sent for c in cancels(self))]
                for at in (50, 90, 99)
            ],
            "MiB": self.house.peaks,
            **self.house.counts,
        }


def cancels(found: Found) -> list[Cancel]:
    """Those that were answered."""
    return [call.canceled for call in found.calls if call.canceled is not None]


def overrun(found: Found) -> Iterator[float]:
    """Seconds from each cancellation to the moment at which the model server was left alone."""
    ended: dict[str, float] = {}
    for request in found.posts:
        assert request.ended_at is not None, "the model server still answers somebody"
        number = request.json()["input"]
        ended[number] = max(request.ended_at, ended.get(number, 0.0))
    for call in found.calls:
        if call.canceled is not None and call.canceled.said == "cancelled" and call.number in ended:
            yield ended[call.number] - call.canceled.sent


def slow_streams(seconds: float) -> Respond:
    """A model server that takes so long for every call."""
    said = stream_reply(frames(response_events(MODEL, WORDS), named=True), gap=seconds / len(WORDS))

    def respond(request: Request) -> Answer:
        return said if request.method == "POST" else LISTED(request)

    return respond


def plan(chance: random.Random) -> Plan:
    """One in ten readers leaves twice, one in ten has its call cancelled."""
    leaves = sorted(chance.sample(range(1, len(WORDS)), 2)) if chance.random() < 0.1 else []
    return Plan(tuple(leaves), chance.randrange(1, len(WORDS)) if chance.random() < 0.1 else None)


class Crowd:
    """All clients."""

    def __init__(self, house: House, tasks: asyncio.TaskGroup) -> None:
        self.calls: list[Call] = []
        self._house = house
        self._tasks = tasks
        self._numbers = count()
        self._chance = random.Random(39)

    async def keep_calling(self) -> None:
        """One call after the other, until one that nobody has killed."""
        while True:
            call = Call(self._house, next(self._numbers), plan(self._chance), self._tasks)
            self.calls.append(call)
            await call.run()
            if self._house.closing and call.end != "response.failed":
                return

    async def keep_polling(self, first: int) -> None:
        """Ask for one after the other that has not been seen to end."""
        while True:
            for call in self.calls[first::POLLERS]:
                if call.name is not None and not (call.ended and call.polled):
                    await call.poll()
            await asyncio.sleep(0)


async def measure(data_dir: Path, streams: int, seconds: float, deadline: float) -> Found:
    """So many streams at a time, each of so many seconds, and two kills."""
    environment = {"DWCTL_GATEWAY__UPSTREAM__MAX_CONNECTIONS": "8192"}
    with upstream_in_thread(slow_streams(seconds)) as upstream:
        product = Product(data_dir, upstream=upstream.url, environment=environment)
        product.start()
        await asyncio.to_thread(set_adapter, product, False)
        async with database_of(data_dir) as database:
            await database.execute("update models set batch_capacity = $1", streams)
        house = House(product)
        began = monotonic()
        try:
            async with asyncio.timeout(deadline), asyncio.TaskGroup() as tasks:
                crowd = Crowd(house, tasks)
                slots = [tasks.create_task(crowd.keep_calling()) for _ in range(streams)]
                polling = [tasks.create_task(crowd.keep_polling(first)) for first in range(POLLERS)]
                for _ in range(2):
                    wanted = house.events + streams * len(WORDS) // 2
                    while house.events < wanted:
                        await asyncio.sleep(0.05)
                    await house.kill_and_start()
                house.closing = True
                await asyncio.wait(slots)
                for each in polling:
                    each.cancel()
            took = monotonic() - began
            house.note_peak()
            return await _gathered(crowd.calls, house, upstream, took)
        finally:
            product.close()


async def _gathered(calls: list[Call], house: House, upstream: UpstreamThread, took: float) -> Found:
    async def look(first: int) -> None:
        for call in calls[first::LOOKERS]:
            assert await call.replay() == call.seen, f"{call.name}: the log is not what was read"
            if not call.polled or call.polled[-1] != call.status:
                await call.poll()

    async with asyncio.TaskGroup() as tasks:
        for first in range(LOOKERS):
            tasks.create_task(look(first))
    async with database_of(house.product.data_dir) as database:
        rows = await database.fetch("select id, state, attempt, error_code from requests")
        assert await database.fetch_value("select count(*) from queue") == 0
    return Found(calls, {f"resp_{row['id']}": dict(row) for row in rows}, upstream.posts, house, took)
