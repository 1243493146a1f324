"""What calls cost: to the last digit, by the right tariff."""

from decimal import Decimal, Inexact
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwctl.usage.charging import charge
from dwctl.usage.money import amount_of
from dwctl.usage.prices import Tariff, Tariffs, tariffs_of

MOST = 2**31 - 1
PRICES = st.decimals(min_value=0, max_value=99_999, places=15)
TOKENS = st.none() | st.integers(0, MOST)


def tariff(**prices: str) -> Tariff:
    """A tariff with these prices; the others are those of input and output."""
    known = {"input": "0", "output": "0", **prices}
    entry, out = known["input"], known["output"]
    known = {"cached_input": entry, "cache_write": entry, "reasoning": out, **known}
    return Tariff(
        id="t",
        input=Decimal(entry),
        output=Decimal(out),
        cached_input=Decimal(known["cached_input"]),
        reasoning=Decimal(known["reasoning"]),
        cache_write=Decimal(known["cache_write"]),
    )


@given(st.tuples(PRICES, PRICES, PRICES, PRICES, PRICES), TOKENS, TOKENS, TOKENS, TOKENS, TOKENS)
def test_a_cost_is_exact_and_fits_the_ledger(
    prices: tuple[Decimal, Decimal, Decimal, Decimal, Decimal],
    entry: int | None,
    out: int | None,
    cached: int | None,
    reasoning: int | None,
    written: int | None,
) -> None:
    known = Tariff(
        id="t",
        input=prices[0],
        output=prices[1],
        cached_input=prices[2],
        reasoning=prices[3],
        cache_write=prices[4],
    )
    cost, units = charge(known, entry, out, cached, reasoning, written)
    assert amount_of(units) == cost == known.cost(entry, out, cached, reasoning, written)
    hit, thought = min(cached or 0, entry or 0), min(reasoning or 0, out or 0)
    exact = [Fraction(price) for price in prices]
    kept = min(written or 0, (entry or 0) - hit)
    parts = ((entry or 0) - hit - kept, (out or 0) - thought, hit, thought, kept)
    most = (entry or 0) * known.dearest_input + (out or 0) * known.dearest_output
    assert cost <= amount_of(most * known.units)
    assert Fraction(cost) == sum(price * count for price, count in zip(exact, parts, strict=True))
    assert cost >= 0
    assert (Fraction(cost) * 10**15).denominator == 1
    assert cost < Decimal("1e21")


def test_parts_have_prices_of_their_own() -> None:
    known = tariff(input="3", output="15", cached_input="0.3", reasoning="20")
    assert known.cost(10, 7, 4, 2) == 6 * 3 + 4 * Decimal("0.3") + 5 * 15 + 2 * 20


def test_what_is_written_to_a_cache_has_its_price_and_what_came_from_it_its_own() -> None:
    known = tariff(input="3", cached_input="0.3", cache_write="3.75")
    assert known.cost(100, 0, 40, None, 50) == 10 * 3 + 40 * Decimal("0.3") + 50 * Decimal("3.75")
    assert known.cost(100, 0, 40, None, 90) == 40 * Decimal("0.3") + 60 * Decimal("3.75")
    assert known.cost(100, 0, None, None, None) == 300


def test_nothing_known_costs_nothing() -> None:
    assert tariff(input="3", output="15").cost(None, None, None, None) == 0


def test_more_cached_than_read_is_all_of_it() -> None:
    assert tariff(input="2", cached_input="1").cost(3, None, 9, None) == 3


def test_what_would_be_rounded_raises() -> None:
    with pytest.raises(Inexact):
        tariff(input="1." + "1" * 70).cost(3, 0, 0, 0)


def row(ident: str, purpose: str | None, window: str | None = None) -> dict[str, Any]:
    """A row in force."""
    return {
        "id": ident,
        "purpose": purpose,
        "completion_window": window,
        "input_price": Decimal("0.000001000000000"),
        "output_price": Decimal(1),
        "cached_input_price": None,
        "reasoning_price": Decimal("0.5"),
        "cache_write_price": None,
    }


def named(tariffs: Tariffs | None, purpose: str, window: str | None = None) -> str | None:
    """Which one is a call's."""
    found = None if tariffs is None else tariffs.of(purpose, window)
    return None if found is None else found.id


def test_the_tariff_is_that_of_window_purpose_realtime_or_every_purpose() -> None:
    full = tariffs_of(
        [row("any", None), row("real", "realtime"), row("play", "playground"), row("day", "batch", "24h")]
    )
    assert named(full, "realtime") == "real"
    assert named(full, "playground") == "play"
    assert named(full, "platform") == "real"
    assert named(full, "batch", "24h") == "day"
    assert named(full, "batch", "1h") == "real"
    assert named(full, "batch") == "real"
    assert named(full, "realtime", "24h") == "real"
    assert named(tariffs_of([row("any", None)]), "playground") == "any"
    assert named(tariffs_of([row("play", "playground")]), "realtime") is None
    assert named(tariffs_of([row("day", "batch", "24h")]), "batch", "1h") is None
    assert tariffs_of([]) is None


def test_a_price_that_is_not_there_is_that_of_the_whole() -> None:
    tariffs = tariffs_of([row("real", "realtime")])
    assert tariffs is not None
    assert tariffs.realtime is not None
    assert tariffs.realtime.cached_input == tariffs.realtime.input == Decimal("0.000001")
    assert tariffs.realtime.cache_write == tariffs.realtime.input
    assert tariffs.realtime.reasoning == Decimal("0.5")
