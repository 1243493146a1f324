"""What rounds cost: reserved for each, charged together, in one row."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from dwctl.requests.record import State
from dwctl.usage.credit.book import PocketBook
from dwctl.usage.credit.leases import ZERO, Account
from dwctl.usage.credit.pockets import Shortage
from dwctl.usage.credit.reservation import Reservation
from tests.fakes.answers import HANG, json_reply
from tests.fakes.tools import Caller
from tests.fakes.upstream import FakeUpstream
from tests.gateway.house import bearer, encoded
from tests.gateway.test_errands import Runner, errand
from tests.gateway.till import PRICE, Till, tariffs
from tests.gateway.tools.bench import PATH, asked, at_rest, house, keys, kinds, tool, tooled
from tests.gateway.two import metric

ULM = ("weather", {"city": "Ulm"})
ROUND = 14 * PRICE


async def test_each_round_is_charged_once_in_one_row(upstream: FakeUpstream, server: FakeUpstream) -> None:
    till = Till("10")
    upstream.forget(Caller([ULM]))
    server.push(HANG, json_reply({"ok": 1}))
    made = tooled(upstream, tool(server, "weather", timeout=0.3), tariffs=tariffs())
    async with house(made, funds=till.funds) as running:
        async with running.wire() as wire:
            wire.send(PATH, encoded(asked()), bearer())
            await running.until(lambda: len(server.posts) == 1, "the tool runs")
            # What the first round has cost is kept until the row has it, and nothing more.
            assert (till.reserved, till.charged) == (ROUND, ZERO)
            assert (await wire.answer()).status == 200
        record = await running.recorded()
        assert at_rest(running)
    assert record.cost == 2 * ROUND
    assert (till.charged, till.reserved) == (record.cost, ZERO)
    assert metric(running, "dwctl_credit_exceeded_total") == 0


async def test_budgets_hold_too(upstream: FakeUpstream, server: FakeUpstream) -> None:
    till = Till("10")
    upstream.forget(Caller([ULM]))
    bound = {secret: till.bind(known, "5") for secret, known in keys().items()}
    made = tooled(upstream, tool(server, "weather"), tariffs=tariffs())
    async with house(made, funds=till.funds, keys=bound) as running:
        await running.call(asked(), PATH)
        record = await running.recorded()
    assert record.cost == 2 * ROUND
    assert till.reserved_anywhere == 0
    assert sum(pocket.unsettled for pocket in till.book.pockets.values()) == 2 * record.cost


async def test_credit_ends_in_the_middle(upstream: FakeUpstream, server: FakeUpstream) -> None:
    upstream.forget(Caller([ULM]))
    # As much as the first round costs: who has something may begin, who has nothing may not.
    till = Till(str(ROUND), wait=0.2)
    made = tooled(upstream, tool(server, "weather"), tariffs=tariffs())
    async with house(made, funds=till.funds) as running:
        answer = await running.call(asked(), PATH)
        record = await running.recorded()
        assert at_rest(running)
    assert (answer.status, answer.json()["error"]["code"]) == (402, "insufficient_credits")
    assert (record.state, record.status_code, record.cost) == (State.FAILED, 402, ROUND)
    assert (till.charged, till.reserved) == (ROUND, ZERO)
    assert (len(upstream.posts), len(server.posts)) == (1, 1)


async def test_without_credit_there_is_no_row(upstream: FakeUpstream, server: FakeUpstream) -> None:
    made = tooled(upstream, tool(server, "weather"), tariffs=tariffs())
    async with house(made, funds=Till("0", wait=0.1).funds) as running:
        answer = await running.call(asked(), PATH)
        assert at_rest(running)
    assert answer.status == 402
    assert running.ledger.started == running.ledger.finished == []


async def test_the_first_round_waits_for_credit(upstream: FakeUpstream, server: FakeUpstream) -> None:
    till = Till("10")
    till.away = True
    upstream.forget(Caller([ULM]))
    made = tooled(upstream, tool(server, "weather"), tariffs=tariffs())
    async with house(made, funds=till.funds) as running, running.wire() as wire:
        wire.send(PATH, encoded(asked()), bearer())
        await running.until(lambda: till.book.waiting == 1, "the call waits")
        assert running.ledger.started == []
        till.away = False
        till.book.on_due()
        assert (await wire.answer()).status == 200
    assert till.reserved == 0


async def test_who_leaves_pays_what_was_done(upstream: FakeUpstream, server: FakeUpstream) -> None:
    till = Till("10")
    upstream.forget(Caller([ULM]))
    server.push(HANG)
    made = tooled(upstream, tool(server, "weather"), tariffs=tariffs())
    async with house(made, funds=till.funds) as running:
        async with running.wire() as wire:
            wire.send(PATH, encoded(asked()), bearer())
            await running.until(lambda: len(server.posts) == 1, "the tool runs")
        record = await running.recorded()
        assert at_rest(running)
    assert (record.status_code, record.cost) == (499, ROUND)
    assert (till.charged, till.reserved) == (ROUND, ZERO)


# Errands


async def test_an_errand_with_tools(upstream: FakeUpstream, server: FakeUpstream) -> None:
    till = Till("10")
    upstream.forget(Caller([ULM]))
    made = tooled(upstream, tool(server, "weather"), tariffs=tariffs())
    async with house(made, funds=till.funds) as running:
        runner = Runner(running)
        asks = errand(
            path="/v1/responses",
            body=encoded(asked()),
            run_key=next(iter(running.routing.snapshot.keys)),
            attempt=2,
        )
        came = await runner.run(asks)
        assert running.gateway.in_flight == 0
        assert running.ledger.started == []
    record = came.record
    assert (record.id, record.attempt, record.state) == (str(asks.id), 2, State.COMPLETED)
    assert (record.total_tokens, record.cost) == (28, 2 * ROUND)
    assert kinds(came.json()) == ["mcp_call", "message"]
    assert came.json()["id"] == f"resp_{asks.id}"
    assert (till.charged, till.reserved) == (2 * ROUND, ZERO)


async def test_an_errand_is_cancelled_while_a_tool_runs(upstream: FakeUpstream, server: FakeUpstream) -> None:
    upstream.forget(Caller([ULM]))
    server.push(HANG)
    async with house(tooled(upstream, tool(server, "weather"))) as running:
        runner = Runner(running)
        key = next(iter(running.routing.snapshot.keys))
        cancel = runner.begin(errand(path="/v1/responses", body=encoded(asked()), run_key=key))
        await running.until(lambda: len(server.posts) == 1, "the tool runs")
        cancel()
        came = await runner.end()
        await running.until(lambda: not server.open_connections, "nobody waits for the tool")
        assert running.gateway.in_flight == 0
    assert (came.record.state, came.record.total_tokens, came.body) == (State.CANCELED, 14, b"")


async def test_an_errand_that_is_refused(upstream: FakeUpstream, server: FakeUpstream) -> None:
    async with house(tooled(upstream, tool(server, "weather"))) as running:
        key = next(iter(running.routing.snapshot.keys))
        hosted = [{"type": "hosted_tool", "name": "nonsense"}]
        bodies = (asked(tools=hosted), asked(input=[]), {**asked(), "max_tokens": 7})
        for body in bodies:
            runner = Runner(running)
            came = await runner.run(errand(path="/v1/responses", body=encoded(body), run_key=key))
            assert (came.record.state, came.record.status_code) == (State.FAILED, 400)
        assert running.gateway.in_flight == 0


# Reservations


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 60)), max_size=12))
def test_shrinking_keeps_the_sum(rounds: list[tuple[int, int]]) -> None:
    """Whatever rounds reserve and cost: what is held stays what was granted, and the charges come out in the end."""
    book = PocketBook()
    told: list[Reservation | Shortage] = []
    pocket, _ = book.wait("a", Decimal(1000), told.append)
    account = Account(Decimal(5000), {})
    for name, report in book.reports(0, 0).items():
        grant = account.report("gateway", report, 0.0, book.terms)
        assert grant is not None
        book.granted({name: grant}, book.now())
    (first,) = told
    assert isinstance(first, Reservation)
    book.settle(first, ZERO)
    held = pocket.held
    kept = []
    for amount, cost in rounds:
        reservation = book.reserve("a", Decimal(amount))
        assert reservation is not None
        book.shrink(reservation, Decimal(cost))
        kept.append((reservation, Decimal(cost)))
        assert pocket.held == held
        assert pocket.reserved == sum(min(one) for one in rounds[: len(kept)])
    exceeded = [book.settle(reservation, cost) for reservation, cost in kept]
    assert exceeded == [cost > amount for amount, cost in rounds]
    assert pocket.reserved == ZERO
    assert pocket.held == held
    assert pocket.unsettled == sum(cost for _, cost in rounds)
