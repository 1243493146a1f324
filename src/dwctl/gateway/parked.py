"""Calls that wait for credit or for their budgets: whole, known, and not admitted yet."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple, Protocol

from dwctl.gateway.admission import Caller
from dwctl.gateway.intake import Calls
from dwctl.gateway.peeked import Peek
from dwctl.gateway.uploads.upload import Upload
from dwctl.usage.budgets.windows import Purse
from dwctl.usage.credit.book import PocketBook
from dwctl.usage.credit.claims import Claim
from dwctl.usage.credit.pockets import Shortage
from dwctl.usage.credit.reservation import Reservation
from dwctl.usage.credit.settings import ReservationSettings
from dwctl.wire.errors import Problem
from dwctl.wire.exchange import Exchange


class Body(NamedTuple):
    """What a call begins with, beside its exchange."""

    caller: Caller
    upload: Upload | None
    peeked: Peek | None


class Till(Protocol):
    """Where calls get their reservations; implemented by `Funds`."""

    book: PocketBook
    settings: ReservationSettings
    entering: Reservation | None

    def problem(self, shortage: Shortage, purse: Purse | None) -> Problem:
        """The answer to a call that gets nothing from this budget, or no credit."""
        ...

    def undo(self) -> None:
        """The call that was entering is none."""
        ...


class Parked:
    """One call."""

    __slots__ = ("_body", "_calls", "_claim", "_exchange", "_till", "_timer")

    def __init__(self, till: Till, calls: Calls, exchange: Exchange, body: Body) -> None:
        self._till = till
        self._calls = calls
        self._exchange = exchange
        self._body = body
        self._claim: Claim | None = None
        self._timer: asyncio.TimerHandle | None = None

    def wait(self, account: str, purses: Sequence[Purse], amount: Decimal) -> None:
        """Until there is enough, at most as long as the settings say."""
        till = self._till
        self._exchange.on_abort = self._abort
        self._claim = claim = Claim(till.book, account, purses, amount, self._told)
        self._timer = asyncio.get_running_loop().call_later(till.settings.wait, claim.give_up)
        claim.begin()

    def _told(self, outcome: Reservation | Shortage, purse: Purse | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._exchange.on_abort = None
        if isinstance(outcome, Shortage):
            self._close()
            self._calls.refuse(self._exchange, self._till.problem(outcome, purse))
            return
        self._till.entering = outcome
        if not self._calls.step(self._exchange, self._start):
            self._close()
        # One that is free by now has no use for it.
        self._till.undo()

    def _start(self, exchange: Exchange) -> bool:
        """The call is admitted anew, by what holds now."""
        self._calls.start(exchange, *self._body)
        return True

    def _abort(self) -> None:
        """The client has left."""
        if self._timer is not None:
            self._timer.cancel()
        if self._claim is not None:
            self._claim.leave()
        self._close()

    def _close(self) -> None:
        self._calls.forget(self._body.peeked)
        if self._body.upload is not None:
            self._body.upload.close()
