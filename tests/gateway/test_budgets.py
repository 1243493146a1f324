"""Budgets as callers meet them: which calls they bind, what they say when they are used up, and when they change."""

import asyncio
from decimal import Decimal
from typing import Any

import msgspec

from dwctl.core.samples import page
from dwctl.routing.limits import Limits
from dwctl.routing.snapshot import Key
from tests.fakes.answers import HANG
from tests.fakes.upstream import FakeUpstream
from tests.gateway.house import CHAT, SECRET, House, bearer, chat, encoded, key, model, snapshot, target
from tests.gateway.test_credit import ANSWER, COST, ENDLESS, error, most, priced
from tests.gateway.till import Till

OTHER = "sk-other-0123456789abcdef"
EXCEEDED = (402, "budget_exceeded", "budget_exceeded")


def house_of(upstream: FakeUpstream, till: Till, known: Key, **given: Any) -> House:
    """A gateway with one priced model and this key."""
    return House(priced(upstream), keys={SECRET: known}, funds=till.funds, **given)


async def test_a_call_reserves_from_credit_and_budgets_and_pays_all_of_them(upstream: FakeUpstream) -> None:
    till, body = Till("10"), chat(max_tokens=7)
    known = till.bind(till.bind(key(), "1"), "2", "day", scope="account")
    upstream.push(ANSWER, HANG)
    async with house_of(upstream, till, known) as house:
        assert (await house.call(body)).status == 200
        assert {pocket.unsettled for pocket in till.book.pockets.values()} == {COST}
        assert len(till.book.pockets) == 3
        async with house.wire() as wire:
            wire.send(CHAT, encoded(body), bearer())
            await house.until(lambda: len(upstream.posts) == 2, "the call is under way")
            assert till.reserved == most(body, 7)
            assert till.reserved_anywhere == 3 * most(body, 7)
        await house.until(lambda: till.reserved_anywhere == 0, "the client's leaving is noticed")


async def test_a_budget_that_is_used_up_says_whose_it_is_and_when_it_resets(upstream: FakeUpstream) -> None:
    till = Till("10")
    async with house_of(upstream, till, till.bind(key(), "0", "month")) as house:
        answer = await house.call(chat())
        metrics = page([house.metrics.part()]).decode()
    assert error(answer) == EXCEEDED
    message = answer.json()["error"]["message"]
    assert message.startswith("The budget of the API key 'the name' is used up: 0 per month. It resets at 20")
    assert "-01T00:00:00Z" in message
    assert answer.header("x-should-retry") == "false"
    assert answer.header("retry-after") is None
    assert upstream.posts == []
    assert house.ledger.started == []
    assert till.reserved_anywhere == 0
    assert 'dwctl_budget_refused_total{scope="key"} 1.0' in metrics
    assert 'dwctl_budget_refused_total{scope="account"} 0.0' in metrics
    assert 'dwctl_credit_refused_total{shortage="empty"} 0.0' in metrics


async def test_an_account_that_has_spent_its_budget_is_told_so(upstream: FakeUpstream) -> None:
    till = Till("10", wait=0.2)
    known = till.bind(till.bind(key(), "5"), "0.001", "total", scope="account")
    async with house_of(upstream, till, known) as house:
        assert (await house.call(chat())).status == 200
        answer = await house.call(chat())
    assert error(answer) == EXCEEDED
    assert answer.json()["error"]["message"] == (
        "The budget of the account 'the name' is used up: 0.001. It does not reset; "
        "please ask whoever manages it for more."
    )


async def test_a_budget_binds_its_key_and_priced_models_only(upstream: FakeUpstream) -> None:
    till = Till("10")
    known = key()
    keys = {SECRET: till.bind(known, "0"), OTHER: msgspec.structs.replace(known, id=key().id)}
    free = model("free", target(upstream.url))
    async with House(priced(upstream), free, keys=keys, funds=till.funds) as house:
        assert (await house.call(chat())).status == 402
        assert (await house.call(chat("free"))).status == 200
        assert (await house.call(chat(), headers=bearer(OTHER))).status == 200


async def test_credit_is_asked_for_beside_the_budget(upstream: FakeUpstream) -> None:
    till = Till("0")
    async with house_of(upstream, till, till.bind(key(), "10")) as house:
        answer = await house.call(chat())
        assert error(answer) == (402, "insufficient_credits", "insufficient_credits")
        assert till.reserved_anywhere == 0
        till.add("10")
        assert (await house.call(chat())).status == 200


async def test_while_nobody_can_tell_what_is_left_the_client_may_come_again(upstream: FakeUpstream) -> None:
    till = Till("10", wait=0.1)
    till.away = True
    async with house_of(upstream, till, till.bind(key(), "10")) as house:
        answer = await house.call(chat())
    assert error(answer) == (503, "server_error", "service_unavailable")
    assert answer.header("retry-after") == "2"


async def test_a_client_that_leaves_while_it_waits_leaves_nothing(upstream: FakeUpstream) -> None:
    till = Till("0.000001", wait=30.0)
    upstream.push(ENDLESS)
    known = till.bind(key(), "10")
    async with house_of(upstream, till, known) as house, house.wire() as first:
        first.send(CHAT, encoded(chat(stream=True)), bearer())
        await house.until(lambda: len(upstream.posts) == 1, "the first call has all the credit")
        reserved = till.reserved_anywhere
        async with house.wire() as second:
            second.send(CHAT, encoded(chat()), bearer())
            await house.until(lambda: till.book.waiting == 1, "the second waits for credit")
            assert till.reserved_anywhere > reserved
        await house.until(lambda: till.reserved_anywhere == reserved, "it has given its budget back")


async def test_a_call_that_waited_goes_by_the_budgets_that_hold_then(upstream: FakeUpstream) -> None:
    till = Till("10", wait=30.0)
    till.away = True
    known = key()
    async with house_of(upstream, till, till.bind(known, "10", "day")) as house, house.wire() as wire:
        wire.send(CHAT, encoded(chat()), bearer())
        await house.until(lambda: till.book.waiting == 1, "it waits")
        keys = {SECRET: till.bind(known, "10", "week")}
        house.routing.snapshot = snapshot(keys, *house.routing.snapshot.models.values(), version=2)
        till.away = False
        till.book.on_due()
        assert (await wire.answer()).status == 200
        charged = {
            name.split(":")[2]: pocket.unsettled for name, pocket in till.book.pockets.items() if ":" in name
        }
        assert charged["day"] == 0
        assert charged["week"] > 0
        assert till.reserved_anywhere == 0


async def test_a_lowered_budget_binds_the_next_call_and_a_raised_one_does_not(upstream: FakeUpstream) -> None:
    till, known = Till("10", wait=0.2), key()
    async with house_of(upstream, till, till.bind(known, "10")) as house:
        models = house.routing.snapshot.models.values()
        assert (await house.call(chat())).status == 200
        for version, (amount, status) in enumerate([("0.001", 402), ("9", 200), ("0", 402), ("10", 200)], 2):
            house.routing.snapshot = snapshot({SECRET: till.bind(known, amount)}, *models, version=version)
            assert (await house.call(chat())).status == status, amount


async def test_what_a_limit_refuses_gives_everything_back(upstream: FakeUpstream) -> None:
    till = Till("10")
    limits = msgspec.convert({"id": "model:m", "requests_per_minute": 1}, Limits)
    limited = msgspec.structs.replace(priced(upstream), limits=limits)
    async with House(limited, keys={SECRET: till.bind(key(), "10")}, funds=till.funds) as house:
        assert (await house.call(chat())).status == 200
        assert (await house.call(chat())).status == 429
        assert till.reserved_anywhere == 0


async def test_calls_that_a_connection_repeats_are_bound_each_time(upstream: FakeUpstream) -> None:
    till, body = Till("10", wait=0.2), chat(max_tokens=7)
    upstream.push(ANSWER, ANSWER, ANSWER)
    known = till.bind(key(), str(2 * COST + Decimal("0.001")))
    async with house_of(upstream, till, known) as house, house.wire() as wire:
        statuses = []
        for _ in range(4):
            wire.send(CHAT, encoded(body), bearer())
            statuses.append((await wire.answer()).status)
    assert statuses == [200, 200, 200, 402]


async def test_many_at_once_spend_the_budget_and_no_more(upstream: FakeUpstream) -> None:
    body = chat(max_tokens=5)
    till = Till("1000", wait=0.3)
    known = till.bind(till.bind(key(), str(most(body, 5) * 10)), "900", scope="account")
    async with house_of(upstream, till, known) as house:
        upstream.respond = lambda _: HANG
        async with asyncio.TaskGroup() as tasks:
            answers = [tasks.create_task(house.call(body)) for _ in range(30)]
            await house.until(lambda: sum(task.done() for task in answers) == 20, "twenty are refused")
            assert till.reserved_anywhere == 3 * most(body, 5) * 10
            assert {error(task.result()) for task in answers if task.done()} == {EXCEEDED}
            await house.client.stop()
