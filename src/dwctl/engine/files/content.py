"""The bytes of a file, page by page.

Nothing is held between two pages, no connection and no transaction, so a client may read as slowly as it likes. Where a
page begins is a number of a line or a position, never a number of rows to pass over.
"""

from collections.abc import AsyncIterator
from typing import Protocol
from uuid import UUID

import msgspec

from dwctl.engine.files.store import FileStore
from dwctl.engine.files.structs import OUTPUT, FileRow, OutcomeSource, Span
from dwctl.requests.queue.lines import line_of
from dwctl.requests.record import State

SEARCHED = 20_000
"""Lines that one statement looks through for those that a search finds."""


class Part(msgspec.Struct, frozen=True):
    """Which lines of a file are wanted."""

    skip: int = 0
    """Lines to pass over; with a search, of those that it finds."""
    limit: int | None = None
    search: str | None = None
    """Only lines with this in their custom_id."""


class Content(msgspec.Struct, frozen=True):
    """What is sent."""

    text: AsyncIterator[bytes]
    incomplete: bool = False
    """Whether more lines will come."""
    next: int | None = None
    """The `skip` with which a client goes on; None for a file that has no lines."""


class _Lines(Protocol):
    """A file as lines with numbers from 0."""

    async def span(self, part: Part) -> Span:
        """What is taken of it, as it is now."""
        ...

    async def page(self, start: int, stop: int, search: str | None) -> tuple[bytes, int] | None:
        """Some lines from `start` on, as text, and the number of the last of them; None when there are none."""
        ...


class Reader:
    """Reads files."""

    def __init__(self, store: FileStore) -> None:
        self._store = store

    async def content(self, row: FileRow, part: Part) -> Content:
        """All of a file, or some of its lines."""
        if row.batch_id is not None:
            source = await self._store.outcomes(row.batch_id)
            if source is None:
                return Content(_pages(_Requests(self._store, row.id, 0), Span(0, 0, 0), None), next=part.skip)
            outcomes = _Outcomes(
                self._store, source, State.COMPLETED if row.purpose == OUTPUT else State.FAILED
            )
            span = await outcomes.span(part)
            return Content(_pages(outcomes, span, part.search), source.ended_at is None, span.next)
        if row.purpose == "batch":
            lines = _Requests(self._store, row.id, row.lines)
            span = await lines.span(part)
            return Content(_pages(lines, span, part.search), next=span.next)
        return Content(self._pieces(row.id))

    async def _pieces(self, file_id: UUID) -> AsyncIterator[bytes]:
        number = 0
        while (piece := await self._store.piece(file_id, number)) is not None:
            yield piece
            number += 1


class _Requests:
    """An uploaded file's."""

    def __init__(self, store: FileStore, file_id: UUID, lines: int) -> None:
        self._store = store
        self._file_id = file_id
        self._lines = lines

    async def span(self, part: Part) -> Span:
        """By the number of a line, or by what the search finds."""
        if part.search is None:
            return _cut(part, self._lines)
        found = await self._store.input_span(self._file_id, part.search, part.skip, part.limit)
        return _found(part, found)

    async def page(self, start: int, stop: int, search: str | None) -> tuple[bytes, int] | None:
        """Rendered by the database."""
        return await self._store.input_page(self._file_id, start, stop, search)


class _Outcomes:
    """What a batch has come to, in the order in which its requests ended. Number n stands at position n + 1."""

    def __init__(self, store: FileStore, source: OutcomeSource, state: State) -> None:
        self._store = store
        self._source = source
        self._state = state

    async def span(self, part: Part) -> Span:
        """Outputs have no holes; what failed and was tried again leaves some among the errors."""
        source = self._source
        if part.search is not None:
            found = await self._store.outcome_span(source, self._state, 0, part.search, part.skip, part.limit)
            return _found(part, found, first=1)
        if self._state == State.COMPLETED or part.limit is None:
            return _cut(part, source.completed if self._state == State.COMPLETED else source.last_error)
        found = await self._store.outcome_span(source, self._state, part.skip, None, 0, part.limit)
        stop = part.skip if found is None else found[1]
        return Span(part.skip, stop, stop)

    async def page(self, start: int, stop: int, search: str | None) -> tuple[bytes, int] | None:
        """Rendered here: their shape is that of `requests/queue/lines.py`."""
        rows = await self._store.outcome_page(self._source, self._state, start, stop, search)
        if not rows:
            return None
        text = b"".join(
            line_of(
                row.id,
                row.custom_id,
                row.state,
                row.status_code,
                row.response,
                row.error_code,
                row.error_message,
            )
            for row in rows
        )
        return text, rows[-1].position - 1


async def _pages(lines: _Lines, span: Span, search: str | None) -> AsyncIterator[bytes]:
    start = span.start
    while start < span.stop:
        # What is searched for may be rare: a statement has an end all the same.
        stop = span.stop if search is None else min(span.stop, start + SEARCHED)
        page = await lines.page(start, stop, search)
        if page is None:
            start = stop
        else:
            text, last = page
            yield text
            start = last + 1


def _cut(part: Part, lines: int) -> Span:
    stop = lines if part.limit is None else min(lines, part.skip + part.limit)
    return Span(part.skip, stop, max(part.skip, stop))


def _found(part: Part, found: tuple[int, int, int] | None, *, first: int = 0) -> Span:
    """Of a search: from the first to the last that is taken; `first` is the least number that they are told by."""
    if found is None:
        return Span(0, 0, part.skip)
    low, high, number = found
    return Span(low - first, high - first + 1, part.skip + number)
