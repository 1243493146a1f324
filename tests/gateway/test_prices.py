"""What is noted of a call's price: the tariff at its start, its cost at its end, and nothing for free calls."""

from decimal import Decimal

import msgspec
import pytest

from dwctl.requests.record import Record
from dwctl.routing.rules import Rule
from dwctl.routing.snapshot import Model, Purpose
from dwctl.usage.prices import Tariff, Tariffs
from tests.fakes import shapes
from tests.fakes.answers import json_reply
from tests.fakes.upstream import FakeUpstream
from tests.gateway.house import SECRET, House, chat, key, model, snapshot, target


def tariff(ident: str, entry: str = "0.000001", out: str = "0.000002") -> Tariff:
    """A tariff."""
    return Tariff(
        id=ident,
        input=Decimal(entry),
        output=Decimal(out),
        cached_input=Decimal(entry),
        reasoning=Decimal(out),
        cache_write=Decimal(entry),
    )


def priced(known: Model, realtime: Tariff | None = None, playground: Tariff | None = None) -> Model:
    """A model with tariffs."""
    return msgspec.structs.replace(known, tariffs=Tariffs(realtime=realtime, playground=playground))


def due(record: Record, known: Tariff) -> Decimal:
    """What its tokens cost."""
    assert record.prompt_tokens
    assert record.completion_tokens
    return known.input * record.prompt_tokens + known.output * record.completion_tokens


@pytest.mark.parametrize("stream", [False, True])
async def test_a_call_is_priced_at_its_start_and_costs_at_its_end(
    upstream: FakeUpstream, stream: bool
) -> None:
    known = tariff("t")
    async with House(priced(model("m", target(upstream.url)), realtime=known)) as house:
        assert (await house.call(chat(stream=stream))).status == 200
        record = await house.recorded()
    started = house.ledger.started[0][0]
    assert (started.tariff_id, started.cost) == ("t", None)
    assert (record.tariff_id, record.cost) == ("t", due(record, known))


async def test_what_a_cache_took_and_gave_costs_what_the_tariff_says(upstream: FakeUpstream) -> None:
    known = msgspec.structs.replace(tariff("t"), cache_write=Decimal("0.00000125"), cached_input=Decimal(0))
    body = shapes.chat_completion("fake-model", "Hello.")
    body["usage"] = {
        "input_tokens": 3,
        "cache_creation_input_tokens": 100,
        "cache_read_input_tokens": 2000,
        "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 0},
        "output_tokens": 12,
    }
    upstream.push(json_reply(body))
    async with House(priced(model("m", target(upstream.url)), realtime=known)) as house:
        await house.call(chat())
        record = await house.recorded()
    assert (record.prompt_tokens, record.cached_tokens, record.cache_write_tokens) == (2103, 2000, 100)
    assert record.cost == 3 * known.input + 100 * known.cache_write + 12 * known.output


@pytest.mark.parametrize(("purpose", "ident"), [("realtime", "r"), ("playground", "p"), ("batch", None)])
async def test_the_purpose_of_the_key_decides(
    upstream: FakeUpstream, purpose: Purpose, ident: str | None
) -> None:
    known = priced(model("m", target(upstream.url)), realtime=tariff("r"), playground=tariff("p"))
    async with House(known, keys={SECRET: key(purpose)}) as house:
        await house.call(chat())
        record = await house.recorded()
    assert record.tariff_id == ident
    assert (record.cost is None) == (ident is None)


async def test_a_free_call_says_nothing_of_money(upstream: FakeUpstream) -> None:
    async with House(model("m", target(upstream.url))) as house:
        await house.call(chat())
        record = await house.recorded()
    assert (record.tariff_id, record.cost) == (None, None)
    assert b"cost" not in msgspec.json.encode(record)


async def test_a_call_without_usage_costs_nothing_and_is_priced(upstream: FakeUpstream) -> None:
    known = priced(model("m", target(upstream.url, "no-such-model")), realtime=tariff("t"))
    async with House(known) as house:
        assert (await house.call(chat())).status == 404
        record = await house.recorded()
    assert (record.tariff_id, record.cost) == ("t", Decimal(0))


async def test_behind_a_rule_the_model_that_answers_has_the_price(upstream: FakeUpstream) -> None:
    dear = priced(model("dear", target("http://127.0.0.1:9/v1")), realtime=tariff("dear", "1", "1"))
    dear = msgspec.structs.replace(dear, rules={"realtime": Rule(redirect=True, target="cheap")})
    cheap = priced(model("cheap", target(upstream.url)), realtime=tariff("cheap"))
    async with House(dear, cheap) as house:
        await house.call(chat("dear"))
        record = await house.recorded()
    assert (record.model, record.tariff_id) == ("dear", "cheap")


async def test_a_change_prices_the_next_call_and_not_the_one_under_way(upstream: FakeUpstream) -> None:
    before, after = tariff("before"), tariff("after", "5", "5")
    known = model("m", target(upstream.url))
    async with House(priced(known, realtime=before)) as house:
        house.ledger.hold()
        async with house.wire() as wire:
            wire.send("/ai/v1/chat/completions", msgspec.json.encode(chat()), headers=_headers())
            await house.until(lambda: len(house.ledger.started) == 1, "the call has begun")
            keys = house.routing.snapshot.keys
            house.routing.snapshot = msgspec.structs.replace(
                snapshot({}, priced(known, realtime=after), version=2), keys=keys
            )
            house.ledger.release()
            assert (await wire.answer()).status == 200
        first = await house.recorded()
        await house.call(chat())
        second = await house.recorded(2)
    assert (first.tariff_id, first.cost) == ("before", due(first, before))
    assert (second.tariff_id, second.cost) == ("after", due(second, after))


def _headers() -> dict[str, str]:
    return {"authorization": f"Bearer {SECRET}", "content-type": "application/json"}
