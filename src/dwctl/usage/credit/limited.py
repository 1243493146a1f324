"""What one process holds of what is left of a budget in one period (ADR 0032). Pure.

As with credit, but that a budget can become another one from one call to the next. Then nothing is spent any more
that was lent by the old one: neither what is free, nor what comes with an answer that is on its way, nor what calls
under way leave when they end.
"""

from decimal import Decimal

from dwctl.usage.credit.pockets import Pocket


class LimitedPocket(Pocket):
    """Of one budget in one period."""

    __slots__ = ("_returning",)

    def __init__(self, account: str, now: float, limit: Decimal) -> None:
        super().__init__(account, now)
        self.limit = limit
        self._returning = 0
        """Reserved by calls that began with another budget."""

    def renew(self, limit: Decimal, now: float) -> None:
        """The budget is another one."""
        self.limit = limit
        self.until = now
        self._stale = self._sent
        self._returning = self.promised

    def settle(self, units: int, cost: int) -> bool:
        """A call has ended; what it leaves goes back with the next report if the budget was another one."""
        exceeds = super().settle(units, cost)
        if self._returning:
            self._returning = max(0, self._returning - units)
            left = max(0, units - cost)
            self.spare -= left
            self._sum -= left
        return exceeds
