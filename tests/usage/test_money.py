"""Amounts as whole numbers of the smallest one."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwctl.usage.money import amount_of, units_of


@given(st.decimals(min_value=-(10**21), max_value=10**21, places=15))
def test_an_amount_and_its_units_are_the_same(amount: Decimal) -> None:
    assert amount_of(units_of(amount)) == amount


@given(st.integers(-(10**40), 10**40))
def test_units_and_their_amount_are_the_same(units: int) -> None:
    assert units_of(amount_of(units)) == units


@pytest.mark.parametrize("amount", ["0.0000000000000001", "1.0000000000000005", "-1e-16"])
def test_a_part_of_a_unit_is_no_amount(amount: str) -> None:
    with pytest.raises(ValueError, match="more than 15 decimals"):
        units_of(Decimal(amount))
