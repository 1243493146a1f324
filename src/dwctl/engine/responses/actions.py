"""Stored responses: read back, cancelled, deleted (spec/responses §2.12, spec/wire-api §2.6; decision 0040).

Who reads takes turns (`reading`), so that however many come at once, connections to the database are left for whoever
cancels and for the engine: a client that was killed with its server comes back together with all others.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, Protocol

from dwctl.core.errors import BadRequest, NotFound, Unavailable
from dwctl.core.networks import Peer
from dwctl.engine.responses.callers import Callers
from dwctl.engine.responses.paging import Page, list_of
from dwctl.engine.responses.streams import EventStreams, is_logged
from dwctl.identity.store import KeyAccount
from dwctl.requests.endings import Endings
from dwctl.requests.items import input_items
from dwctl.requests.record import State
from dwctl.requests.render import no_response, parse_response_id, response_object
from dwctl.requests.singles.store import SingleStore
from dwctl.requests.store import RequestStore, StoredRequest

CANCEL_WITHIN = 5.0
"""Seconds that a cancellation waits for the end of what is run."""
LOOK_EVERY = 1.0
"""Seconds after which it looks without a notice."""


Turn = AbstractAsyncContextManager[object]
_AT_ONCE: Turn = nullcontext()


class Flush(Protocol):
    """Commits what was recorded before now by the processes here, dead ones included."""

    async def flush(self) -> bool:
        """Wait for it; whether it is done."""
        ...


class ResponseActions:
    """Rules before rows."""

    def __init__(
        self,
        store: RequestStore,
        singles: SingleStore,
        callers: Callers,
        recorded: Flush,
        endings: Endings,
        streams: EventStreams,
        reading: asyncio.Semaphore,
    ) -> None:
        self._store = store
        self._singles = singles
        self._callers = callers
        self._recorded = recorded
        self._endings = endings
        self._streams = streams
        self._reading = reading

    async def get(self, headers: Mapping[str, str], response_id: str, peer: Peer) -> dict[str, Any]:
        """The response, for any key of the account that owns the row and for its session; 404 for everyone else."""
        return response_object(await self._read(headers, response_id, peer))

    async def stream(
        self, headers: Mapping[str, str], response_id: str, peer: Peer, after: int
    ) -> AsyncGenerator[bytes, None]:
        """Its events behind the number `after`, those that were and those that come."""
        row = await self._read(headers, response_id, peer)
        if not is_logged(row):
            raise BadRequest(
                "This response has no stream to read: it was not created with 'background' and 'stream' both true.",
                param="stream",
                code="unsupported_value",
            )
        return self._streams.events(row, after)

    async def input_items(
        self, headers: Mapping[str, str], response_id: str, peer: Peer, page: Page
    ) -> dict[str, Any]:
        """A page of what the response's request had as its input."""
        row = await self._read(headers, response_id, peer)
        return list_of(input_items(row.id, row.request), page)

    async def cancel(self, headers: Mapping[str, str], response_id: str, peer: Peer) -> dict[str, Any]:
        """End a call that is queued or run from the queue; the response as it then stands.

        One that has ended stays as it is. One that is run is waited for: the process that runs it ends it within a
        second, and its row says what came first.
        """
        row = await self._own(headers, response_id, peer)
        if row.line is not None:
            raise BadRequest("This response belongs to a batch; cancel the batch.")
        if row.batch_id is None:
            raise BadRequest("Cannot cancel a synchronous response.")
        with self._endings.waiting(row.id) as woken:
            met = await self._singles.cancel(row.id)
            row = await self._again(row, response_id)
            if met == "nothing" and row.state < State.FAILED:
                # Made by hand, and run by whoever made it.
                raise BadRequest("Cannot cancel a synchronous response.")
            loop = asyncio.get_running_loop()
            until = loop.time() + CANCEL_WITHIN
            while row.state < State.FAILED and loop.time() < until:
                try:
                    async with asyncio.timeout(LOOK_EVERY):
                        await woken.wait()
                except TimeoutError:
                    pass
                woken.clear()
                row = await self._again(row, response_id)
        return response_object(row)

    async def delete(self, headers: Mapping[str, str], response_id: str, peer: Peer) -> dict[str, Any]:
        """Let nobody read it any more; what is still queued or run from the queue is cancelled."""
        row = await self._own(headers, response_id, peer)
        if row.line is not None:
            raise BadRequest("This response belongs to a batch; delete the batch.")
        if not await self._singles.delete(row.id):
            raise NotFound(no_response(response_id))
        return {"id": f"resp_{row.id}", "object": "response", "deleted": True}

    async def _read(self, headers: Mapping[str, str], response_id: str, peer: Peer) -> StoredRequest:
        return await self._own(headers, response_id, peer, self._reading)

    async def _own(
        self, headers: Mapping[str, str], response_id: str, peer: Peer, turn: Turn = _AT_ONCE
    ) -> StoredRequest:
        """The row, if the account owns it and it can be read; raises `NotFound`."""
        async with turn:
            account = await self._callers.account(headers, peer)
            request_id = parse_response_id(response_id)
            row = await self._store.get(request_id)
        if row is None or (row.completed_at is None and row.batch_id is None):
            # The row, or its end, may still be on its way to the database, from here or from a process that was killed.
            # Not those of queued work: they are there from the beginning, and its end is written by the queue.
            settled = await self._recorded.flush()
            async with turn:
                row = await self._store.get(request_id)
            if row is None and not settled:
                raise Unavailable("Recorded calls are still on their way to the database; try again.", 1)
        if row is None or row.owner_id != account:
            raise NotFound(no_response(response_id))
        return row

    async def caller(self, headers: Mapping[str, str], peer: Peer) -> tuple[KeyAccount, bytes]:
        """The key that a request carries, and its digest; raises for one that may not be used here."""
        return await self._callers.key(headers, peer)

    async def _again(self, row: StoredRequest, response_id: str) -> StoredRequest:
        found = await self._store.get(row.id)
        if found is None:
            # It was deleted meanwhile.
            raise NotFound(no_response(response_id))
        return found
