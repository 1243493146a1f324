"""Which reads go to a replica: one place decides, the rest of the program asks it.

`Reading` stands beside the pool. Without `database.replica_url` every read is the primary's. With it, a store asks
`may_lag` for what nobody minds to see some seconds late (lists, figures), and `having(moment)` for what was there,
whole, at a moment that is past, such as the outcomes of a batch that has ended. Everything else keeps to the primary: a
read that must see a write just made, and whatever is part of a transaction.

**States of the replica.** Away (it cannot be reached, or is no standby), behind (further than `replica_max_lag_secs`,
or not yet known how far), fit. Only a fit one is read. `look`, every two seconds, notes the primary's place in its log
with the primary's time, and asks the replica which of these places it has passed: so lag is known without a write, with
the clocks of the two machines never compared, and a replica that no longer receives anything is found out. A change of
state is logged once, and shown in metrics.

**Failure.** A read that the replica does not answer (it went away, is told to stop, cancels the read for its own
replay, lacks a table that a migration has just made) is done on the primary, so a read must be one that can be done
twice; a replica that cannot be reached is left alone until the next look. If the process dies nothing is lost: nothing
is kept.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Literal, Protocol, TypeVar

import asyncpg

from dwctl.core.errors import SetupError, Unavailable
from dwctl.core.metrics import Metrics
from dwctl.db.postgres import UNREACHABLE, Connection, Database, Record, reason_of
from dwctl.db.settings import PoolSettings

logger = logging.getLogger(__name__)

T = TypeVar("T")
EVERY = 2.0
LOOK_WITHIN = 5.0
READ_WITHIN = 30.0
"""A read that takes longer is done on the primary: the replica may have vanished without a word."""
MARKS = 1_000
SETTLED = timedelta(seconds=60)
"""A transaction is seen when it commits, and its time is that of its begin: so much may lie between the two."""

_PRIMARY = (
    "select pg_wal_lsn_diff(pg_current_wal_flush_lsn(), '0/0')::bigint as place, clock_timestamp() as moment"
)
_STANDBY = (
    "select pg_is_in_recovery() as standby, pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0')::bigint as place"
)
_GONE = (*UNREACHABLE, TimeoutError, asyncpg.InterfaceError, SetupError, Unavailable)
_UNANSWERED = (
    *_GONE,
    # Its replay had to go on.
    asyncpg.SerializationError,
    asyncpg.OperatorInterventionError,
    # A migration that it has not seen yet.
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedColumnError,
    asyncpg.UndefinedFunctionError,
)
State = Literal["away", "behind", "fit"]


class Reads(Protocol):
    """What reads only."""

    async def read(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Several statements in one transaction."""
        ...

    async def fetch(self, sql: str, *args: object) -> list[Record]:
        """All rows."""
        ...

    async def fetch_row(self, sql: str, *args: object) -> Record | None:
        """The first row."""
        ...


class Replica:
    """Implements `Reads` on a replica, with the primary behind it. Service: looks how far the replica is.

    Wakes every two seconds. Writes nothing; when it dies nothing is lost.
    """

    name = "replica"

    def __init__(
        self, primary: Database, dsn: str, pool: PoolSettings, metrics: Metrics, *, max_lag: float
    ) -> None:
        self.state: State = "away"
        self._told = False
        self._primary = primary
        self._database = Database(dsn, pool)
        self._open = False
        self._max_lag = max_lag
        self._marks: deque[tuple[int, datetime]] = deque(maxlen=MARKS)
        self._passed: datetime | None = None
        """The primary's time, of which everything is there."""
        self._lag = metrics.gauge(
            "dwctl_database_replica_lag_seconds", "How far the replica is behind the primary.", worst=True
        )
        self._fit = metrics.gauge(
            "dwctl_database_replica_fit",
            "Processes that read from the replica: it is there and not too far behind.",
        )
        reads = metrics.counter(
            "dwctl_database_replica_reads_total",
            "Reads that may lag, by who answered them.",
            ("answered_by",),
        )
        self._here, self._there = reads.labels("replica"), reads.labels("primary")

    async def start(self) -> None:
        """Look for it; whether it is there decides where reads go and nothing else."""
        await self.look()

    async def run(self) -> None:
        """Look now and then."""
        while True:
            await asyncio.sleep(EVERY)
            await self.look()

    async def stop(self) -> None:
        """Give the connections back."""
        await self._database.close()

    async def look(self) -> None:
        """See whether it is there, and how far it is."""
        try:
            async with asyncio.timeout(LOOK_WITHIN):
                mark = await self._primary.fetch_row(_PRIMARY)
        except (*_GONE, asyncpg.PostgresError):
            # Whoever needs the primary will tell; there is nothing to compare with.
            return
        if mark is None:
            raise RuntimeError("a select without a table has a row")
        self._marks.append((mark["place"], mark["moment"]))
        try:
            async with asyncio.timeout(LOOK_WITHIN):
                place = await self._place()
        except (*_GONE, asyncpg.PostgresError) as error:
            await self._let_go()
            # What is said of a database that cannot be opened names the primary's setting.
            self._become("away", reason_of(error.__cause__ or error))
            return
        while self._marks and self._marks[0][0] <= place:
            self._passed = self._marks.popleft()[1]
        if self._passed is None:
            self._become("behind", "it is not known yet how far")
            return
        lag = (mark["moment"] - self._passed).total_seconds() if self._marks else 0.0
        self._lag.set(lag)
        self._become("fit" if lag <= self._max_lag else "behind", f"{lag:.1f} s")

    def has(self, moment: datetime) -> bool:
        """Whether it may be read, and has everything that was committed until a moment which lies well behind."""
        return self.state == "fit" and self._passed is not None and moment < self._passed - SETTLED

    async def read(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Several statements in one transaction."""
        return await self._first(lambda database: database.read(work))

    async def fetch(self, sql: str, *args: object) -> list[Record]:
        """All rows."""
        return await self._first(lambda database: database.fetch(sql, *args))

    async def fetch_row(self, sql: str, *args: object) -> Record | None:
        """The first row."""
        return await self._first(lambda database: database.fetch_row(sql, *args))

    async def _first(self, ask: Callable[[Database], Awaitable[T]]) -> T:
        if self.state == "fit":
            try:
                async with asyncio.timeout(READ_WITHIN):
                    found = await ask(self._database)
            except _UNANSWERED as error:
                if isinstance(error, _GONE):
                    self._become("away", reason_of(error))
                else:
                    logger.info("a read goes to the primary, for the replica says: %s", reason_of(error))
            else:
                self._here.inc()
                return found
        self._there.inc()
        return await ask(self._primary)

    async def _place(self) -> int:
        if not self._open:
            await self._database.open()
            self._open = True
        row = await self._database.fetch_row(_STANDBY)
        if row is None or not row["standby"] or row["place"] is None:
            raise SetupError("it is no standby of the primary")
        place: int = row["place"]
        return place

    async def _let_go(self) -> None:
        if self._open:
            self._open = False
            self._database.give_up()
            await self._database.close()

    def _become(self, state: State, detail: str) -> None:
        if state == self.state and self._told:
            return
        self.state, self._told = state, True
        self._fit.set(state == "fit")
        if state == "fit":
            logger.info("reads that may lag go to the replica, which is %s behind", detail)
        else:
            logger.warning(
                "the server that database.replica_url names is %s (%s): reads that may lag go to the primary",
                state,
                detail,
            )


class Reading:
    """Where reads go."""

    def __init__(self, primary: Database, replica: Replica | None = None) -> None:
        self._primary = primary
        self._replica = replica

    @property
    def may_lag(self) -> Reads:
        """For what may be some seconds old."""
        return self._primary if self._replica is None else self._replica

    def having(self, moment: datetime | None) -> Reads:
        """For what has not changed since this moment; None for what still changes."""
        replica = self._replica
        if replica is None or moment is None or not replica.has(moment):
            return self._primary
        return replica
