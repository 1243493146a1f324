"""What may be done with batches (spec/platform §1.15, §8)."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from dwctl.core.clock import Clock
from dwctl.core.errors import BadRequest, NotFound
from dwctl.engine.batches.creation import Creation
from dwctl.engine.batches.results import Part, Results, results
from dwctl.engine.batches.status import analytics_of, shown, status_of
from dwctl.engine.batches.store import BatchStore, Wanted
from dwctl.engine.batches.structs import Analytics, Batch, BatchCreate, BatchList, BatchRow
from dwctl.identity.permissions import Operation, Resource, Scope, allows, require
from dwctl.identity.principal import Principal
from dwctl.requests.queue.store import QueueStore
from dwctl.requests.queue.windows import once_more

MAX_LIMIT = 101
RETRY_AT_ONCE = 1000
"""Requests that one transaction puts back."""
FILTERS = ("in_progress", "completed", "failed", "cancelled", "expired")


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """A list as it is asked for; None does not narrow."""

    after: str | None = None
    limit: int = 20
    search: str | None = None
    member_id: UUID | None = None
    status: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    active_first: bool = False
    windows: frozenset[str] | None = None
    analytics: bool = False
    endpoint: str | None = None
    model: str | None = None


class BatchActions:
    """Rules before rows."""

    def __init__(self, store: BatchStore, creation: Creation, queue: QueueStore, clock: Clock) -> None:
        self._store = store
        self._creation = creation
        self._queue = queue
        self._clock = clock

    async def create(self, who: Principal, wanted: BatchCreate, key: str | None) -> Batch:
        """A new batch, which others populate and run; with a key that was used, the one that it made."""
        batch_id = await self._creation.create(who, wanted, key)
        return await self._shown(batch_id, who.owner_id)

    async def page(self, who: Principal, query: Query) -> BatchList:
        """Some of the batches that the caller may see."""
        owner = self._owner(who, Operation.READ)
        if query.status is not None and query.status not in FILTERS:
            raise BadRequest(
                f"Unknown batch status filter '{query.status}'. Supported values are: {', '.join(FILTERS)}",
                param="status",
                code="invalid_value",
            )
        place = None
        if query.after is not None:
            place = await self._store.place(batch_id_of(query.after, "after"), owner)
            if place is None:
                raise BadRequest(
                    f"after: expected the id of a batch, got {query.after[:100]!r}", param="after"
                )
        wanted = Wanted(
            owner=owner,
            creator=query.member_id,
            search=query.search,
            status=query.status,
            windows=None if query.windows is None else sorted(query.windows),
            after=query.created_after,
            before=query.created_before,
            active_first=query.active_first,
            endpoint=query.endpoint,
            model=query.model,
        )
        limit = min(max(1, query.limit), MAX_LIMIT)
        rows = await self._store.page(wanted, place, limit + 1)
        now = self._now()
        batches = [shown(row, now, analytics=query.analytics) for row in rows[:limit]]
        return BatchList(
            data=batches,
            first_id=batches[0].id if batches else None,
            last_id=batches[-1].id if batches else None,
            has_more=len(rows) > limit,
        )

    async def get(self, who: Principal, text: str) -> Batch:
        """One batch."""
        return shown(await self._row(who, text, Operation.READ), self._now())

    async def analytics(self, who: Principal, text: str) -> Analytics:
        """What it has come to."""
        return analytics_of(await self._row(who, text, Operation.READ))

    async def results(self, who: Principal, text: str, part: Part) -> Results:
        """Its lines and what has become of them."""
        return results(self._store, await self._row(who, text, Operation.READ), part)

    async def cancel(self, who: Principal, text: str) -> Batch:
        """Let nothing of it be started any more; one that has ended stays as it is."""
        row = await self._row(who, text, Operation.UPDATE)
        await self._queue.cancel(row.id)
        return await self._shown(row.id, row.owner_id)

    async def delete(self, who: Principal, text: str) -> None:
        """Cancel and hide it."""
        row = await self._row(who, text, Operation.DELETE)
        await self._queue.cancel(row.id)
        if not await self._store.delete(row.id):
            raise _missing(text)

    async def retry(self, who: Principal, text: str) -> Batch:
        """Put everything back that has failed; of many, the rest follows by steps."""
        row = await self._row(who, text, Operation.UPDATE)
        self._may_retry(row)
        if await self._queue.retry_failed(row.id, RETRY_AT_ONCE, self._deadline(row)) is None:
            raise BadRequest("No failed requests to retry")
        return await self._shown(row.id, row.owner_id)

    async def retry_requests(self, who: Principal, text: str, wanted: Sequence[str]) -> Batch:
        """Put these back, if they have failed; all of them must be the batch's."""
        row = await self._row(who, text, Operation.UPDATE)
        ids = [request_id_of(one) for one in dict.fromkeys(wanted)]
        if not ids:
            raise BadRequest("request_ids: expected at least one id", param="request_ids")
        known = await self._store.requests_of(row.id, ids)
        missing = next((ident for ident in ids if ident not in known), None)
        if missing is not None:
            raise NotFound(f"Request with ID {missing} not found in batch {row.id}", param="request_ids")
        self._may_retry(row)
        if not await self._put_back(row, known):
            raise BadRequest("No failed requests to retry", param="request_ids")
        return await self._shown(row.id, row.owner_id)

    async def _put_back(self, row: BatchRow, known: Mapping[UUID, bool]) -> int:
        failed = [ident for ident, has_failed in known.items() if has_failed]
        deadline = self._deadline(row)
        return sum(
            [
                await self._queue.retry(row.id, failed[start : start + RETRY_AT_ONCE], deadline)
                for start in range(0, len(failed), RETRY_AT_ONCE)
            ]
        )

    def _may_retry(self, row: BatchRow) -> None:
        status = status_of(row)
        if status in ("cancelling", "cancelled"):
            raise BadRequest(f"Cannot retry requests of a batch with status '{status}'.")
        if row.file_id is None:
            raise BadRequest("Cannot retry requests of a batch whose input file is deleted.")

    def _deadline(self, row: BatchRow) -> datetime:
        """Of a batch that is retried after its deadline: its window once more."""
        return once_more(row.completion_window, self._clock.now())

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.now(), UTC)

    async def _row(self, who: Principal, text: str, operation: Operation) -> BatchRow:
        row = await self._store.get(batch_id_of(text), self._owner(who, operation))
        if row is None:
            raise _missing(text)
        return row

    async def _shown(self, batch_id: UUID, owner: UUID) -> Batch:
        row = await self._store.get(batch_id, owner)
        if row is None:
            raise _missing(str(batch_id))
        return shown(row, self._now())

    def _owner(self, who: Principal, operation: Operation) -> UUID | None:
        """Whose batches alone may be seen; None is everybody's. A key of an organization sees that one's."""
        if who.owner_id == who.user_id and allows(who, Resource.BATCHES, operation, Scope.ALL):
            return None
        require(who, Resource.BATCHES, operation, Scope.OWN)
        return who.owner_id


def batch_id_of(text: str, param: str = "batch_id") -> UUID:
    """A bare UUID, or one with a prefix."""
    return _uuid(text.removeprefix("batch_").removeprefix("batch-"), text, param, "batch")


def request_id_of(text: str) -> UUID:
    """As results, lines of files and answers have it."""
    return _uuid(text.removeprefix("batch_req_").removeprefix("resp_"), text, "request_ids", "request")


def _uuid(bare: str, text: str, param: str, noun: str) -> UUID:
    try:
        return UUID(bare)
    except ValueError as error:
        raise BadRequest(f"{param}: expected the id of a {noun}, got {text[:100]!r}", param=param) from error


def _missing(text: str) -> NotFound:
    return NotFound(f"Batch with ID {text[:100]} not found", param="batch_id")
