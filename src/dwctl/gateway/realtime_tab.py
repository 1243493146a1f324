"""The credit of one realtime session: reserved for a response ahead, charged response by response (decision 0033).

A session holds a reservation for each response that runs, and one while none does, so that the next one is paid for.
A response that ends takes one of them with it and another is reserved. When there is not enough at once the session
waits, and is told when it may go on or that there is no credit.
"""

import asyncio
from collections.abc import Callable
from decimal import Decimal

from dwctl.gateway.funds import Funds
from dwctl.usage.credit.leases import ZERO
from dwctl.usage.credit.pockets import Pocket, Reservation, Shortage, Waiter
from dwctl.usage.credit.settings import ReservationSettings
from dwctl.usage.prices import Tariff


def bound_of_response(tariff: Tariff, settings: ReservationSettings) -> Decimal:
    """The most that one response costs: a full context, and the longest answer."""
    return tariff.dearest_input * settings.session_tokens + tariff.dearest_output * settings.output_tokens


class Tab:
    """One session's."""

    def __init__(
        self, funds: Funds, account: str, amount: Decimal, told: Callable[[Shortage | None], None]
    ) -> None:
        self._funds = funds
        self._account = account
        self._amount = amount
        """For one response."""
        self._told = told
        """Called, never within a call of ours, when a wait is over: None when the session may go on."""
        self._held: list[Reservation] = []
        self._wanted = 1
        self._place: tuple[Pocket, Waiter] | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> bool:
        """Whether credit is missing."""
        return self._place is not None

    @property
    def reserved(self) -> Decimal:
        """What is held."""
        return sum((each.amount for each in self._held), ZERO)

    def cover(self, responses: int) -> bool:
        """Hold enough for so many; False when the session has to wait for that."""
        self._wanted = max(1, responses)
        book = self._funds.book
        while self._place is None and len(self._held) < self._wanted and self._amount:
            reservation = book.reserve(self._account, self._amount)
            if reservation is None:
                self._wait()
            else:
                self._held.append(reservation)
        return self._place is None

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

    def _wait(self) -> None:
        funds = self._funds
        funds.waited()
        place = self._place = funds.book.wait(self._account, self._amount, self._answered)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(funds.settings.wait, funds.book.give_up, *place)

    def _answered(self, outcome: Reservation | Shortage) -> None:
        self._place = None
        if self._timer is not None:
            self._timer.cancel()
        if isinstance(outcome, Shortage):
            self._told(outcome)
            return
        self._held.append(outcome)
        if self.cover(self._wanted):
            self._told(None)

    def _leave(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._place is not None:
            pocket, waiter = self._place
            pocket.leave(waiter)
            self._place = None
