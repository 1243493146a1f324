"""What may be done with API keys (spec/platform §1.4)."""

from datetime import UTC, datetime
from functools import partial
from uuid import UUID

import msgspec
from msgspec import UnsetType

from dwctl.control.budgets import check as check_budget
from dwctl.control.budgets import decided
from dwctl.control.keys.store import KeyStore
from dwctl.control.keys.structs import ApiKey, KeyCreate, KeyUpdate
from dwctl.control.limits import limits_in
from dwctl.core.clock import Clock
from dwctl.core.errors import BadRequest, Forbidden, NotFound
from dwctl.core.ids import new_uuid
from dwctl.core.networks import parse_network
from dwctl.identity.permissions import Operation, Resource, Scope, allows, require
from dwctl.identity.principal import Principal
from dwctl.identity.secrets import new_key
from dwctl.routing.change import Propagation
from dwctl.web.paging import Page, Window

PURPOSES = ("realtime", "platform")
INTERNAL = ("batch", "playground")
MAX_NAME = 255
MAX_MODELS = 1000
MAX_ALIAS = 512
MAX_NETWORKS = 1000


class _Access(msgspec.Struct, frozen=True):
    """How far somebody may go with an account's keys."""

    organization: bool = False
    creator: UUID | None = None
    """The only one whose keys count; None for all of the account."""


class KeyActions:
    """Rules before rows."""

    def __init__(self, store: KeyStore, propagation: Propagation, clock: Clock) -> None:
        self._store = store
        self._propagation = propagation
        self._clock = clock

    async def page(self, who: Principal, user_id: UUID, window: Window) -> Page[ApiKey]:
        """A page of an account's keys, without secrets."""
        access = await self._may(who, user_id, Operation.READ)
        keys, total = await self._store.page(user_id, window, self._clock.now(), access.creator)
        return Page(keys, total, window.skip, window.limit)

    async def create(self, who: Principal, user_id: UUID, wanted: KeyCreate) -> ApiKey:
        """A new key with the only appearance of its secret; the gateway knows it when this returns."""
        access = await self._may(who, user_id, Operation.CREATE)
        self._check(wanted, access)
        made = new_key()
        key_id = new_uuid()
        # A key for somebody else is theirs in every respect; one of an organization acts as whoever made it.
        creator = (wanted.member_id or who.user_id) if access.organization else user_id
        budget = decided(None, wanted.budget, by_administrator=_sets_ceilings(who))
        async with self._propagation.confirm("api_keys", str(key_id)):
            member = access.creator is not None or wanted.member_id is not None
            await self._store.create(key_id, user_id, creator, wanted, made, budget, member=member)
        key = await self.get(who, user_id, key_id)
        key.key = made.secret
        return key

    async def get(self, who: Principal, user_id: UUID, key_id: UUID) -> ApiKey:
        """One key, without its secret."""
        access = await self._may(who, user_id, Operation.READ)
        return await self._seen(access, user_id, key_id)

    async def update(self, who: Principal, user_id: UUID, key_id: UUID, change: KeyUpdate) -> ApiKey:
        """Change a key; the gateway goes by its new budget when this returns."""
        access = await self._may(who, user_id, Operation.UPDATE)
        await self._seen(access, user_id, key_id)
        if not isinstance(change.budget, UnsetType):
            wanted = change.budget
            if wanted is not None:
                check_budget(wanted)
            decide = partial(decided, wanted=wanted, by_administrator=_sets_ceilings(who))
            async with self._propagation.confirm("api_keys", str(key_id)) as confirmed:
                confirmed.made = await self._store.change_budget(
                    user_id, key_id, decide, counted=wanted is not None
                )
        return await self.get(who, user_id, key_id)

    async def delete(self, who: Principal, user_id: UUID, key_id: UUID) -> None:
        """Revoke a key; the gateway refuses it when this returns."""
        access = await self._may(who, user_id, Operation.DELETE)
        await self._seen(access, user_id, key_id)
        async with self._propagation.confirm("api_keys", str(key_id)):
            if not await self._store.delete(user_id, key_id):
                raise NotFound(f"API key with ID {key_id} not found")

    async def _seen(self, access: _Access, user_id: UUID, key_id: UUID) -> ApiKey:
        """The key; 404 when there is none, or it is not the caller's to see."""
        key = await self._store.get(user_id, key_id, self._clock.now())
        if key is None or (access.creator is not None and key.created_by != access.creator):
            raise NotFound(f"API key with ID {key_id} not found")
        return key

    async def _may(self, who: Principal, user_id: UUID, operation: Operation) -> _Access:
        if user_id == who.user_id:
            return _Access()
        everything = allows(who, Resource.API_KEYS, operation, Scope.ALL)
        standing = await self._store.standing(user_id, who.user_id)
        if standing is not None and standing.role is not None and not everything:
            return _Access(organization=True, creator=who.user_id)
        require(who, Resource.API_KEYS, operation)
        if standing is None:
            raise NotFound(f"User with ID {user_id} not found")
        # Whoever makes a key sees its secret and could act as an administrator with it.
        if standing.is_admin and operation is Operation.CREATE and not who.is_admin:
            raise Forbidden("Only an administrator may create keys for an administrator")
        return _Access(organization=standing.is_organization)

    def _check(self, wanted: KeyCreate, access: _Access) -> None:
        if not wanted.name.strip() or len(wanted.name) > MAX_NAME:
            raise BadRequest(f"name: expected 1 to {MAX_NAME} characters that are not all blank")
        if wanted.purpose in INTERNAL:
            raise BadRequest(f"purpose: '{wanted.purpose}' is reserved for internal system use")
        if wanted.purpose not in PURPOSES:
            raise BadRequest(f"purpose: expected one of {', '.join(PURPOSES)}, got '{wanted.purpose}'")
        limits_in(wanted)
        if wanted.budget is not None:
            check_budget(wanted.budget)
        if wanted.member_id is not None and not access.organization:
            raise BadRequest("member_id: expected only for a key of an organization")
        if wanted.member_id not in (None, access.creator) and access.creator is not None:
            raise Forbidden("Only a manager may create a key for another member")
        if wanted.expires_at is not None:
            if wanted.expires_at.tzinfo is None:
                raise BadRequest("expires_at: expected a time zone, such as 2030-01-31T12:00:00Z")
            if wanted.expires_at <= datetime.fromtimestamp(self._clock.now(), UTC):
                raise BadRequest("expires_at: expected a moment in the future")
        _check_lists(wanted)


def _sets_ceilings(who: Principal) -> bool:
    """Whether a budget that they set binds the key's owner."""
    return allows(who, Resource.CREDITS, Operation.UPDATE, Scope.ALL)


def _check_lists(wanted: KeyCreate) -> None:
    models, networks = wanted.allowed_models, wanted.allowed_cidrs
    if models is not None:
        if wanted.purpose != "realtime":
            raise BadRequest("allowed_models: expected only for a key with the purpose 'realtime'")
        if not 1 <= len(models) <= MAX_MODELS:
            raise BadRequest(
                f"allowed_models: expected 1 to {MAX_MODELS} aliases, or null, got {len(models)}"
            )
        for at, alias in enumerate(models):
            if not alias.strip() or len(alias) > MAX_ALIAS:
                raise BadRequest(
                    f"allowed_models[{at}]: expected 1 to {MAX_ALIAS} characters that are not all blank"
                )
    if networks is not None:
        if not 1 <= len(networks) <= MAX_NETWORKS:
            raise BadRequest(
                f"allowed_cidrs: expected 1 to {MAX_NETWORKS} networks, or null, got {len(networks)}"
            )
        for at, text in enumerate(networks):
            try:
                parse_network(text)
            except ValueError as error:
                raise BadRequest(
                    f"allowed_cidrs[{at}]: expected a network such as 10.0.0.0/8 or 2001:db8::/32, without "
                    f"bits behind its prefix, got '{text}'"
                ) from error
