"""Whose stored responses somebody may ask for: those of their key's account, or of the account that is signed in.

A key that is sent is what counts, also when it does not hold; only without one the session of a page does. Such a page
must be ours or one of the origins that are allowed, whatever it asks for.
"""

from collections.abc import Collection, Mapping
from uuid import UUID

from dwctl.core.errors import Forbidden, Unauthenticated
from dwctl.core.networks import Networks, Peer
from dwctl.identity.authenticate import AI_PURPOSES, NO_KEYS, Authenticator, bearer
from dwctl.identity.secrets import digest
from dwctl.identity.store import IdentityStore, KeyAccount
from dwctl.web.origin import allowed_origin


class Callers:
    """Knows accounts by what a request carries."""

    def __init__(
        self,
        identity: IdentityStore,
        authenticator: Authenticator,
        proxies: Networks,
        origins: Collection[str],
    ) -> None:
        self._identity = identity
        self._authenticator = authenticator
        self._proxies = proxies
        self._origins = origins

    async def account(self, headers: Mapping[str, str], peer: Peer) -> UUID:
        """The account, or 401, or 403 for a place from which it may not be asked."""
        if bearer(headers) is None:
            return await self._by_session(headers)
        key, _ = await self.key(headers, peer)
        return key.user_id

    async def key(self, headers: Mapping[str, str], peer: Peer) -> tuple[KeyAccount, bytes]:
        """The key that is sent, and its digest; raises for one that may not be used here."""
        secret = bearer(headers)
        known = b"" if secret is None else digest(secret)
        key = None if secret is None else await self._identity.key(known)
        if key is None or key.purpose not in AI_PURPOSES:
            raise Unauthenticated("The API key is not valid." if secret else "No API key was sent.")
        if not key.good_for(peer, self._proxies):
            raise Forbidden(
                "This API key may not be used from here. Its owner has limited it to certain networks."
            )
        return key, known

    async def _by_session(self, headers: Mapping[str, str]) -> UUID:
        found = await self._authenticator.principal(headers, _cookies(headers), NO_KEYS)
        if found is None:
            raise Unauthenticated("No API key was sent.")
        if not allowed_origin("POST", headers, self._origins):
            raise Forbidden("This origin may not act with a session.")
        return found.owner_id


def _cookies(headers: Mapping[str, str]) -> dict[str, str]:
    """By name. Of several with one name the first, as browsers send the most specific first."""
    found: dict[str, str] = {}
    for pair in headers.get("cookie", "").split(";"):
        name, _, value = pair.strip().partition("=")
        found.setdefault(name, value)
    return found
