"""The credit of accounts without a database: the rules of the product, asked at once, whenever somebody wants it."""

import asyncio
from decimal import Decimal

import msgspec

from dwctl.core.ids import new_id
from dwctl.core.settings import Duration
from dwctl.gateway.funds import Funds
from dwctl.routing.snapshot import Key
from dwctl.usage.budgets.windows import Budget, Budgets, Period, Scope, place
from dwctl.usage.credit.book import PocketBook
from dwctl.usage.credit.leases import ZERO, Account, Terms
from dwctl.usage.credit.settings import ReservationSettings
from dwctl.usage.prices import Tariff, Tariffs

PRICE = Decimal("0.001")


class Till:
    """One account's credit, and the pockets of one gateway on it."""

    def __init__(self, credit: str, *, wait: float = 5.0, output_tokens: int = 100) -> None:
        self.settings = ReservationSettings(wait=Duration(wait), output_tokens=output_tokens)
        self.account = Account(Decimal(credit), {})
        self.budgets: dict[str, Decimal] = {}
        """Of keys and accounts, by their id."""
        self._budgeted: dict[str, Account] = {}
        self.away = False
        self._terms = Terms()
        self._scheduled = False
        self.book = PocketBook(self._terms)
        self.book.on_due = self._schedule
        self.funds = Funds(self.book, self.settings)
        self.notes = 0

    @property
    def reserved(self) -> Decimal:
        """By calls under way."""
        return self.book.reserved

    @property
    def charged(self) -> Decimal:
        """What calls have cost."""
        return sum((pocket.unsettled for pocket in self.book.pockets.values() if pocket.limit is None), ZERO)

    @property
    def reserved_anywhere(self) -> Decimal:
        """By calls under way, or by those that wait for more, of credit and budgets."""
        return sum((pocket.reserved for pocket in self.book.pockets.values()), ZERO)

    def bind(self, known: Key, amount: str, period: Period = "month", *, scope: Scope = "key") -> Key:
        """The key with a budget: its own, or one of its account, besides what it has."""
        ident = known.id if scope == "key" else known.owner_id
        self.budgets[ident] = Decimal(amount)
        budget = Budget(scope=scope, id=ident, name="the name", amount=Decimal(amount), period=period)
        before = () if known.budgets is None else known.budgets.all
        return msgspec.structs.replace(known, budgets=Budgets([*before, budget]))

    def add(self, amount: str) -> None:
        """Somebody adds credit."""
        self.account.balance += Decimal(amount)

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._exchange)

    def _exchange(self) -> None:
        self._scheduled = False
        if self.away:
            return
        sent_at = self.book.now()
        grants = {}
        # No charge is ever known to be committed, so that all of them stay held.
        for name, report in self.book.reports(1, 0).items():
            grant = self._account(name).report("gateway", report, 0.0, self._terms)
            if grant is not None:
                grants[name] = grant
        self.book.granted(grants, sent_at)
        if self.book.waiting:
            asyncio.get_running_loop().call_later(0.01, self._schedule)

    def _account(self, name: str) -> Account:
        scope, ident, _ = place(name)
        if scope is None:
            return self.account
        known = self._budgeted.setdefault(name, Account(ZERO, {}))
        known.balance = self.budgets.get(ident, Decimal(10**12))
        return known


def tariffs(entry: Decimal = PRICE, out: Decimal = PRICE) -> Tariffs:
    """The same prices for every purpose."""
    tariff = Tariff(
        id=new_id(), input=entry, output=out, cached_input=entry, reasoning=out, cache_write=entry
    )
    return Tariffs(realtime=tariff, playground=tariff, platform=tariff, batch=tariff)
