"""Amounts of money as text. Pure."""

from decimal import Decimal


def plain(amount: Decimal) -> str:
    """A decimal string without an exponent and without zeros that say nothing."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
