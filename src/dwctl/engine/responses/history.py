"""What a call goes on from: the responses before it, or its conversation, as items in order.

A response is found as soon as its client has its answer, in whatever process it ran: one that is missing or has no end
yet is looked for again when all that was recorded has been committed. Which response comes before which is said by the
stored body of each; PostgreSQL follows them in one statement as far as it can read them.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
from msgspec import Raw

from dwctl.core.errors import BadRequest, NotFound, Unavailable
from dwctl.engine.conversations.store import END, ConversationStore, Entry
from dwctl.engine.responses.actions import Flush
from dwctl.engine.responses.items import RESPONSES, asked_of, fault_of, shown, turn_of
from dwctl.engine.responses.settings import ContextSettings
from dwctl.requests.record import State
from dwctl.requests.render import parse_response_id
from dwctl.requests.store import RequestStore, StoredRequest

BEGINS_WITHIN = 60.0
"""Seconds in which a call that has its place in a conversation begins, or most likely never will."""
FORGOTTEN_AFTER = 86_400.0
"""Seconds after which such a place is deleted: by then another machine has committed what it had recorded."""
PREVIOUS, CONVERSATION = "previous_response_id", "conversation"


class Past(msgspec.Struct):
    """What is read of a call's past, and how much more may be."""

    param: str
    """The field that asked for it."""
    turns: int
    bytes: int


class Locked(Exception):
    """A response of the conversation has not ended yet."""


class History:
    """Reads it."""

    def __init__(
        self,
        requests: RequestStore,
        conversations: ConversationStore,
        recorded: Flush,
        settings: ContextSettings,
    ) -> None:
        self._requests = requests
        self._conversations = conversations
        self._recorded = recorded
        self._settings = settings

    def past(self, param: str) -> Past:
        """For one call."""
        return Past(param, self._settings.max_turns, self._settings.max_bytes)

    async def chain(self, text: str, owner_id: UUID) -> list[Raw]:
        """Items of a response and of all that it goes on from, the oldest first; raises `BadRequest`."""
        past = self.past(PREVIOUS)
        head = _id_of(text)
        row = await self.ready(head)
        if row is None or row.owner_id != owner_id:
            raise _unknown(text)
        fault = fault_of(row)
        if fault is not None:
            raise BadRequest(
                f"The response '{text}' cannot be continued: {fault}.",
                param=PREVIOUS,
                code="previous_response_not_completed",
            )
        rows: list[StoredRequest] = []
        place: UUID | None = head
        while place is not None:
            step = await self._requests.chain(place, owner_id, past.turns + 1, past.bytes)
            self._spend(past, len(step), sum(size for _, size in step))
            found = await self._requests.get_many([ident for ident, _ in step])
            rows += [found[ident] for ident, _ in step if ident in found]
            if not rows or place not in found:
                raise _unknown(f"resp_{place}", text)
            before = _before(rows[-1])
            place = None if before is None else _id_of(before)
        items: list[Raw] = []
        for row in reversed(rows):
            items += self._turn(row, past)
            # Others get their turn between two bodies.
            await asyncio.sleep(0)
        oldest = asked_of(rows[-1].request)
        conversation = None if oldest is None else conversation_id_in(oldest.conversation)
        if conversation is not None:
            before_it = await self._conversations.place(conversation, rows[-1].id)
            if before_it is not None:
                items = await self.conversation(conversation, before_it, past) + items
        return items

    async def conversation(
        self, conversation_id: UUID, before: int = END, past: Past | None = None, *, lock: bool = False
    ) -> list[Raw]:
        """Items of what stands before an entry, the oldest first; raises `BadRequest`.

        With `lock`, raises `Locked` while a response in it has not ended. Without it, such a response says nothing yet.
        """
        past = past or self.past(CONVERSATION)
        entries = await self._conversations.newest(conversation_id, before, past.turns + 1)
        size = await self._conversations.bytes_of(conversation_id, before)
        size += await self._requests.bytes_of([entry.response_id for entry in entries if entry.response_id])
        self._spend(past, len(entries), size)
        rows = await self.rows_of(entries)
        if lock and any(_is_open(entry, rows) for entry in entries):
            raise Locked
        if any(entry.response_id and entry.response_id not in rows for entry in entries):
            await self._conversations.clear_unbegun(conversation_id, FORGOTTEN_AFTER)
        items: list[Raw] = []
        for entry in reversed(entries):
            row = None if entry.response_id is None else rows.get(entry.response_id)
            if entry.item is not None:
                items.append(Raw(entry.item))
            elif row is not None and row.state == State.COMPLETED and row.stored:
                items += self._kept(entry, row, past)
                await asyncio.sleep(0)
        return items

    async def rows_of(self, entries: Sequence[Entry]) -> dict[UUID, StoredRequest]:
        """The responses of entries as they stand, whoever ran them; raises `Unavailable`."""
        ids = [entry.response_id for entry in entries if entry.response_id is not None]
        rows = await self._requests.get_many(ids)
        late = [ident for ident in ids if _is_late(rows.get(ident))]
        if late:
            settled = await self._recorded.flush()
            rows |= await self._requests.get_many(late)
            if not settled and any(_is_late(rows.get(ident)) for ident in late):
                raise _on_its_way()
        return rows

    async def ready(self, request_id: UUID) -> StoredRequest | None:
        """A row with its end, if it has one anywhere; raises `Unavailable`."""
        row = await self._requests.get(request_id)
        if _is_late(row):
            settled = await self._recorded.flush()
            row = await self._requests.get(request_id)
            if not settled and _is_late(row):
                raise _on_its_way()
        return row

    def _kept(self, entry: Entry, row: StoredRequest, past: Past) -> list[Raw]:
        items = self._turn(row, past)
        if not entry.removed:
            return items
        names = [item["id"] for item in shown(row)]
        return [item for item, name in zip(items, names, strict=True) if name not in entry.removed]

    def _turn(self, row: StoredRequest, past: Past) -> list[Raw]:
        """What one call was asked, then what it answered."""
        items, fault = turn_of(row)
        if fault is not None:
            if past.param == CONVERSATION and row.request and row.response:
                # It ended without an answer.
                return []
            code = "previous_response_not_found" if past.param == PREVIOUS else "conversation_incomplete"
            text = f"The response 'resp_{row.id}', which this call goes on from, cannot be read: {fault}."
            raise BadRequest(text, param=past.param, code=code)
        return items

    def _spend(self, past: Past, turns: int, size: int) -> None:
        past.turns -= turns
        past.bytes -= size
        if past.turns < 0:
            what, most = "responses and items", self._settings.max_turns
        elif past.bytes < 0:
            what, most = "bytes", self._settings.max_bytes
        else:
            return
        text = f"What '{past.param}' refers to is too long: one call goes on from at most {most} {what}."
        raise BadRequest(text, param=past.param, code="context_length_exceeded")


def _before(row: StoredRequest) -> str | None:
    """The response that a call said it goes on from. A chat with such a field has gone on from nothing."""
    asked = asked_of(row.request) if row.path == RESPONSES else None
    if asked is None or not isinstance(asked.previous_response_id, str):
        return None
    return asked.previous_response_id


def conversation_id_in(value: object) -> UUID | None:
    """The id in the field `conversation`: a text, or an object with an `id`."""
    found = value.get("id") if isinstance(value, dict) else value
    return conversation_id_of(found) if isinstance(found, str) else None


def conversation_id_of(text: str) -> UUID | None:
    """`conv_<uuid>`, or the UUID alone."""
    try:
        return UUID(text.removeprefix("conv_"))
    except ValueError:
        return None


def _id_of(text: str) -> UUID:
    try:
        return parse_response_id(text)
    except NotFound as error:
        raise _unknown(text) from error


def _unknown(text: str, head: str | None = None) -> BadRequest:
    more = "" if head in (None, text) else f", which '{head}' goes on from,"
    return BadRequest(
        f"Previous response with id '{text[:100]}'{more} not found.",
        param=PREVIOUS,
        code="previous_response_not_found",
    )


def _on_its_way() -> Unavailable:
    return Unavailable("Recorded calls are still on their way to the database; try again.", 1)


def _is_late(row: StoredRequest | None) -> bool:
    """Whether the row, or its end, may still be on its way to the database. Ends of queued work are written there."""
    return row is None or (row.completed_at is None and row.batch_id is None)


def _is_open(entry: Entry, rows: dict[UUID, StoredRequest]) -> bool:
    if entry.response_id is None:
        return False
    row = rows.get(entry.response_id)
    if row is not None:
        return row.standing < State.FAILED
    return datetime.now(UTC) - entry.created_at < timedelta(seconds=BEGINS_WITHIN)
