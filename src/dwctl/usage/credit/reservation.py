"""What a call reserves, and how much is kept ahead for those that come."""

from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from dwctl.usage.money import amount_of

if TYPE_CHECKING:
    from dwctl.usage.credit.pockets import Pocket


class Ahead(msgspec.Struct, frozen=True, kw_only=True):
    """How much a process keeps ahead, in seconds."""

    seconds: float = 2.0
    """What was used in so long."""
    idle: float = 10.0
    """After so long without a call everything goes back."""


class Reservation(msgspec.Struct, eq=False, gc=False):
    """What one call may cost; settled exactly once, whatever is called how often."""

    pocket: "Pocket | None"
    """None once it is settled."""
    units: int
    """How much, in units (usage/money.py)."""
    others: "tuple[Reservation, ...]" = ()
    """As much from each of the budgets of the call; the book settles them with it."""

    @property
    def amount(self) -> Decimal:
        """How much that is."""
        return amount_of(self.units)

    @property
    def purses(self) -> list[str]:
        """Names of the pockets of these."""
        return [other.pocket.account for other in self.others if other.pocket is not None]
