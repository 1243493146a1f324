"""What the tokens of a call come to by a tariff: on the path of every call that is not free, and compiled. Pure.

All prices of a tariff are multiples of a power of ten, its step, so a call adds up whole numbers. Only what they come
to becomes a Decimal, by one exact product; each step of a sum of Decimals would take three times as long as one of
whole numbers. Those who add up costs, such as pockets, get it as a whole number too.
"""

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from dwctl.usage.money import EXACT

if TYPE_CHECKING:
    from dwctl.usage.prices import Tariff

_WITHOUT_CONTEXT: Final = 2**60
"""A smaller number, of non-negative ones, is not rounded in Python's usual context either, whose product takes half the
time; and compiled code has it in one word."""


def charge(
    tariff: "Tariff",
    input_tokens: int | None,
    output_tokens: int | None,
    cached: int | None,
    reasoning: int | None,
    written: int | None,
) -> tuple[Decimal, int]:
    """What so many tokens cost, as an amount and in units (money.py); unknown ones count as none.

    Tokens from a cache and those written to one are two parts of the input, the first at most all of it and the second
    at most the rest; reasoning tokens are at most all of the output.
    """
    steps = tariff.steps
    total = 0
    if input_tokens:
        total = steps.input * input_tokens
        if cached:
            total += steps.cached_input * min(cached, input_tokens)
        if written:
            rest = input_tokens - min(cached or 0, input_tokens)
            total += steps.cache_write * min(written, rest)
    if output_tokens:
        total += steps.output * output_tokens
        if reasoning:
            total += steps.reasoning * min(reasoning, output_tokens)
    amount = tariff.step * total if total < _WITHOUT_CONTEXT else EXACT.multiply(tariff.step, total)
    return amount, tariff.units * total
