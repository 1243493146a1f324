"""Amounts of money as text, and as whole numbers of the smallest one. Pure."""

from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import Final

PLACES = 15
"""Decimals of an amount, in the ledger as in prices."""
ONE: Final = int(10**PLACES)
"""One credit in units."""
EXACT: Final = Context(prec=60, traps=[Inexact, InvalidOperation])
"""Raises rather than rounds."""


def units_of(amount: Decimal) -> int:
    """How many of the smallest amount that is; raises `ValueError` for a part of one."""
    scaled = amount.scaleb(PLACES, EXACT)
    units = int(scaled)
    if units != scaled:
        raise ValueError(f"{amount} has more than {PLACES} decimals")
    return units


def amount_of(units: int) -> Decimal:
    """So many of the smallest amount."""
    return Decimal(units).scaleb(-PLACES, EXACT)


def plain(amount: Decimal) -> str:
    """A decimal string without an exponent and without zeros that say nothing."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
