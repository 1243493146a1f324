"""A gateway that breaks its promises: what it makes of a request ends all the same."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from dwctl.core.clock import SystemClock
from dwctl.core.ids import new_uuid
from dwctl.core.services import Supervisor
from dwctl.db.postgres import Database
from dwctl.engine.completer import Completer
from dwctl.engine.counts import WorkerCounts
from dwctl.engine.headroom import Headroom
from dwctl.engine.responses.event_counts import EventCounts
from dwctl.engine.responses.event_log import EventLog
from dwctl.engine.worker import Worker
from dwctl.requests.dispatch import Done, Errand
from dwctl.requests.events.store import EventStore
from dwctl.requests.onlooker import Onlooker
from dwctl.requests.queue.store import QueueStore
from dwctl.requests.record import Record, State
from dwctl.routing.snapshot import Routing
from tests.engine.works import QUICK, Works
from tests.gateway.house import model, snapshot

LINES = 30


class Unwritable:
    """A `Dispatch` that says of every third request that it is to be tried again when nobody can know."""

    onlooker: Onlooker | None = None

    def run(self, errand: Errand, done: Done) -> Callable[[], None]:
        """Over in the next turn of the loop."""
        bad = errand.body.endswith((b'0"}', b'3"}', b'6"}', b'9"}'))
        record = Record(
            id=str(errand.id),
            attempt=errand.attempt,
            created_at=1.0,
            completed_at=2.0,
            path=errand.path,
            model=errand.asked,
            owner_id=str(errand.owner_id),
            creator_id=str(errand.creator_id),
            key_id=str(errand.key_id),
            daemon_id=str(new_uuid()),
            purpose="batch",
            state=int(State.FAILED),
            status_code=503 if bad else 400,
            error_code="odd",
            error_message="no",
        )
        pause: Any = "soon" if bad else 0.0
        asyncio.get_running_loop().call_soon(done, record, b"", pause)
        return lambda: None


class Unwilling(Unwritable):
    """One that raises in place of beginning."""

    def run(self, errand: Errand, done: Done) -> Callable[[], None]:
        """Not for every third."""
        if errand.body.endswith((b'0"}', b'3"}', b'6"}', b'9"}')):
            raise RuntimeError("not today")
        return super().run(errand, done)


@pytest.mark.parametrize("dispatch", [Unwritable(), Unwilling()])
async def test_what_cannot_be_begun_or_written_ends_as_failed(
    database: Database, dispatch: Unwritable
) -> None:
    works = Works(database, model("m"))
    account = await works.account()
    holder, clock, store = new_uuid(), SystemClock(), QueueStore(database)
    routing = Routing(snapshot({account.secret: account.run_key}, *works.models))
    completer, counts = Completer(store, holder), WorkerCounts()
    headroom = Headroom(
        store=store, settings=QUICK.adaptive, daemon_id=holder, clock=clock, gateway=dispatch, interactive=lambda _: 0,
    )  # fmt: skip
    worker = Worker(
        store=store, dispatch=dispatch, completer=completer, routing=routing, settings=QUICK, holder=holder,
        clock=clock, counts=counts, drain=1.0, headroom=headroom,
        events=EventLog(EventStore(database), holder, EventCounts(), most=0),
    )  # fmt: skip
    batch_id = await works.batch(account, LINES)
    while await store.populate(batch_id, LINES):
        pass
    stopping, started = asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(Supervisor((headroom, completer, worker)).run(stopping, started))
        row = await works.ended(batch_id)
        stopping.set()
    assert (row["completed"], row["failed"]) == (0, LINES)
    found = {line["line"]: line for line in await works.requests(batch_id)}
    bad = [number for number, line in found.items() if line["status_code"] == 500]
    assert bad == [number for number in range(LINES) if str(number)[-1] in "0369"]
    assert {found[number]["error_code"] for number in bad} == {"internal_error"}
    assert {found[number]["error_code"] for number in found.keys() - set(bad)} == {"odd"}
    assert not any(counts.in_flight().values())
