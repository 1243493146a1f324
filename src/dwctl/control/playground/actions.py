"""As whom a session calls models."""

from uuid import UUID

from dwctl.control.playground.store import PlaygroundStore
from dwctl.control.propagation import Propagation
from dwctl.core.errors import NotFound, Unavailable
from dwctl.core.ids import new_uuid
from dwctl.identity.principal import Principal
from dwctl.identity.secrets import new_key
from dwctl.wire.inference import Inference

RETRY_AFTER = 1.0


class PlaygroundActions:
    """Finds or makes the key of a session; its secret is never kept, and nobody needs it."""

    def __init__(self, store: PlaygroundStore, propagation: Propagation) -> None:
        self._store = store
        self._propagation = propagation

    async def key(self, who: Principal, inference: Inference, method: str, path: str) -> bytes:
        """The digest of the caller's key, known to the gateway; 404 for a path that is not the gateway's."""
        if not inference.claims(method, path):
            raise NotFound(f"Unknown endpoint: {method} {path}")
        found = await self._store.find(who.user_id) or await self._made(who.user_id)
        if not inference.knows(found):
            raise Unavailable("Your first call is being prepared; try again at once.", RETRY_AFTER)
        return found

    async def _made(self, user_id: UUID) -> bytes:
        made = new_key()
        key_id = new_uuid()
        async with self._propagation.confirm("api_keys", str(key_id)) as change:
            change.made = await self._store.create(key_id, user_id, made)
        return made.digest if change.made else await self._store.find(user_id) or made.digest
