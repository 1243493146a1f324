"""Sessions are bound by budgets: before they begin, response by response, and by what the budgets are by then."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from wsproto.events import AcceptConnection, CloseConnection, TextMessage

from dwctl.routing.snapshot import Key
from tests.fakes.clock import FakeClock
from tests.fakes.realtime import RealtimeServer
from tests.gateway.house import SECRET, House, key, model, snapshot, target
from tests.gateway.test_realtime import client, refusal
from tests.gateway.test_realtime_usage import BOUND, CREATED, done, make, say, wait_for
from tests.gateway.till import PRICE, Till, tariffs
from tests.server.test_websocket import Client

NOON = 1_700_049_600.0
"""Of a Wednesday."""
DAY = 86_400.0


@asynccontextmanager
async def house(server: RealtimeServer, till: Till, known: Key, **given: Any) -> AsyncIterator[House]:
    """A gateway with one priced model on this server, and this key."""
    hosted = msgspec.structs.replace(model("m/1", target(server.url, "gpt/rt")), tariffs=tariffs())
    async with House(hosted, keys={SECRET: known}, funds=till.funds, **given) as made:
        yield made


def become(running: House, known: Key) -> None:
    """From now on the key is this one."""
    now = running.routing.snapshot
    running.routing.snapshot = snapshot({SECRET: known}, *now.models.values(), version=now.version + 1)


def charged(till: Till) -> dict[str, Any]:
    """What was charged to budgets, by the end of their pockets' names: period and first day."""
    pockets = till.book.pockets.items()
    return {name.split(":", 2)[2]: pocket.unsettled for name, pocket in pockets if ":" in name}


async def closed_for_its_budget(made: Client) -> None:
    """The session is told that the budget is used up, and closed."""
    told = msgspec.json.decode(await made.message())
    assert told["type"] == "error"
    assert told["error"]["code"] == "budget_exceeded"
    assert told["error"]["message"].startswith("The budget of the API key 'the name' is used up: ")
    close = await made.next()
    assert isinstance(close, CloseConnection)
    assert close.code == 1008


async def test_a_session_reserves_from_credit_and_budgets_and_pays_all_of_them() -> None:
    till = make("100")
    known = till.bind(till.bind(key(), "50"), "60", "day", scope="account")
    async with RealtimeServer() as server, house(server, till, known) as running:
        async with client(running) as (made, answer):
            assert isinstance(answer, AcceptConnection)
            assert till.reserved_anywhere == 3 * BOUND
            await say(made, CREATED)
            await say(made, done(50, 20))
            assert {pocket.unsettled for pocket in till.book.pockets.values()} == {70 * PRICE}
            assert len(till.book.pockets) == 3
            assert till.reserved_anywhere == 3 * BOUND
            made.send(CloseConnection(code=1000))
            await server.closes.get()
        await running.recorded(2)
    assert till.reserved_anywhere == 0


async def test_without_a_budget_no_session_begins() -> None:
    till = make("100")
    async with RealtimeServer() as server, house(server, till, till.bind(key(), "0")) as running:
        async with client(running) as (made, answer):
            status, body = await refusal(made, answer)
        assert running.ledger.started == []
    assert status == 402
    assert msgspec.json.decode(body)["error"]["code"] == "budget_exceeded"
    assert till.reserved_anywhere == 0
    assert server.heads == []


async def test_when_a_budget_ends_the_client_is_told_and_the_session_closed() -> None:
    till = make("100", wait=0.2)
    async with RealtimeServer() as server, house(server, till, till.bind(key(), "0.2")) as running:
        async with client(running) as (made, answer):
            # The last reservation may go over what there is.
            assert isinstance(answer, AcceptConnection)
            await say(made, CREATED)
            await say(made, done(150, 60))
            await closed_for_its_budget(made)
        await running.recorded(2)
        end = running.ledger.finished[-1][0]
    assert (end.state, end.error_code, end.status_code) == (3, "budget_exceeded", 101)
    assert till.charged == 210 * PRICE
    assert till.reserved_anywhere == 0


async def test_a_budget_that_is_set_meanwhile_binds_the_next_response() -> None:
    till, known = make("100", wait=0.2), key()
    async with RealtimeServer() as server, house(server, till, known) as running:
        async with client(running) as (made, _):
            become(running, till.bind(known, "0"))
            # Paid for already, without a budget.
            await say(made, CREATED)
            await say(made, done(5, 5))
            await closed_for_its_budget(made)
        await running.recorded(2)
    assert till.reserved_anywhere == 0


async def test_a_budget_that_is_raised_lets_a_session_go_on() -> None:
    till, known = make("100"), key()
    before = till.bind(known, "0.2")
    async with (
        RealtimeServer() as server,
        house(server, till, before) as running,
        client(running) as (made, _),
    ):
        become(running, till.bind(known, "50"))
        await say(made, done(150, 60))
        await running.until(lambda: till.reserved_anywhere == 2 * BOUND, "the next one is reserved")
        made.send(TextMessage("next"))
        assert await made.message() == "next"


async def test_a_session_belongs_to_the_period_in_which_it_began() -> None:
    clock, till = FakeClock(NOON), make("100")
    known = till.bind(key(), "50", "day")
    async with (
        RealtimeServer() as server,
        house(server, till, known, clock=clock) as running,
        client(running) as (first, _),
    ):
        clock.advance(DAY)
        await say(first, done(50, 20))
        await say(first, done(50, 20))
        async with client(running) as (second, _):
            await say(second, done(5, 5))
            assert charged(till) == {"day:2023-11-15": 140 * PRICE, "day:2023-11-16": 10 * PRICE}
    created = [record.created_at for record, _ in running.ledger.finished if record.cost == 70 * PRICE]
    assert created == [NOON, NOON]


async def test_a_session_that_waited_goes_by_the_budgets_that_hold_then() -> None:
    till, known = make("100", wait=30), key()
    till.away = True

    async def talk(running: House) -> None:
        async with client(running) as (made, answer):
            assert isinstance(answer, AcceptConnection)
            await say(made, done(50, 20))
            assert till.reserved_anywhere == 2 * BOUND
            made.send(CloseConnection(code=1000))
            await server.closes.get()

    before = till.bind(known, "50", "day")
    async with RealtimeServer() as server, house(server, till, before) as running:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(talk(running))
            await running.until(lambda: till.book.waiting == 1, "it waits")
            become(running, till.bind(known, "50", "week"))
            till.away = False
            till.book.on_due()
        await running.recorded(2)
    assert {name.split(":")[0]: cost for name, cost in charged(till).items()} == {
        "day": 0,
        "week": 70 * PRICE,
    }
    assert till.reserved_anywhere == 0


async def test_who_leaves_while_waiting_for_credit_gives_the_budget_back() -> None:
    till = make("0.000001", wait=30)
    known = till.bind(key(), "50")
    async with (
        RealtimeServer() as server,
        house(server, till, known) as running,
        client(running) as (_, answer),
    ):
        assert isinstance(answer, AcceptConnection)
        reserved = till.reserved_anywhere
        writer = await wait_for(running, till)
        assert till.reserved_anywhere == reserved + BOUND
        writer.transport.abort()
        await running.until(lambda: till.reserved_anywhere == reserved, "it has given its budget back")
        assert len(server.heads) == 1
