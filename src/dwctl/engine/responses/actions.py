"""Reading stored responses back (spec/responses §2.12)."""

from collections.abc import AsyncGenerator, Mapping
from typing import Any, Protocol

from dwctl.core.errors import BadRequest, Forbidden, NotFound, Unauthenticated, Unavailable
from dwctl.core.networks import Networks, Peer
from dwctl.engine.responses.streams import EventStreams, is_logged
from dwctl.identity.authenticate import AI_PURPOSES, bearer
from dwctl.identity.secrets import digest
from dwctl.identity.store import IdentityStore
from dwctl.requests.render import parse_response_id, response_object
from dwctl.requests.store import RequestStore, StoredRequest


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
        identity: IdentityStore,
        recorded: Flush,
        proxies: Networks,
        streams: EventStreams,
    ) -> None:
        self._store = store
        self._identity = identity
        self._recorded = recorded
        self._proxies = proxies
        self._streams = streams

    async def get(self, headers: Mapping[str, str], response_id: str, peer: Peer) -> dict[str, Any]:
        """The response, for any key of the account that owns the row; 404 for everyone else."""
        return response_object(await self._row(headers, response_id, peer))

    async def stream(
        self, headers: Mapping[str, str], response_id: str, peer: Peer, after: int
    ) -> AsyncGenerator[bytes, None]:
        """Its events behind the number `after`, those that were and those that come."""
        row = await self._row(headers, response_id, peer)
        if not is_logged(row):
            raise BadRequest(
                "This response has no stream to read: it was not created with 'background' and 'stream' both true.",
                param="stream",
                code="unsupported_value",
            )
        return self._streams.events(row, after)

    async def _row(self, headers: Mapping[str, str], response_id: str, peer: Peer) -> StoredRequest:
        secret = bearer(headers)
        key = None if secret is None else await self._identity.key(digest(secret))
        if key is None or key.purpose not in AI_PURPOSES:
            raise Unauthenticated("The API key is not valid." if secret else "No API key was sent.")
        if not key.good_for(peer, self._proxies):
            raise Forbidden(
                "This API key may not be used from here. Its owner has limited it to certain networks."
            )
        request_id = parse_response_id(response_id)
        row = await self._store.get(request_id)
        if row is None or (row.completed_at is None and row.batch_id is None):
            # The row, or its end, may still be on its way to the database, from here or from a process that was killed.
            # Not those of queued work: they are there from the beginning, and its end is written by the queue.
            settled = await self._recorded.flush()
            row = await self._store.get(request_id)
            if row is None and not settled:
                raise Unavailable("Recorded calls are still on their way to the database; try again.", 1)
        if row is None or row.owner_id != key.user_id:
            raise NotFound(f"Response with id '{response_id}' not found.")
        return row
