"""What queued work leaves to interactive calls: in one process, and told between several."""

import asyncio
from hashlib import sha256
from typing import Any

import msgspec

from dwctl.core.ids import new_id, new_uuid
from dwctl.db.postgres import Database
from dwctl.engine.capacity import AdaptiveSettings, CapacitySettings
from dwctl.engine.headroom import KEPT, LINGER, VALID, Headroom
from dwctl.engine.onlooking import Onlooking, Sight
from dwctl.requests.onlooker import Onlooker
from dwctl.requests.queue.store import QueueStore
from dwctl.requests.queue.structs import Told
from dwctl.requests.record import Record, State
from tests.engine.test_worker import GOOD, failing, plain
from tests.engine.works import QUICK, Works
from tests.fakes.answers import HANG
from tests.fakes.clock import FakeClock
from tests.fakes.upstream import FakeUpstream
from tests.gateway.house import SECRET, chat, key

SETTINGS = AdaptiveSettings(learn=4, learn_within=5.0)
MOST = 8


class Gateway:
    """Whom the engine tells that it wants to know."""

    onlooker: Onlooker | None = None


class Place:
    """The headroom of one process, with work and calls of the test's choosing."""

    def __init__(self, database: Database, clock: FakeClock, settings: AdaptiveSettings = SETTINGS) -> None:
        self.id = new_uuid()
        self.gateway = Gateway()
        self.calls: dict[str, int] = {}
        self.work: dict[str, int] = {}
        self.clock = clock
        self.headroom = Headroom(
            store=QueueStore(database),
            settings=settings,
            daemon_id=self.id,
            clock=clock,
            gateway=self.gateway,
            interactive=lambda name: self.calls.get(name, 0),
        )
        self.headroom.work = lambda: self.work
        self.headroom.most = lambda _: MOST

    @property
    def cap(self) -> int:
        """Of the model m."""
        return self.headroom.cap("m", MOST)

    def looks(self) -> bool:
        """Whether the gateway is to tell of calls."""
        return self.gateway.onlooker is not None

    async def turn(self, seconds: float = 0.0) -> None:
        """Later."""
        self.clock.advance(seconds)
        await self.headroom.turn()

    def record(self, **more: Any) -> Record:
        """A call that is told of to the onlooker, if there is one."""
        record = call(**more)
        assert self.gateway.onlooker is not None
        self.gateway.onlooker.began(record)
        return record


def call(**more: Any) -> Record:
    """The record of an interactive call."""
    fields: dict[str, Any] = {
        "id": new_id(), "created_at": 0.0, "path": "/v1/chat/completions", "model": "m", "owner_id": new_id(),
        "creator_id": new_id(), "key_id": new_id(), "daemon_id": new_id(), "stream": True, "purpose": "realtime",
    }  # fmt: skip
    return Record(**fields | more)


async def test_without_interactive_calls_a_batch_has_all(database: Database) -> None:
    place = Place(database, FakeClock())
    assert place.cap == SETTINGS.floor
    place.work = {"m": 1}
    await place.turn()
    assert place.cap == MOST


async def test_calls_take_from_the_room_at_the_moment_they_begin(database: Database) -> None:
    place = Place(database, FakeClock())
    place.work = {"m": 8}
    await place.turn()
    place.calls = {"m": 3}
    assert place.cap == MOST - 3
    place.calls = {}
    assert place.cap == MOST


async def test_the_gateway_tells_only_while_there_is_work(database: Database) -> None:
    place = Place(database, FakeClock())
    await place.turn()
    assert not place.looks()
    place.work = {"m": 0}
    await place.turn()
    assert place.looks()
    place.work = {}
    await place.turn(LINGER - 1.0)
    assert place.looks()
    await place.turn(1.0)
    assert not place.looks()
    assert await database.fetch_value("select count(*) from capacity") == 0
    await place.turn(KEPT)


async def test_it_yields_to_the_first_call_until_it_knows_what_is_usual(database: Database) -> None:
    place = Place(database, FakeClock())
    place.work = {"m": 8}
    await place.turn()
    record = place.record()
    await place.turn(0.5)
    assert place.cap == SETTINGS.floor
    place.work = {"m": 1}
    for _ in range(20):
        assert place.gateway.onlooker is not None
        place.gateway.onlooker.first(record)
        await place.turn(1.0)
        record = place.record()
        place.clock.advance(0.2)
    assert place.cap > SETTINGS.floor


async def test_processes_obey_the_strictest_and_share_what_is_left(database: Database) -> None:
    clock = FakeClock()
    worker, other, gateway = (Place(database, clock) for _ in range(3))
    worker.work, other.work = {"m": 8}, {"m": 8}
    for _ in range(3):
        for each in (worker, other, gateway):
            await each.turn(0.1)
    assert (worker.cap, other.cap) == (MOST, MOST)
    gateway.calls = {"m": 3}
    gateway.record()
    for each in (gateway, worker, other):
        await each.turn(0.1)
    # One in all, for the process of the lowest id.
    assert sorted((worker.cap, other.cap)) == [0, SETTINGS.floor]
    assert (worker.cap == SETTINGS.floor) is (worker.id < other.id)
    await gateway.headroom.stop()
    assert gateway.gateway.onlooker is None
    for each in (worker, other):
        await each.turn(0.1)
    assert (worker.cap, other.cap) == (MOST, MOST)


async def test_what_is_old_does_not_count(database: Database) -> None:
    clock = FakeClock()
    place = Place(database, clock)
    place.work = {"m": 8}
    store = QueueStore(database)
    dead = new_uuid()
    await store.exchange(dead, [Told(model="m", wants=True, batch=9, interactive=2, most=0.0)], VALID)
    await place.turn()
    assert place.cap <= SETTINGS.floor
    await database.execute(
        "update capacity set told_at = now() - interval '6 seconds' where daemon_id = $1", dead
    )
    await place.turn()
    assert place.cap == MOST
    await database.execute(
        "update capacity set told_at = now() - interval '2 minutes' where daemon_id = $1", dead
    )
    await place.turn()
    assert await database.fetch_value("select count(*) from capacity where daemon_id = $1", dead) == 0


async def test_refusals_of_queued_requests_count(database: Database) -> None:
    place = Place(database, FakeClock())
    place.work = {"m": 8}
    await place.turn()
    place.headroom.answered("m", 200)
    place.headroom.answered("n", 429)
    assert place.cap == MOST
    place.headroom.answered("m", 429)
    # The first time nobody knows how far beyond the mark it was.
    assert place.cap == int(MOST * SETTINGS.decrease**2)


async def test_switched_off_nothing_is_held_back(database: Database) -> None:
    place = Place(database, FakeClock(), AdaptiveSettings(enabled=False))
    place.calls = {"m": 100}
    assert place.cap == MOST
    await place.headroom.stop()


def test_while_streams_come_whole_answers_say_nothing() -> None:
    clock = FakeClock(0.0)
    onlooking = Onlooking(clock)
    settings = CapacitySettings(ceiling=MOST)
    sight = onlooking.sights["m"] = Sight(settings, clock.monotonic())
    whole, stream = call(stream=False), call()
    onlooking.began(whole)
    clock.advance(5.0)
    assert sight.waiting(clock.monotonic()) == 5.0
    onlooking.began(stream)
    clock.advance(1.0)
    assert sight.waiting(clock.monotonic()) == 1.0
    onlooking.first(stream)
    assert sight.waiting(clock.monotonic()) == 0.0
    for other in (call(purpose="batch"), call(path="/v1/realtime"), call(model="n")):
        onlooking.began(other)
        clock.advance(1.0)
        assert sight.waiting(clock.monotonic()) == 0.0
    whole.state, whole.first_byte_ms = int(State.COMPLETED), 1.0
    onlooking.ended(whole)
    assert not sight.holds(whole.id)


async def test_a_batch_waits_for_a_call_of_another_process(
    database: Database, upstream: FakeUpstream
) -> None:
    upstream.respond = lambda _: HANG
    works = Works(database, plain(upstream, batch_capacity=MOST))
    account = await works.account()
    async with (
        works.process() as worker,
        works.process(msgspec.structs.replace(QUICK, enabled="never")) as gateway,
    ):
        keys = {sha256(SECRET.encode()).digest(): key()}
        gateway.routing.snapshot = msgspec.structs.replace(gateway.routing.snapshot, keys=keys)
        batch_id = await works.batch(account, MOST + 4)
        await works.until(lambda: len(upstream.posts) == MOST, "all it may have is under way")
        assert worker.engine.counts.allowance() == {"m": MOST}
        await works.until(lambda: gateway.house.gateway.onlooker is not None, "the gateway knows of the work")
        async with asyncio.TaskGroup() as tasks:
            call = tasks.create_task(gateway.house.call(chat(stream=True)))
            await works.until(lambda: worker.engine.counts.allowance() == {"m": SETTINGS.floor}, "it yields")
            assert (len(upstream.posts), worker.engine.worker.in_flight) == (MOST + 1, MOST)
            await works.cancel(batch_id)
            await works.ended(batch_id)
            call.cancel()


async def test_an_upstream_that_refuses_gets_less(database: Database, upstream: FakeUpstream) -> None:
    upstream.respond = lambda _: failing(429)
    works = Works(database, plain(upstream, batch_capacity=MOST))
    account = await works.account()
    async with works.process() as process:
        batch_id = await works.batch(account, 100)
        await works.until(lambda: process.engine.counts.allowance().get("m") == SETTINGS.floor, "it yields")
        upstream.respond = lambda _: GOOD
        row = await works.ended(batch_id)
    assert (row["completed"], row["failed"]) == (100, 0)
