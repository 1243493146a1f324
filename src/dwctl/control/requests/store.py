"""Pages of recorded calls in PostgreSQL.

Pages are cut by the id, which rises with time: no page counts or skips what came before it. Rows are read along one
index, that of the ids, of an owner or of a model, and other filters are applied to at most `SCAN` of them. A page that
found too little by then ends there and says where to go on, so the work of a page has a bound whatever the history
and the filters are. The newest day is tried alone first: then the partitions before it are not even opened.
"""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import asyncpg
import msgspec

from dwctl.control.requests.structs import Attempt, ToolCall
from dwctl.core.clock import Clock
from dwctl.core.errors import BadRequest
from dwctl.core.ids import least_of, moment_of
from dwctl.db.postgres import Connection, Database
from dwctl.db.queries import Queries
from dwctl.db.replica import Reading, Reads

SCAN = 20_000
"""Rows that one step of a page looks at: some 20 ms of work."""
DAY_MS = 86_400_000
LEAST = UUID(int=0)
MOST = UUID(int=2**128 - 1)


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which calls; None does not narrow. Ids in [low, high)."""

    low: UUID = LEAST
    high: UUID = MOST
    descending: bool = True
    owner: UUID | None = None
    model: str | None = None
    status_code: int | None = None
    status_code_min: int | None = None
    status_code_max: int | None = None
    min_duration_ms: float | None = None
    max_duration_ms: float | None = None
    uri_pattern: str | None = None
    batch: UUID | None = None
    """A batch, or the group of a single queued call."""
    custom_id: str | None = None
    states: list[int] | None = None
    service_tier: str | None = None
    background: bool | None = None


class Found(msgspec.Struct, frozen=True):
    """Ids of a page in their order, and the last row that was looked at if there may be more behind it."""

    ids: list[UUID]
    further: UUID | None


class Row(msgspec.Struct, frozen=True):
    """A row of `requests` with the names of what it belongs to."""

    id: UUID
    state: int
    stream: bool
    status_code: int | None
    upstream_status: int | None
    created_at: datetime
    owner_id: UUID
    email: str | None
    key_id: UUID | None
    key_name: str | None
    secret_prefix: str | None
    endpoint_id: UUID | None
    endpoint_name: str | None
    path: str
    model: str
    target_model: str | None
    service_tier: str
    first_byte_ms: float | None
    duration_ms: float | None
    overhead_ms: float | None
    prompt_tokens: int | None
    completion_tokens: int | None
    reasoning_tokens: int | None
    cached_tokens: int | None
    cache_write_tokens: int | None
    total_tokens: int | None
    audio_seconds: float | None
    estimated: bool
    tariff_id: UUID | None
    cost: Decimal | None
    request_size: int
    response_size: int | None
    finish_reason: str | None
    error_code: str | None
    error_message: str | None
    user_agent: str | None
    batch_id: UUID | None
    custom_id: str | None
    background: bool
    attempt: int
    completed_at: datetime | None
    deadline: datetime | None
    started_at: datetime | None
    running: bool
    """Queued, and some process runs it at this moment."""


class RequestLog:
    """Rows of `requests`, to be looked through."""

    def __init__(
        self, database: Database, clock: Clock, *, scan: int = SCAN, reading: Reading | None = None
    ) -> None:
        self._database = database
        self._reads = (reading or Reading(database)).may_lag
        self._clock = clock
        self._scan = scan
        self._sql = Queries.load(__package__)

    async def find(self, wanted: Wanted, limit: int) -> Found:
        """The first `limit` calls that fit."""
        name, more = statement(wanted)
        filters = (
            wanted.model,
            wanted.status_code,
            wanted.status_code_min,
            wanted.status_code_max,
            wanted.min_duration_ms,
            wanted.max_duration_ms,
            wanted.uri_pattern,
            wanted.batch,
            wanted.custom_id,
            wanted.states,
            wanted.service_tier,
            wanted.background,
            *more,
        )

        async def read(connection: Connection) -> Found:
            ids: list[UUID] = []
            within = wanted
            if wanted.batch is not None:
                bounds = await connection.fetchrow(self._sql["bounds_of_batch"], wanted.batch)
                if bounds is None:
                    return Found([], None)
                within = _within(wanted, bounds["first_id"], bounds["last_id"])
            await connection.execute(self._sql["without_sorting"])
            for low, high in self._steps(within):
                # One more than wanted tells whether there is a next page.
                left = limit + 1 - len(ids)
                try:
                    rows = await connection.fetch(self._sql[name], low, high, self._scan, left, *filters)
                except asyncpg.InvalidEscapeSequenceError as error:
                    raise BadRequest("uri_pattern: expected a character after the last backslash") from error
                ids += [row["id"] for row in rows if row["fits"]]
                if len(ids) > limit:
                    return Found(ids[:limit], ids[limit - 1])
                if rows and rows[-1]["last"]:
                    return Found(ids, rows[-1]["id"])
            return Found(ids, None)

        return await self._reads.read(read)

    async def describe(self, ids: list[UUID]) -> list[Row]:
        """These calls of a list, in this order; those that are gone are left out."""
        return await self._rows(self._reads, ids)

    async def one(self, ident: UUID) -> Row | None:
        """A call by its id: it may just have been made."""
        return next(iter(await self._rows(self._database, [ident])), None)

    async def _rows(self, source: Reads, ids: list[UUID]) -> list[Row]:
        found = {row["id"]: Row(*row.values()) for row in await source.fetch(self._sql["describe"], ids)}
        return [found[ident] for ident in ids if ident in found]

    async def earlier_attempts(self, ident: UUID) -> list[Attempt]:
        """Those of a call that another one followed."""
        rows = await self._database.fetch(self._sql["earlier_attempts"], ident)
        return [Attempt(*row.values()) for row in rows]

    async def tool_calls(self, ident: UUID) -> list[ToolCall]:
        """Of tools of the server, in all attempts of a call."""
        rows = await self._database.fetch(self._sql["tool_calls"], ident)
        return [ToolCall(*row.values()) for row in rows]

    def _steps(self, wanted: Wanted) -> Iterator[tuple[UUID, UUID]]:
        """Ranges of ids, read one after another until the page is full."""
        if wanted.low >= wanted.high:
            return
        middle = wanted.low
        if wanted.descending:
            newest = min(moment_of(wanted.high), int(self._clock.now() * 1000))
            middle = max(wanted.low, least_of(newest - DAY_MS))
        yield middle, wanted.high
        if middle > wanted.low:
            yield wanted.low, middle


def _within(wanted: Wanted, first: UUID, last: UUID) -> Wanted:
    """Between these two ids."""
    behind = UUID(int=min(last.int + 1, MOST.int))
    return msgspec.structs.replace(wanted, low=max(wanted.low, first), high=min(wanted.high, behind))


def statement(wanted: Wanted) -> tuple[str, tuple[UUID, ...]]:
    """The name of the statement whose index fits best, and what it takes beside the filters."""
    direction = "newest" if wanted.descending else "oldest"
    if wanted.owner is not None:
        return f"{direction}_of_owner", (wanted.owner,)
    return f"{direction}_of_{'all' if wanted.model is None else 'model'}", ()
