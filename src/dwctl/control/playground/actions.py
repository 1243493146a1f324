"""As whom a session calls models."""

from dwctl.core.errors import NotFound, Unavailable
from dwctl.identity.principal import Principal
from dwctl.routing.hidden_keys.store import HiddenKeys
from dwctl.wire.inference import Inference

RETRY_AFTER = 1.0


class PlaygroundActions:
    """Finds or makes the key of a session; its secret is never kept, and nobody needs it."""

    def __init__(self, keys: HiddenKeys) -> None:
        self._keys = keys

    async def key(self, who: Principal, inference: Inference, method: str, path: str) -> bytes:
        """The digest of the caller's key for the account for which they act, known to the gateway.

        404 for a path that is not the gateway's.
        """
        if not inference.claims(method, path):
            raise NotFound(f"Unknown endpoint: {method} {path}")
        found = await self._keys.key(who.owner_id, who.user_id)
        if not inference.knows(found.digest):
            raise Unavailable("Your first call is being prepared; try again at once.", RETRY_AFTER)
        return found.digest
