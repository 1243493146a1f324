"""A call that waits for its reservations: from each of its budgets, the narrowest first, then from its account. Pure.

Pockets are taken one after another and always in this order, so calls cannot wait for each other, and one that waits
for a key's budget keeps nothing of the account's from others. What was taken is given back when a later pocket has
nothing. Whoever has the budget and not the credit keeps the budget's part meanwhile, as a call under way does.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal

from dwctl.usage.budgets.windows import Purse
from dwctl.usage.credit.book import PocketBook
from dwctl.usage.credit.leases import ZERO
from dwctl.usage.credit.pockets import Pocket, Shortage, Waiter
from dwctl.usage.credit.reservation import Reservation

Told = Callable[[Reservation | Shortage, Purse | None], None]
"""Called once: with all reservations, or with why there are none and which budget has nothing; None is the account."""


class Claim:
    """One call's."""

    __slots__ = ("_account", "_amount", "_book", "_left", "_place", "_purse", "_purses", "_taken", "_told")

    def __init__(
        self, book: PocketBook, account: str, purses: Sequence[Purse], amount: Decimal, told: Told
    ) -> None:
        self._book = book
        self._account = account
        self._purses = purses
        self._amount = amount
        self._told = told
        self._left = iter(purses)
        self._purse: Purse | None = None
        """Whose pocket is waited for; None for the account's."""
        self._place: tuple[Pocket, Waiter] | None = None
        self._taken: list[Reservation] = []

    def begin(self) -> None:
        """Ask for everything, and wait for the first; it may be told at once."""
        if self._purses:
            self._book.open(self._account, self._purses, self._amount)
        self._next()

    def give_up(self) -> None:
        """It has waited long enough, and is told so unless it was told already."""
        if self._place is not None:
            self._book.give_up(*self._place)

    def leave(self) -> None:
        """The caller has left."""
        place, self._place = self._place, None
        if place is not None:
            pocket, waiter = place
            pocket.leave(waiter)
        self._give_back()

    def _next(self) -> None:
        """Take from pockets that have it, and wait at the first that does not."""
        while True:
            self._purse = next(self._left, None)
            name = self._account if self._purse is None else self._purse.name
            found = self._book.reserve(name, self._amount)
            if found is None:
                self._place = self._book.wait(name, self._amount, self._on_outcome)
                return
            if self._took(found):
                return

    def _on_outcome(self, outcome: Reservation | Shortage) -> None:
        self._place = None
        if isinstance(outcome, Shortage):
            self._give_back()
            self._told(outcome, self._purse)
        elif not self._took(outcome):
            self._next()

    def _took(self, reservation: Reservation) -> bool:
        """Whether that was the last one; then the call is told."""
        if self._purse is not None:
            self._taken.append(reservation)
            return False
        reservation.others, self._taken = tuple(self._taken), []
        self._told(reservation, None)
        return True

    def _give_back(self) -> None:
        taken, self._taken = self._taken, []
        for reservation in taken:
            self._book.settle(reservation, ZERO)
