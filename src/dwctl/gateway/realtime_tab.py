"""The funds of one realtime session: reserved for a response ahead, charged response by response (decision 0033).

A session holds a reservation for each response that runs, and one while none does, so that the next one is paid for.
A response that ends takes one of them with it and another is reserved. When there is not enough at once the session
waits, and is told when it may go on or why it may not.

Each is taken from credit and from every budget that the session's key has at that moment. What is held already stays as
it was taken, as with calls under way; only a session that is admitted anew gives back what other budgets lent.
"""

import asyncio
from collections.abc import Callable, Sequence
from decimal import Decimal

from dwctl.gateway.funds import Funds
from dwctl.usage.budgets.windows import Purse
from dwctl.usage.credit.claims import Claim
from dwctl.usage.credit.leases import ZERO
from dwctl.usage.credit.pockets import Shortage
from dwctl.usage.credit.reservation import Reservation
from dwctl.usage.credit.settings import ReservationSettings
from dwctl.usage.money import amount_of
from dwctl.usage.prices import Tariff
from dwctl.wire.errors import Problem

Wallet = Callable[[], Sequence[Purse]]
"""Gives the pockets beside credit from which the next response is paid."""


def bound_of_response(tariff: Tariff, settings: ReservationSettings) -> Decimal:
    """The most that one response costs: a full context, and the longest answer."""
    return amount_of(
        (tariff.dearest_input * settings.session_tokens + tariff.dearest_output * settings.output_tokens)
        * tariff.units
    )


class Tab:
    """One session's."""

    def __init__(
        self, funds: Funds, account: str, amount: Decimal, told: Callable[[Problem | None], None]
    ) -> None:
        self._funds = funds
        self._account = account
        self._amount = amount
        """For one response."""
        self._told = told
        """Called, never within a call of ours, when a wait is over: None when the session may go on."""
        self._held: list[Reservation] = []
        self._wanted = 1
        self._wallet: Wallet = tuple
        self._claim: Claim | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> bool:
        """Whether credit or a budget is missing."""
        return self._claim is not None

    @property
    def reserved(self) -> Decimal:
        """What is held."""
        return sum((each.amount for each in self._held), ZERO)

    def admit(self, wallet: Wallet) -> bool:
        """Hold enough for the first response; False when the session has to wait, and to be admitted anew."""
        self._wallet = wallet
        names = [purse.name for purse in wallet()]
        held, self._held = self._held, []
        for each in held:
            if each.purses == names:
                self._held.append(each)
            else:
                # While it waited another period began, or its budgets became other ones.
                self._funds.book.settle(each, ZERO)
        return self.cover(1)

    def cover(self, responses: int) -> bool:
        """Hold enough for so many; False when the session has to wait for that."""
        self._wanted = max(1, responses)
        book = self._funds.book
        while self._claim is None and len(self._held) < self._wanted and self._amount:
            purses = self._wallet()
            reservation = book.reserve_all(self._account, purses, self._amount)
            if reservation is None:
                self._wait(purses)
            else:
                self._held.append(reservation)
        return self._claim is None

    def charge(self, cost: Decimal) -> None:
        """A response has ended and is charged so much; its charge has been noted."""
        if self._held:
            self._funds.settle(self._held.pop(), cost)

    def close(self, cost: Decimal) -> None:
        """The session has ended, and its end is charged so much; everything else goes back."""
        self._leave()
        while self._held:
            part = min(cost, self._held[-1].amount) if len(self._held) > 1 else cost
            cost -= part
            self._funds.settle(self._held.pop(), part)

    def _wait(self, purses: Sequence[Purse]) -> None:
        funds = self._funds
        funds.waited()
        self._claim = claim = Claim(funds.book, self._account, purses, self._amount, self._answered)
        self._timer = asyncio.get_running_loop().call_later(funds.settings.wait, claim.give_up)
        # Not told at once: the pocket that did not have it a moment ago does not have it now.
        claim.begin()

    def _answered(self, outcome: Reservation | Shortage, purse: Purse | None) -> None:
        self._claim = None
        if self._timer is not None:
            self._timer.cancel()
        if isinstance(outcome, Shortage):
            self._told(self._funds.problem(outcome, purse))
            return
        self._held.append(outcome)
        if self.cover(self._wanted):
            self._told(None)

    def _leave(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        claim, self._claim = self._claim, None
        if claim is not None:
            claim.leave()
