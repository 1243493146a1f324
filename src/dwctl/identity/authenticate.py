"""From a request's credentials to a principal (spec/platform §2.1): a key first, then the session cookie.

A credential that does not hold does not keep the next one from being tried. Roles are read from the database
each time, so that a change applies at once.

A session acts for the person, or for an organization that its request names in a header or a cookie (§2.5); the header
goes first. Whoever does not belong to it acts for themselves: a choice is no credential, and membership is looked up
each time. A key acts for the account that it belongs to, whatever else a request says.
"""

from collections.abc import Collection, Mapping
from uuid import UUID

import msgspec

from dwctl.core.networks import Networks, Peer
from dwctl.identity.principal import STANDARD, Principal
from dwctl.identity.secrets import digest
from dwctl.identity.sessions import Sessions
from dwctl.identity.store import Account, IdentityStore

ADMIN_PURPOSES = frozenset({"platform"})
AI_PURPOSES = frozenset({"realtime", "batch", "playground"})
NO_KEYS: frozenset[str] = frozenset()
"""For routes that only a session opens."""
ANY_PURPOSE = ADMIN_PURPOSES | AI_PURPOSES
ORGANIZATION_HEADER = "x-organization-id"
ORGANIZATION_COOKIE = "dw_active_org"
NOBODY = Networks(())
UNKNOWN = Peer("")


class Authenticator:
    """Finds out who is asking. Without `take_sessions`, which is native sign-in switched off, only keys count."""

    def __init__(
        self,
        store: IdentityStore,
        sessions: Sessions,
        cookie_name: str,
        *,
        take_sessions: bool = True,
        proxies: Networks = NOBODY,
    ) -> None:
        self._store = store
        self._sessions = sessions
        self._take_sessions = take_sessions
        self._proxies = proxies
        self.cookie_name = cookie_name

    async def principal(
        self,
        headers: Mapping[str, str],
        cookies: Mapping[str, str],
        purposes: Collection[str],
        peer: Peer = UNKNOWN,
    ) -> Principal | None:
        """Whoever the first credential that holds belongs to; `purposes` are the keys that count here.

        Where the `peer` is matters to keys that are limited to networks.
        """
        secret = bearer(headers)
        if secret is not None:
            found = await self._by_key(secret, purposes, peer)
            if found is not None:
                return found
        token = cookies.get(self.cookie_name)
        if token is None or not self._take_sessions:
            return None
        person = await self._by_session(token)
        chosen = chosen_organization(headers, cookies)
        if person is None or chosen is None:
            return person
        role = await self._store.role_in(chosen, person.user_id)
        if role is None:
            return person
        return msgspec.structs.replace(person, account_id=chosen, organization_role=role)

    async def _by_session(self, token: str) -> Principal | None:
        """Whoever signed in, unless their sessions have been ended since."""
        session = self._sessions.read(token)
        if session is None:
            return None
        account = await self._store.account(session.user_id)
        if account is None or session.issued_at < account.sessions_valid_from:
            return None
        return _principal(account)

    async def _by_key(self, secret: str, purposes: Collection[str], peer: Peer) -> Principal | None:
        key = await self._store.key(digest(secret))
        if key is None or key.purpose not in purposes or not key.good_for(peer, self._proxies):
            return None
        account = await self._store.account(key.created_by)
        return None if account is None else _principal(account, key.id, key.user_id)


def chosen_organization(headers: Mapping[str, str], cookies: Mapping[str, str]) -> UUID | None:
    """What a request with a session names, whether or not the person belongs to it."""
    text = headers.get(ORGANIZATION_HEADER)
    try:
        return UUID(cookies.get(ORGANIZATION_COOKIE, "") if text is None else text)
    except ValueError:
        return None


def bearer(headers: Mapping[str, str]) -> str | None:
    """The secret in `Authorization: Bearer`, else in `x-api-key`."""
    scheme, _, secret = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and secret.strip():
        return secret.strip()
    return headers.get("x-api-key") or None


def _principal(account: Account, key_id: UUID | None = None, account_id: UUID | None = None) -> Principal:
    return Principal(
        user_id=account.id,
        email=account.email,
        roles=frozenset(account.roles or ()) | {STANDARD},
        is_admin=account.is_admin,
        key_id=key_id,
        account_id=account_id,
    )
