"""What may be done with endpoints (spec/platform §1.8, §4.1)."""

import logging
from collections import Counter
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from uuid import UUID

from msgspec import UNSET, UnsetType

from dwctl.control.endpoints.discovery import (
    DiscoveryError,
    check_allowed,
    fetch_models,
    normal_url,
)
from dwctl.control.endpoints.plan import Plan, plan
from dwctl.control.endpoints.rows import (
    changed_row,
    check_aliases,
    check_headers,
    credential,
    differs,
    new_row,
)
from dwctl.control.endpoints.store import EndpointRow, EndpointStore
from dwctl.control.endpoints.structs import (
    Endpoint,
    EndpointCreate,
    EndpointUpdate,
    Synchronized,
    UpstreamModel,
    UpstreamModels,
    Validate,
    Validated,
)
from dwctl.core.clock import Clock
from dwctl.core.dial import Dialer
from dwctl.core.errors import BadRequest, Conflict, NotFound
from dwctl.db.postgres import Connection
from dwctl.identity.permissions import Operation, Resource, require
from dwctl.identity.principal import Principal
from dwctl.routing.change import Propagation

logger = logging.getLogger(__name__)

VALIDATE_WITHIN = 10.0
FETCH_WITHIN = 30.0


class EndpointActions:
    """Rules before rows."""

    def __init__(self, store: EndpointStore, propagation: Propagation, clock: Clock, dialer: Dialer) -> None:
        self._store = store
        self._propagation = propagation
        self._clock = clock
        self._dialer = dialer

    async def page(self, who: Principal) -> list[Endpoint]:
        """All endpoints."""
        require(who, Resource.ENDPOINTS, Operation.READ)
        return await self._store.page()

    async def get(self, who: Principal, endpoint_id: UUID) -> Endpoint:
        """One endpoint."""
        require(who, Resource.ENDPOINTS, Operation.READ)
        return await self.show(endpoint_id)

    async def validate(self, who: Principal, wanted: Validate) -> Validated:
        """Whether an endpoint answers. What the server does wrong is told in the answer, never as our error."""
        require(who, Resource.ENDPOINTS, Operation.UPDATE)
        if wanted.type == "existing":
            if wanted.endpoint_id is None:
                raise BadRequest("endpoint_id: expected with type 'existing'")
            endpoint = await self.show(wanted.endpoint_id)
            url, key = await self._store.credential(endpoint.id)
            header = credential(key, endpoint.auth_header_name, endpoint.auth_header_prefix)
        else:
            if wanted.url is None:
                raise BadRequest("url: expected with type 'new'")
            url = normal_url(wanted.url)
            check_headers(wanted.auth_header_name, wanted.auth_header_prefix, wanted.api_key)
            header = credential(wanted.api_key, wanted.auth_header_name, wanted.auth_header_prefix)
        await check_allowed(url, self._dialer)
        try:
            models = await fetch_models(url, header, timeout=VALIDATE_WITHIN, dialer=self._dialer)
        except DiscoveryError as error:
            return Validated(status="error", error=str(error))
        return Validated(status="success", models=UpstreamModels(data=models))

    async def create(self, who: Principal, wanted: EndpointCreate) -> Endpoint:
        """A new endpoint with its models, or nothing: the server is asked first."""
        require(who, Resource.ENDPOINTS, Operation.CREATE)
        return await self.show(await self.add(who.user_id, wanted))

    async def add(self, creator: UUID, wanted: EndpointCreate, open_to: UUID | None = None) -> UUID:
        """Create without asking who may; `open_to` is a group that gets access to the models."""
        row = new_row(wanted)
        await check_allowed(row.url, self._dialer)
        fetched = await self._fetch(row, skip=wanted.skip_fetch) if wanted.sync else []
        todo = plan(fetched, [], row.model_filter, wanted.alias_mapping or {})
        async with AsyncExitStack() as confirmed, self._store.database.transaction() as connection:
            await self._store.create(connection, row, creator)
            await self._carry_out(confirmed, connection, row.id, todo, creator, open_to)
        return row.id

    async def update(self, who: Principal, endpoint_id: UUID, change: EndpointUpdate) -> Endpoint:
        """Change what is set; with `alias_mapping` models are renamed, created and deactivated with it."""
        require(who, Resource.ENDPOINTS, Operation.UPDATE)
        current = await self.show(endpoint_id)
        _, key = await self._store.credential(endpoint_id)
        row = changed_row(current, key, change)
        mapping = None if isinstance(change.alias_mapping, UnsetType) else change.alias_mapping
        check_aliases(mapping)
        if change.url is not UNSET:
            await check_allowed(row.url, self._dialer)
        fetched = [UpstreamModel(id=name) for name in mapping] if mapping is not None else None
        if fetched is None and change.concerns_models:
            fetched = await self._fetch_if_possible(row)
        async with (
            AsyncExitStack() as confirmed,
            self._propagation.confirm("endpoints", str(endpoint_id)) as changed,
            self._store.database.transaction() as connection,
        ):
            if not await self._store.lock(connection, endpoint_id):
                raise _missing(endpoint_id)
            await self._store.update(connection, row)
            # A sealed key differs each time that it is written.
            changed.made = row.api_key is not None or differs(row, current)
            if fetched is not None:
                known = await self._store.models(connection, endpoint_id)
                todo = plan(fetched, known, row.model_filter, mapping or {})
                if mapping is not None:
                    await self._carry_out(confirmed, connection, endpoint_id, todo, who.user_id)
                else:
                    await self._carry_out_if_possible(confirmed, connection, endpoint_id, todo, who.user_id)
        return await self.show(endpoint_id)

    async def delete(self, who: Principal, endpoint_id: UUID) -> None:
        """The endpoint and its models."""
        require(who, Resource.ENDPOINTS, Operation.DELETE)
        async with self._propagation.confirm("endpoints", str(endpoint_id)):
            if not await self._store.delete(endpoint_id):
                raise _missing(endpoint_id)

    async def synchronize(self, who: Principal, endpoint_id: UUID) -> Synchronized:
        """Ask the server for its models now."""
        require(who, Resource.ENDPOINTS, Operation.UPDATE)
        return await self.sync(endpoint_id, who.user_id)

    async def sync(self, endpoint_id: UUID, creator: UUID, open_to: UUID | None = None) -> Synchronized:
        """Synchronize without asking who may; `open_to` is a group that gets access to new models."""
        endpoint = await self.show(endpoint_id)
        url, key = await self._store.credential(endpoint_id)
        header = credential(key, endpoint.auth_header_name, endpoint.auth_header_prefix)
        fetched = await self._ask(url, header)
        async with AsyncExitStack() as confirmed, self._store.database.transaction() as connection:
            if not await self._store.lock(connection, endpoint_id):
                raise _missing(endpoint_id)
            known = await self._store.models(connection, endpoint_id)
            todo = plan(fetched, known, endpoint.model_filter, {})
            await self._carry_out(confirmed, connection, endpoint_id, todo, creator, open_to)
        return Synchronized(
            endpoint_id=endpoint_id,
            changes_made=todo.changes,
            new_models_created=len(todo.create),
            models_reactivated=len(todo.reactivate),
            models_deactivated=len(todo.deactivate),
            models_deleted=0,
            total_models_fetched=len(fetched),
            filtered_models_count=todo.wanted,
            synced_at=datetime.fromtimestamp(self._clock.now(), UTC),
        )

    async def show(self, endpoint_id: UUID) -> Endpoint:
        """The endpoint, or 404."""
        endpoint = await self._store.get(endpoint_id)
        if endpoint is None:
            raise _missing(endpoint_id)
        return endpoint

    async def _fetch(self, row: EndpointRow, *, skip: bool) -> list[UpstreamModel]:
        if skip:
            if not row.model_filter:
                raise BadRequest("model_filter: expected with skip_fetch, it is the list of models then")
            return [UpstreamModel(id=name) for name in row.model_filter]
        return await self._ask(row.url, credential(row.api_key, row.auth_header_name, row.auth_header_prefix))

    async def _fetch_if_possible(self, row: EndpointRow) -> list[UpstreamModel] | None:
        """After an edit a server that is away must not keep the edit from being saved."""
        try:
            return await self._fetch(row, skip=False)
        except BadRequest:
            return None

    async def _carry_out_if_possible(
        self,
        confirmed: AsyncExitStack,
        connection: Connection,
        endpoint_id: UUID,
        todo: Plan,
        creator: UUID,
    ) -> None:
        """Nobody asked for these models, so aliases that are taken must not keep an edit from being saved."""
        try:
            async with connection.transaction():
                await self._carry_out(confirmed, connection, endpoint_id, todo, creator)
        except Conflict as error:
            logger.warning("models of endpoint %s were not synchronized: %s", endpoint_id, error.message)

    async def _carry_out(
        self,
        confirmed: AsyncExitStack,
        connection: Connection,
        endpoint_id: UUID,
        todo: Plan,
        creator: UUID,
        open_to: UUID | None = None,
    ) -> None:
        """`confirmed` is left after the transaction: until then the gateway has taken the models over."""
        renamed = [rename.id for rename in todo.rename]
        counts = Counter(alias for _, alias in todo.aliases)
        taken = await self._store.taken(connection, list(counts), renamed)
        conflicts = [
            {"model_name": name, "attempted_alias": alias}
            for name, alias in sorted(todo.aliases)
            if alias in taken or counts[alias] > 1
        ]
        if conflicts:
            clashing = ", ".join(dict.fromkeys(conflict["attempted_alias"] for conflict in conflicts))
            raise Conflict(
                f"These aliases are taken: {clashing}. Give others in alias_mapping.",
                {"conflicts": conflicts},
            )
        if todo.touched is not None:
            await confirmed.enter_async_context(self._propagation.confirm("models", str(todo.touched)))
        if len(renamed) > 1:
            # Two models may swap their aliases: each makes way first.
            for model_id in renamed:
                await self._store.rename(connection, model_id, str(model_id))
        for rename in todo.rename:
            await self._store.rename(connection, rename.id, rename.alias)
        await self._store.create_models(connection, endpoint_id, todo.create, creator)
        if open_to is not None:
            await self._store.open_models(connection, [model.id for model in todo.create], open_to, creator)
        await self._store.set_status(connection, todo.reactivate, "active")
        await self._store.set_status(connection, todo.deactivate, "inactive")

    async def _ask(self, url: str, header: tuple[str, str] | None) -> list[UpstreamModel]:
        try:
            return await fetch_models(url, header, timeout=FETCH_WITHIN, dialer=self._dialer)
        except DiscoveryError as error:
            raise BadRequest(f"url: {error}") from error


def _missing(endpoint_id: UUID) -> NotFound:
    return NotFound(f"Endpoint with ID {endpoint_id} not found")
