"""What may be seen of recorded calls (spec/platform §1.11, decision 0026).

Whoever may read all requests sees all of them; everybody else sees the calls of keys that they own, bodies included,
and of other calls not even that they exist. A list is as fresh as the writers, some 50 ms; a call that is asked for by
its id waits for them when it is not there yet or has not ended.
"""

import asyncio
import base64
import binascii
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import UUID

import msgspec

from dwctl.control.requests.steps import Steps
from dwctl.control.requests.store import LEAST, MOST, RequestLog, Row, Wanted
from dwctl.control.requests.structs import Entry, EntryPage, Events, RequestDetail, ToolCall
from dwctl.core.errors import BadRequest, Forbidden, NotFound, Unavailable
from dwctl.core.ids import least_of
from dwctl.identity.permissions import Operation, Resource, Scope, allows, require
from dwctl.identity.principal import Principal
from dwctl.requests.events.store import EventStore
from dwctl.requests.record import State
from dwctl.requests.render import STATUS, response_object
from dwctl.requests.store import RequestStore, StoredRequest
from dwctl.usage.money import plain
from dwctl.web.paging import Window

MAX_SKIP = 10_000
"""Rows that a page may skip by number; a cursor has no such limit."""
MOST_EVENTS = 8 * 1024 * 1024
"""Bytes of a log of events that are read for one answer."""
PIECES = 64
"""Of the log that are read at a time: about a MiB."""
PREFIX = "/ai"
"""Of the paths that clients call; rows hold them as upstreams name them."""
RESPONSES = "/v1/responses"
REALTIME = "/v1/realtime"
"""The one path whose calls are made with GET."""
STATES: dict[str, tuple[State, ...]] = {
    "active": (State.PENDING, State.CLAIMED, State.PROCESSING),
    "completed": (State.COMPLETED,),
    "failed": (State.FAILED,),
    "cancelled": (State.CANCELED,),
}
"""What a list may be narrowed to; `active` is what waits or runs."""
_KINDS = {
    "/v1/chat/completions": "chat_completion",
    "/v1/completions": "completion",
    "/v1/embeddings": "embeddings",
    RESPONSES: "response",
    "/v1/rerank": "rerank",
    "/v1/score": "score",
    "/v1/moderations": "moderation",
    "/v1/audio/speech": "speech",
    "/v1/audio/transcriptions": "transcription",
    "/v1/audio/translations": "translation",
    "/v1/images/generations": "image",
    "/v1/images/edits": "image",
    "/v1/images/variations": "image",
    REALTIME: "realtime",
}


class Recorded(Protocol):
    """Commits what was recorded before now by the processes here, dead ones included."""

    async def flush(self) -> bool:
        """Wait for it; whether it is done."""
        ...


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """What a list is narrowed to, as it was asked for."""

    cursor: str | None = None
    order_desc: bool = True
    method: str | None = None
    uri_pattern: str | None = None
    model: str | None = None
    user_id: UUID | None = None
    status_code: int | None = None
    status_code_min: int | None = None
    status_code_max: int | None = None
    min_duration_ms: float | None = None
    max_duration_ms: float | None = None
    timestamp_after: datetime | None = None
    timestamp_before: datetime | None = None
    custom_id: str | None = None
    fusillade_batch_id: UUID | None = None
    status: str | None = None
    service_tier: str | None = None
    background: bool | None = None


class RequestActions:
    """Rules before rows."""

    def __init__(self, log: RequestLog, store: RequestStore, events: EventStore, recorded: Recorded) -> None:
        self._log = log
        self._store = store
        self._events = events
        self._recorded = recorded

    async def page(self, who: Principal, query: Query, window: Window) -> EntryPage:
        """A page of calls that the caller may see."""
        owner = self._owner(who, query.user_id)
        wanted = _wanted(query, owner)
        if window.skip > MAX_SKIP:
            raise BadRequest(f"skip: expected at most {MAX_SKIP}, got {window.skip}; go on with cursor")
        method = query.method and query.method.upper()
        # No row is of another method.
        if method not in (None, "GET", "POST"):
            return EntryPage([], None)
        found = await self._log.find(wanted, window.skip + window.limit)
        rows = await self._log.describe(found.ids[window.skip :])
        if method is not None:
            rows = [row for row in rows if _method(row.path) == method]
        with_upstream = _sees_upstream(who)
        entries = [Entry(**_shown(row, with_upstream=with_upstream)) for row in rows]
        return EntryPage(entries, None if found.further is None else _cursor(found.further))

    async def get(self, who: Principal, text: str) -> RequestDetail:
        """One call with its bodies; 404 for whoever may not see it."""
        row, stored = await self._visible(who, text)
        if not stored.stored:
            stored = msgspec.structs.replace(stored, request=None, response=None)
        return RequestDetail(
            **_shown(row, with_upstream=_sees_upstream(who)),
            request_body=_text(stored.request),
            response_body=_text(stored.response),
            attempts=await self._log.earlier_attempts(row.id) if row.attempt > 1 else [],
            tool_calls=await self._tool_calls(who, row),
            response=response_object(stored),
        )

    async def events(self, who: Principal, text: str) -> Events:
        """The events of a background stream; other calls have none. 404 for whoever may not see the call."""
        _, stored = await self._visible(who, text)
        if not (stored.stored and stored.stream and stored.background):
            return Events([], further=False)
        steps, read, last = Steps(), 0, -1
        steps.begin(stored)
        while pieces := await self._events.written(stored.id, last, PIECES):
            for piece in pieces:
                steps.add(piece.events, piece.at)
                read += len(piece.events)
            last = pieces[-1].last
            if read > MOST_EVENTS:
                return Events(steps.found, further=True)
            # Others get their turn.
            await asyncio.sleep(0)
        steps.end(stored)
        return Events(steps.found, further=False)

    async def _visible(self, who: Principal, text: str) -> tuple[Row, StoredRequest]:
        """A call as it stands; 404 for whoever may not see it."""
        owner = self._owner(who, None)
        missing = NotFound(f"Request with ID {text} not found")
        try:
            ident = UUID(text.removeprefix("resp_"))
        except ValueError as error:
            raise missing from error
        stored = await self._store.get(ident, unstored=True)
        if stored is None or stored.completed_at is None:
            settled = await self._recorded.flush()
            stored = await self._store.get(ident, unstored=True)
            if stored is None and not settled:
                raise Unavailable("Recorded calls are still on their way to the database; try again.", 1)
        row = await self._log.one(ident)
        if stored is None or row is None or owner not in (None, stored.owner_id):
            raise missing
        return row, stored

    async def _tool_calls(self, who: Principal, row: Row) -> list[ToolCall]:
        """No other path has tools."""
        if row.path != RESPONSES:
            return []
        with_source = allows(who, Resource.TOOL_SOURCES, Operation.READ, Scope.ALL)
        return [
            msgspec.structs.replace(
                each,
                latency_ms=round(each.latency_ms, 3),
                tool_source_id=each.tool_source_id if with_source else None,
            )
            for each in await self._log.tool_calls(row.id)
        ]

    def _owner(self, who: Principal, asked: UUID | None) -> UUID | None:
        """Whose calls alone may be seen; None is everybody's."""
        if allows(who, Resource.REQUESTS, Operation.READ, Scope.ALL):
            return asked
        require(who, Resource.REQUESTS, Operation.READ, Scope.OWN)
        own = who.owner_id if who.in_organization else who.user_id
        if asked not in (None, own) or (who.in_organization and not who.leads):
            raise Forbidden(f"Insufficient permissions to {Operation.READ} {Resource.REQUESTS}")
        return own


def _sees_upstream(who: Principal) -> bool:
    return allows(who, Resource.ENDPOINTS, Operation.READ, Scope.ALL)


def _method(path: str) -> str:
    return "GET" if path == REALTIME else "POST"


def _wanted(query: Query, owner: UUID | None) -> Wanted:
    low, high = LEAST, MOST
    if query.timestamp_after is not None:
        low = least_of(_ms(query.timestamp_after))
    if query.timestamp_before is not None:
        high = least_of(_ms(query.timestamp_before) + 1)
    if query.cursor is not None:
        at = _from_cursor(query.cursor)
        if query.order_desc:
            high = min(high, at)
        else:
            low = max(low, UUID(int=min(at.int + 1, MOST.int)))
    only = PREFIX + REALTIME if query.method and query.method.upper() == "GET" else None
    return Wanted(
        low=low,
        high=high,
        descending=query.order_desc,
        owner=owner,
        model=query.model,
        status_code=_whole(query.status_code),
        status_code_min=_whole(query.status_code_min),
        status_code_max=_whole(query.status_code_max),
        min_duration_ms=query.min_duration_ms,
        max_duration_ms=query.max_duration_ms,
        uri_pattern=only if query.uri_pattern is None else query.uri_pattern,
        batch=query.fusillade_batch_id,
        custom_id=query.custom_id,
        states=_states(query.status),
        service_tier=query.service_tier,
        background=query.background,
    )


def _states(status: str | None) -> list[int] | None:
    """What a row holds is what it was when it last changed: queued calls and running ones look alike there."""
    if status is None:
        return None
    states = STATES.get(status)
    if states is None:
        raise BadRequest(f"status: expected one of {', '.join(STATES)}, got '{status[:100]}'")
    return [int(state) for state in states]


def _ms(moment: datetime) -> int:
    known = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return int((known - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000)


def _whole(number: int | None) -> int | None:
    """Within what a status can be, so that every number can be compared."""
    return None if number is None else min(max(number, -1), 100_000)


def _cursor(ident: UUID) -> str:
    return base64.urlsafe_b64encode(ident.bytes).decode().rstrip("=")


def _from_cursor(text: str) -> UUID:
    try:
        return UUID(bytes=base64.b64decode(f"{text}==", altchars=b"-_", validate=True))
    except (binascii.Error, ValueError) as error:
        raise BadRequest(f"cursor: expected a next_cursor of this list, got '{text[:100]}'") from error


def _shown(row: Row, *, with_upstream: bool) -> dict[str, Any]:
    """An entry; what is told of the upstream depends on who asks."""
    kind = _KINDS.get(row.path, "other")
    return {
        "id": f"resp_{row.id}",
        "timestamp": row.created_at,
        "status": STATUS[State.PROCESSING if row.running else State(row.state)],
        "method": _method(row.path),
        "uri": PREFIX + row.path,
        "model": row.model,
        "response_type": f"{kind}_stream" if row.stream else kind,
        "streamed": row.stream,
        "status_code": row.status_code,
        "duration_ms": _rounded(row.duration_ms),
        "duration_to_first_byte_ms": _rounded(row.first_byte_ms),
        "prompt_tokens": row.prompt_tokens,
        "completion_tokens": row.completion_tokens,
        "reasoning_tokens": row.reasoning_tokens,
        "cached_tokens": row.cached_tokens,
        "cache_write_tokens": row.cache_write_tokens,
        "total_tokens": row.total_tokens,
        "audio_seconds": _rounded(row.audio_seconds),
        "usage_estimated": row.estimated,
        "tariff_id": row.tariff_id,
        "total_cost": None if row.cost is None else plain(row.cost),
        "finish_reason": row.finish_reason,
        "error_code": row.error_code,
        "error_message": row.error_message,
        "service_tier": row.service_tier,
        "request_size": row.request_size,
        "response_size": row.response_size,
        "user_agent": row.user_agent,
        "user_id": row.owner_id,
        "user_email": row.email,
        "key_id": row.key_id,
        "key_name": row.key_name,
        "key_prefix": row.secret_prefix,
        "endpoint_id": row.endpoint_id if with_upstream else None,
        "endpoint_name": row.endpoint_name if with_upstream else None,
        "target_model": row.target_model if with_upstream else None,
        "upstream_status": row.upstream_status if with_upstream else None,
        "overhead_ms": _rounded(row.overhead_ms) if with_upstream else None,
        "fusillade_batch_id": row.batch_id,
        "custom_id": row.custom_id,
        "background": row.background,
        "attempt": row.attempt,
        "started_at": row.started_at,
        "completed_at": row.completed_at,
        "deadline": row.deadline,
    }


def _rounded(ms: float | None) -> float | None:
    """Microseconds are the end of what is measured; the column's own digits go on."""
    return None if ms is None else round(ms, 3)


def _text(body: bytes | None) -> str | None:
    return None if body is None else body.decode("utf-8", errors="replace")
