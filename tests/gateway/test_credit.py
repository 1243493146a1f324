"""Credit as callers meet it: what is reserved, what it says when there is none, and when it comes back."""

import asyncio
from decimal import Decimal
from typing import Any

import msgspec

from dwctl.core.samples import page
from dwctl.routing.limits import Limits
from dwctl.routing.snapshot import Model
from tests.fakes import shapes
from tests.fakes.answers import HANG, Answer, Hang, frames, json_reply, reply, stream_reply
from tests.fakes.upstream import FakeUpstream
from tests.gateway.form import TRANSCRIPTIONS, Part, form, headers, transcribed
from tests.gateway.house import CHAT, SECRET, House, bearer, chat, encoded, key, model, target
from tests.gateway.till import PRICE, Till, tariffs

FIRST = frames(shapes.chat_chunks("fake-model", ["a"]))[0]
ENDLESS = Answer((*stream_reply([FIRST]).steps[:-1], Hang()))
ANSWER = json_reply(shapes.chat_completion("fake-model", "Hello.", prompt=9, completion=5))
COST = 14 * PRICE


def priced(upstream: FakeUpstream, alias: str = "m") -> Model:
    """A model with a price."""
    return msgspec.structs.replace(model(alias, target(upstream.url)), tariffs=tariffs())


def error(answer: Any) -> tuple[int, Any, Any]:
    """Status, type and code of a refusal."""
    inner = answer.json()["error"]
    return answer.status, inner["type"], inner["code"]


def most(body: dict[str, Any], tokens: int) -> Decimal:
    """What is reserved for it."""
    return PRICE * (len(encoded(body)) + tokens)


EMPTY = (402, "insufficient_credits", "insufficient_credits")


async def test_a_call_reserves_what_it_may_cost_and_pays_what_it_did(upstream: FakeUpstream) -> None:
    till = Till("10")
    upstream.push(HANG)
    async with House(priced(upstream), funds=till.funds) as house:
        async with house.wire() as wire:
            wire.send(CHAT, encoded(chat(max_tokens=7)), bearer())
            await house.until(lambda: len(upstream.posts) == 1, "the call is under way")
            assert till.reserved == most(chat(max_tokens=7), 7)
        left = await house.recorded()
        # Who leaves has asked for the input all the same.
        assert left.estimated
        assert left.cost is not None
        assert 0 < left.cost < most(chat(max_tokens=7), 7)
        assert till.charged == left.cost
        assert till.reserved == 0
        upstream.push(ANSWER)
        answer = await house.call(chat())
        record = await house.recorded(2)
    assert answer.status == 200
    assert record.cost == COST
    assert till.charged == left.cost + COST
    assert till.reserved == 0


async def test_without_credit_the_answer_is_final(upstream: FakeUpstream) -> None:
    till = Till("0")
    async with House(priced(upstream), funds=till.funds) as house:
        answer = await house.call(chat())
        metrics = page([house.metrics.part()]).decode()
    assert error(answer) == EMPTY
    assert answer.json()["error"]["message"] == (
        "The credit of this account is used up. Please add credits to continue."
    )
    assert answer.header("x-should-retry") == "false"
    assert answer.header("retry-after") is None
    assert upstream.posts == []
    assert house.ledger.started == []
    assert 'dwctl_credit_refused_total{shortage="empty"} 1.0' in metrics
    assert "dwctl_credit_waited_total 1.0" in metrics


async def test_a_free_model_asks_for_no_credit(upstream: FakeUpstream) -> None:
    till = Till("0")
    free = msgspec.structs.replace(
        model("free", target(upstream.url)), tariffs=tariffs(Decimal(0), Decimal(0))
    )
    async with House(model("m", target(upstream.url)), free, funds=till.funds) as house:
        assert (await house.call(chat())).status == 200
        assert (await house.call(chat("free"))).status == 200
    assert till.book.pockets == {}


async def test_while_nobody_can_tell_the_client_may_come_again(upstream: FakeUpstream) -> None:
    till = Till("10", wait=0.1)
    till.away = True
    async with House(priced(upstream), funds=till.funds) as house:
        answer = await house.call(chat())
    assert error(answer) == (503, "server_error", "service_unavailable")
    assert answer.header("retry-after") == "2"
    assert answer.header("x-should-retry") is None


async def test_a_call_waits_for_what_another_one_gives_back(upstream: FakeUpstream) -> None:
    till = Till("0.000001", wait=30.0)
    upstream.push(ENDLESS, ANSWER)
    async with House(priced(upstream), funds=till.funds) as house, house.wire() as first:
        first.send(CHAT, encoded(chat(stream=True)), bearer())
        await house.until(lambda: len(upstream.posts) == 1, "the first call is under way")
        async with house.wire() as second:
            second.send(CHAT, encoded(chat()), bearer())
            await house.until(lambda: till.book.waiting == 1, "the second waits")
            first.leave()
            await house.until(lambda: till.reserved == 0 or len(upstream.posts) == 2, "the first has ended")
            till.add("1")
            assert (await second.answer()).status == 200


async def test_a_client_that_leaves_while_it_waits_leaves_nothing(upstream: FakeUpstream) -> None:
    till = Till("10", wait=30.0)
    till.away = True
    async with House(priced(upstream), funds=till.funds) as house:
        async with house.wire() as wire:
            wire.send(CHAT, encoded(chat()), bearer())
            await house.until(lambda: till.book.waiting == 1, "it waits")
        await house.until(lambda: till.book.waiting == 0, "it waits no more")
        assert house.ledger.started == []
        assert house.gateway.in_flight == 0


async def test_what_a_limit_refuses_gives_its_credit_back(upstream: FakeUpstream) -> None:
    till = Till("10")
    limits = msgspec.convert({"id": "model:m", "requests_per_minute": 1}, Limits)
    limited = msgspec.structs.replace(priced(upstream), limits=limits)
    async with House(limited, funds=till.funds) as house:
        assert (await house.call(chat())).status == 200
        assert (await house.call(chat())).status == 429
        assert till.reserved == 0


async def test_a_key_that_is_revoked_while_its_call_waits_is_refused(upstream: FakeUpstream) -> None:
    till = Till("10", wait=30.0)
    till.away = True
    async with House(priced(upstream), funds=till.funds) as house, house.wire() as wire:
        wire.send(CHAT, encoded(chat()), bearer())
        await house.until(lambda: till.book.waiting == 1, "it waits")
        house.routing.snapshot = msgspec.structs.replace(house.routing.snapshot, keys={})
        till.away = False
        till.book.on_due()
        assert (await wire.answer()).status == 401
        assert till.reserved == 0


async def test_every_end_gives_back_what_it_did_not_cost(upstream: FakeUpstream) -> None:
    till = Till("10")
    upstream.push(reply(b'{"error": {"message": "no"}}', status=500))
    async with House(priced(upstream), funds=till.funds) as house:
        assert (await house.call(chat())).status >= 500
        assert till.reserved == 0
        upstream.push(ENDLESS)
        async with house.wire() as wire:
            wire.send(CHAT, encoded(chat(stream=True)), bearer())
            await house.until(lambda: len(upstream.posts) == 2, "it is under way")
            assert till.reserved > 0
        await house.until(lambda: till.reserved == 0, "the client's leaving is noticed")
        assert house.gateway.funds.held == {}


async def test_a_form_waits_like_any_other_call(upstream: FakeUpstream) -> None:
    till = Till("0")
    async with House(priced(upstream), funds=till.funds) as house:
        body = form(Part("model", b"m"), Part("file", b"sound" * 100, filename="a.wav"))
        refused = await house.call(body, TRANSCRIPTIONS, headers())
        assert error(refused) == EMPTY
        assert house.gateway.kept_bytes == 0
        till.add("10")
        upstream.respond = transcribed
        assert (await house.call(body, TRANSCRIPTIONS, headers())).status == 200
        assert house.gateway.kept_bytes == 0
        assert till.reserved == 0


async def test_many_at_once_spend_what_is_there_and_no_more(upstream: FakeUpstream) -> None:
    body = chat(max_tokens=5)
    till = Till(str(most(body, 5) * 10), wait=0.3)
    keys = {SECRET: key()}
    async with House(priced(upstream), keys=keys, funds=till.funds) as house:
        upstream.respond = lambda _: HANG
        async with asyncio.TaskGroup() as tasks:
            answers = [tasks.create_task(house.call(body)) for _ in range(30)]
            await house.until(lambda: sum(task.done() for task in answers) == 20, "twenty are refused")
            assert till.reserved == most(body, 5) * 10
            assert {error(task.result()) for task in answers if task.done()} == {EMPTY}
            await house.client.stop()


async def test_calls_that_a_connection_repeats_reserve_each_time(upstream: FakeUpstream) -> None:
    body = chat(max_tokens=7)
    till = Till("10")
    upstream.push(ANSWER, ANSWER, ANSWER, HANG)
    async with House(priced(upstream), funds=till.funds) as house, house.wire() as wire:
        for _ in range(3):
            wire.send(CHAT, encoded(body), bearer())
            assert (await wire.answer()).status == 200
            assert till.reserved == 0
        wire.send(CHAT, encoded(body), bearer())
        await house.until(lambda: len(upstream.posts) == 4, "the call is under way")
        assert till.reserved == most(body, 7)


async def test_an_estimate_is_charged_up_to_what_was_reserved(upstream: FakeUpstream) -> None:
    body = chat(max_tokens=1)
    till = Till("10")
    told = shapes.chat_completion("fake-model", "word " * 500, prompt=0, completion=0)
    del told["usage"]
    upstream.push(json_reply(told))
    async with House(priced(upstream), funds=till.funds) as house:
        assert (await house.call(body)).status == 200
        record = await house.recorded()
    assert record.estimated
    assert (record.completion_tokens or 0) > 100
    assert record.cost == till.charged == most(body, 1)
