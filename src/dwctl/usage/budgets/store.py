"""What was spent of budgets, as the database counts it (ADR 0032). Budgets themselves stand with keys and accounts.

Charges add to the counters in the statement that books them (requests/queries.sql), of accounts that are `counted`. An
account becomes that with the first budget of its own or of one of its keys, in the transaction that sets it: what was
charged before is summed up, nearly all of it while others go on; only while the last minute of it is summed up nobody
is charged on this account. If the process dies, all of that is undone or none.
"""

from collections.abc import Mapping
from decimal import Decimal
from uuid import UUID

from dwctl.db.postgres import Connection, Database
from dwctl.db.queries import Queries
from dwctl.usage.budgets.windows import Period, Scope, day_of, window


class BudgetStore:
    """Rows of `budget_spend`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = Queries.load(__package__)

    async def spent(self, scope: Scope, periods: Mapping[UUID, Period], now: float) -> dict[UUID, Decimal]:
        """What each of these has spent in the period that is now."""
        if not periods:
            return {}
        first, last = zip(*(window(period, day_of(now)).days for period in periods.values()), strict=True)
        rows = await self._database.fetch(self._sql["spent"], scope, list(periods), first, last)
        return {row["id"]: row["spent"] for row in rows}

    async def count_in(self, connection: Connection, account: UUID) -> None:
        """From this transaction on it is counted what an account and its keys spend, all of the past included."""
        await connection.execute(self._sql["lock_counting"], account)
        if await connection.fetchval(self._sql["is_counted"], account):
            return
        until = await connection.fetchval(self._sql["settled_until"])
        await connection.execute(self._sql["count_history"], account, None, until)
        await connection.execute(self._sql["begin_counting"], account)
        await connection.execute(self._sql["count_history"], account, until, None)
