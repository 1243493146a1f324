"""What one process holds of what is left of a budget in one period (ADR 0032). Pure.

As with credit, but that a budget can become another one from one call to the next. Then nothing is spent any more
that was lent by the old one: neither what is free, nor what comes with an answer that is on its way, nor what calls
under way leave when they end.
"""

from decimal import Decimal

from dwctl.usage.credit.leases import ZERO
from dwctl.usage.credit.pockets import Pocket


class LimitedPocket(Pocket):
    """Of one budget in one period."""

    __slots__ = ("_returning", "limit")

    def __init__(self, account: str, now: float, limit: Decimal) -> None:
        super().__init__(account, now)
        self.limit = limit
        self._returning = ZERO
        """Reserved by calls that began with another budget."""

    def renew(self, limit: Decimal, now: float) -> None:
        """The budget is another one."""
        self.limit = limit
        self.until = now
        self._stale = self._sent
        self._returning = self.reserved

    def settle(self, amount: Decimal, cost: Decimal) -> bool:
        """A call has ended; what it leaves goes back with the next report if the budget was another one."""
        exceeds = super().settle(amount, cost)
        if self._returning:
            self._returning = max(ZERO, self._returning - amount)
            left = max(ZERO, amount - cost)
            self.free -= left
            self._sum -= left
        return exceeds
