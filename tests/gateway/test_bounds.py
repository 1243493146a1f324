"""What is reserved for a call: at least what it can cost, from its request alone."""

import json
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwctl.gateway import bounds
from dwctl.gateway.peek import Peeker
from dwctl.gateway.peeked import NO_CAPS, Caps
from dwctl.gateway.routes import ROUTES, Route
from dwctl.usage.credit.settings import ReservationSettings
from dwctl.usage.money import amount_of
from dwctl.usage.prices import Tariff

SETTINGS = ReservationSettings(output_tokens=50)
CHAT = ROUTES[b"/ai/v1/chat/completions"]
MOST = Decimal(10**9)
EMBEDDINGS = ROUTES[b"/ai/v1/embeddings"]


def tariff(entry: int = 0, out: int = 1, cached: int = 0, reasoning: int = 0, written: int = 0) -> Tariff:
    """Prices in whole units."""
    return Tariff(
        id="t",
        input=Decimal(entry),
        output=Decimal(out),
        cached_input=Decimal(cached),
        reasoning=Decimal(reasoning),
        cache_write=Decimal(written),
    )


def bound(known: Tariff, route: Route, said: Caps, size: int, settings: ReservationSettings) -> Decimal:
    """What is reserved for a call."""
    return amount_of(bounds.bound(known, route, said, size, settings))


def output(**body: Any) -> int:
    """Tokens that are reserved for the answer to such a request."""
    encoded = msgspec.json.encode({"model": "m", **body})
    return int(bound(tariff(), CHAT, caps(encoded), len(encoded), SETTINGS))


def caps(body: bytes) -> Caps:
    """The limits in a body, as the gateway reads them."""
    return Peeker().peek(body).caps


@pytest.mark.parametrize(
    ("body", "tokens"),
    [
        ({}, 50),
        ({"max_tokens": 7}, 7),
        ({"max_completion_tokens": 8}, 8),
        ({"max_output_tokens": 9}, 9),
        ({"max_tokens": 7, "max_completion_tokens": 70}, 70),
        ({"max_tokens": None}, 50),
        ({"max_tokens": 0}, 50),
        ({"max_tokens": 7, "n": 3}, 21),
        ({"max_tokens": 7, "n": 2, "best_of": 5}, 35),
        ({"n": 0}, 50),
        ({"max_tokens": "7"}, 50),
        ({"max_tokens": -1}, 50),
        ({"max_tokens": 1e30}, 50),
        ({"max_tokens": 10**30}, 50),
        ({"max_tokens": 7.0}, 7),
        ({"max_tokens": 7.5}, 50),
        ({"max_tokens": True}, 50),
        ({"max_tokens": [[7]]}, 50),
        ({"max_tokens": "7", "max_completion_tokens": 9}, 9),
        ({"max_tokens": 7, "n": {"of": 2}}, 7),
    ],
)
def test_output_is_what_the_request_allows(body: dict[str, Any], tokens: int) -> None:
    assert output(**body) == tokens


def test_input_is_a_token_for_each_byte_unless_told_otherwise() -> None:
    assert bound(tariff(entry=2, out=0), CHAT, NO_CAPS, 1000, SETTINGS) == 2000
    fewer = msgspec.structs.replace(SETTINGS, bytes_per_token=3.0)
    assert bound(tariff(entry=2, out=0), CHAT, NO_CAPS, 1000, fewer) == 668


def test_the_dearest_price_counts() -> None:
    assert bound(tariff(entry=1, out=1, cached=3, reasoning=5), CHAT, Caps(max_tokens=2), 10, SETTINGS) == 40
    assert bound(tariff(entry=1, cached=3, written=4), CHAT, Caps(max_tokens=2), 10, SETTINGS) == 42


def test_what_answers_without_tokens_reserves_none_for_them() -> None:
    assert bound(tariff(entry=1, out=9), EMBEDDINGS, NO_CAPS, 10, SETTINGS) == 10


def test_sums_of_reservations_stay_exact() -> None:
    assert bound(tariff(entry=99_999), CHAT, NO_CAPS, 2**31, SETTINGS) == MOST


@given(
    said=st.dictionaries(
        st.sampled_from(["max_tokens", "max_completion_tokens", "max_output_tokens", "n", "best_of"]),
        st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.sampled_from([None, True, "", "7", [], [7], {}, {"n": 7}]),
    ),
    size=st.integers(0, 10**9),
)
def test_no_limit_is_too_odd(said: dict[str, Any], size: int) -> None:
    body = json.dumps({"model": "m", **said}).encode()
    assert 0 <= bound(tariff(entry=1), CHAT, caps(body), size, SETTINGS) <= MOST


@given(
    prices=st.lists(st.decimals(min_value=0, max_value=99_999, places=15), min_size=5, max_size=5),
    size=st.integers(0, 10**9),
    tokens=st.integers(1, 2**31 - 1),
)
def test_what_is_reserved_is_exact(prices: list[Decimal], size: int, tokens: int) -> None:
    entry, out, cached, reasoning, written = prices
    known = Tariff(
        id="t", input=entry, output=out, cached_input=cached, reasoning=reasoning, cache_write=written
    )
    reserved = bound(known, CHAT, Caps(max_tokens=tokens), size, SETTINGS)
    exact = Fraction(max(entry, cached, written)) * size + Fraction(max(out, reasoning)) * tokens
    assert Fraction(reserved) == min(exact, Fraction(MOST))


@given(text=st.text(min_size=1), most=st.integers(1, 10**6))
def test_a_call_costs_at_most_what_is_reserved(text: str, most: int) -> None:
    """As many tokens of input as the text has bytes, and as many of output as it allows."""
    prices = tariff(entry=3, out=7, cached=2, reasoning=9)
    body = msgspec.json.encode({"messages": [{"content": text}], "max_tokens": most})
    assert prices.cost(len(text.encode()), most, 0, most) <= bound(
        prices, CHAT, caps(body), len(body), SETTINGS
    )
