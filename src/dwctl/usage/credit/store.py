"""Reads leases, lets `leases.py` decide, writes what changed: one transaction for all reports of a process."""

from collections.abc import Mapping
from decimal import Decimal
from uuid import UUID

from dwctl.db.postgres import Connection, Database
from dwctl.db.queries import Queries
from dwctl.usage.budgets.windows import place
from dwctl.usage.credit.leases import Account, Grant, Lease, Report, Terms


class LeaseStore:
    """The leases of one holder, a process."""

    def __init__(self, database: Database, holder: UUID, installation_id: UUID, terms: Terms) -> None:
        self._database = database
        self._holder = str(holder)
        self._holder_id = holder
        self._installation_id = installation_id
        self._terms = terms
        self._sql = Queries.load(__package__)

    async def exchange(self, reports: Mapping[str, Report]) -> dict[str, Grant]:
        """Answers by pocket; none for a report that came late."""
        names = list(reports)
        async with self._database.transaction() as connection:
            await connection.execute(self._sql["lock_pockets"], names)
            standing, now = await self._standing(connection, names)
            before = {name: tuple(account.leases) for name, account in standing.items()}
            grants: dict[str, Grant] = {}
            for name, report in reports.items():
                grant = standing[name].report(self._holder, report, now, self._terms)
                if grant is not None:
                    grants[name] = grant
            await self._put(connection, {name: standing[name].leases[self._holder] for name in grants})
            await self._tell_others(connection, standing, before, grants)
        return grants

    async def purge(self) -> None:
        """Forget leases that have ended and cover nothing."""
        await self._database.execute(self._sql["purge_leases"])

    async def _standing(self, connection: Connection, names: list[str]) -> tuple[dict[str, Account], float]:
        accounts: dict[str, Account] = {}
        now = 0.0
        places = [place(name) for name in names]
        first, last = zip(*(each.window.days for each in places), strict=True)
        for row in await connection.fetch(
            self._sql["get_standing"],
            names,
            [each.scope for each in places],
            [UUID(each.id) for each in places],
            first,
            last,
        ):
            balance: Decimal = row["balance"]
            account = accounts.setdefault(row["pocket"], Account(balance, {}))
            now = row["now"]
            if row["holder"] is not None:
                account.leases[str(row["holder"])] = Lease(
                    outstanding=row["outstanding"],
                    serial=row["serial"],
                    bare=row["bare"],
                    recalled=row["recalled"],
                    expires_at=row["expires_at"],
                )
        return accounts, now

    async def _put(self, connection: Connection, mine: Mapping[str, Lease]) -> None:
        if mine:
            leases = mine.values()
            await connection.execute(
                self._sql["put_leases"],
                self._holder_id,
                self._installation_id,
                list(mine),
                [lease.outstanding for lease in leases],
                [lease.serial for lease in leases],
                [lease.bare for lease in leases],
                [lease.recalled for lease in leases],
                [lease.expires_at for lease in leases],
            )

    async def _tell_others(
        self,
        connection: Connection,
        standing: Mapping[str, Account],
        before: Mapping[str, tuple[str, ...]],
        grants: Mapping[str, Grant],
    ) -> None:
        """Recall what is kept elsewhere where it is lacked here; drop what was abandoned."""
        recalled: list[tuple[str, UUID]] = []
        gone: list[tuple[str, UUID]] = []
        for name, grant in grants.items():
            leases = standing[name].leases
            for holder in before[name]:
                if holder not in leases:
                    gone.append((name, UUID(holder)))
                elif grant.recall and holder != self._holder and leases[holder].recalled:
                    recalled.append((name, UUID(holder)))
        for statement, pairs in (("recall_leases", recalled), ("drop_leases", gone)):
            if pairs:
                pockets, holders = zip(*pairs, strict=True)
                await connection.execute(self._sql[statement], pockets, holders)
