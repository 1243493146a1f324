"""Reading stored responses back (spec/responses §2.12)."""

from collections.abc import Mapping
from typing import Any, Protocol

from dwctl.core.errors import NotFound, Unavailable
from dwctl.core.networks import Peer
from dwctl.engine.responses.callers import Callers
from dwctl.requests.render import parse_response_id, response_object
from dwctl.requests.store import RequestStore


class Flush(Protocol):
    """Commits what was recorded before now by the processes here, dead ones included."""

    async def flush(self) -> bool:
        """Wait for it; whether it is done."""
        ...


class ResponseActions:
    """Rules before rows."""

    def __init__(self, store: RequestStore, callers: Callers, recorded: Flush) -> None:
        self._store = store
        self._callers = callers
        self._recorded = recorded

    async def get(self, headers: Mapping[str, str], response_id: str, peer: Peer) -> dict[str, Any]:
        """The response, for any key of the account that owns the row and for its session; 404 for everyone else."""
        account = await self._callers.account(headers, peer)
        request_id = parse_response_id(response_id)
        row = await self._store.get(request_id)
        if row is None or (row.completed_at is None and row.batch_id is None):
            # The row, or its end, may still be on its way to the database, from here or from a process that was killed.
            # Not those of queued work: they are there from the beginning, and its end is written by the queue.
            settled = await self._recorded.flush()
            row = await self._store.get(request_id)
            if row is None and not settled:
                raise Unavailable("Recorded calls are still on their way to the database; try again.", 1)
        if row is None or row.owner_id != account:
            raise NotFound(f"Response with id '{response_id}' not found.")
        return response_object(row)
