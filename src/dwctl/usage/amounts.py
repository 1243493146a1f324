"""Which amounts an entry of the ledger may have. Pure."""

from decimal import Context, Decimal

from dwctl.usage.money import PLACES

MOST = Decimal(10) ** 12
"""The largest amount of one entry: a billion of them fit a balance."""
_UNIT = Decimal(1).scaleb(-PLACES)
_WIDE = Context(prec=40)


def amount_fault(amount: Decimal) -> str | None:
    """What is wrong with the amount of an entry, if anything."""
    if not amount.is_finite() or not 0 < amount <= MOST:
        return f"expected a number above 0 and at most {MOST}"
    if amount != amount.quantize(_UNIT, context=_WIDE):
        return f"expected at most {PLACES} decimals"
    return None
