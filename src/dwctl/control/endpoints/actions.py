"""What may be done with endpoints (spec/platform §1.8, §4.1)."""

import re
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from uuid import UUID

from msgspec import UNSET, UnsetType

from dwctl.control.endpoints.discovery import DiscoveryError, fetch_models, normal_url
from dwctl.control.endpoints.plan import Plan, plan
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
from dwctl.control.propagation import Propagation
from dwctl.core.clock import Clock
from dwctl.core.errors import BadRequest, Conflict, NotFound
from dwctl.core.ids import new_uuid
from dwctl.db.postgres import Connection
from dwctl.identity.permissions import Operation, Resource, require
from dwctl.identity.principal import Principal

AUTH_HEADER = "Authorization"
AUTH_PREFIX = "Bearer "
VALIDATE_WITHIN = 10.0
FETCH_WITHIN = 30.0
MAX_NAME = 255
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,128}")
_HEADER_VALUE = re.compile(r"[\t -~]*")


class EndpointActions:
    """Rules before rows."""

    def __init__(self, store: EndpointStore, propagation: Propagation, clock: Clock) -> None:
        self._store = store
        self._propagation = propagation
        self._clock = clock

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
            _check_headers(wanted.auth_header_name, wanted.auth_header_prefix, wanted.api_key)
            header = credential(wanted.api_key, wanted.auth_header_name, wanted.auth_header_prefix)
        try:
            models = await fetch_models(url, header, timeout=VALIDATE_WITHIN)
        except DiscoveryError as error:
            return Validated(status="error", error=str(error))
        return Validated(status="success", models=UpstreamModels(data=models))

    async def create(self, who: Principal, wanted: EndpointCreate) -> Endpoint:
        """A new endpoint with its models, or nothing: the server is asked first."""
        require(who, Resource.ENDPOINTS, Operation.CREATE)
        return await self.show(await self.add(who.user_id, wanted))

    async def add(self, creator: UUID, wanted: EndpointCreate) -> UUID:
        """Create without asking who may."""
        row = _new_row(wanted)
        fetched = await self._fetch(row, skip=wanted.skip_fetch) if wanted.sync else []
        todo = plan(fetched, [], row.model_filter, wanted.alias_mapping or {})
        async with AsyncExitStack() as stack:
            if todo.create:
                last = str(todo.create[-1].id)
                await stack.enter_async_context(self._propagation.confirm("models", last))
            connection = await stack.enter_async_context(self._store.database.transaction())
            await self._store.create(connection, row, creator)
            await self._carry_out(connection, row.id, todo, creator)
        return row.id

    async def update(self, who: Principal, endpoint_id: UUID, change: EndpointUpdate) -> Endpoint:
        """Change what is set; with `alias_mapping` models are renamed, created and deactivated with it."""
        require(who, Resource.ENDPOINTS, Operation.UPDATE)
        current = await self.show(endpoint_id)
        _, key = await self._store.credential(endpoint_id)
        row = _changed_row(current, key, change)
        mapping = None if isinstance(change.alias_mapping, UnsetType) else change.alias_mapping
        fetched = [UpstreamModel(id=name) for name in mapping] if mapping is not None else None
        if fetched is None and (change.url is not UNSET or change.model_filter is not UNSET):
            fetched = await self._fetch_if_possible(row)
        async with (
            self._propagation.confirm("endpoints", str(endpoint_id)),
            self._store.database.transaction() as connection,
        ):
            await self._store.update(connection, row)
            if fetched is not None:
                known = await self._store.models(connection, endpoint_id)
                todo = plan(fetched, known, row.model_filter, mapping or {})
                await self._carry_out(connection, endpoint_id, todo, who.user_id)
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

    async def sync(self, endpoint_id: UUID, creator: UUID) -> Synchronized:
        """Synchronize without asking who may."""
        endpoint = await self.show(endpoint_id)
        url, key = await self._store.credential(endpoint_id)
        header = credential(key, endpoint.auth_header_name, endpoint.auth_header_prefix)
        fetched = await _ask(url, header)
        async with self._store.database.transaction() as connection:
            known = await self._store.models(connection, endpoint_id)
            todo = plan(fetched, known, endpoint.model_filter, {})
            await self._carry_out(connection, endpoint_id, todo, creator)
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
        return await _ask(row.url, credential(row.api_key, row.auth_header_name, row.auth_header_prefix))

    async def _fetch_if_possible(self, row: EndpointRow) -> list[UpstreamModel] | None:
        """After an edit a server that is away must not keep the edit from being saved."""
        try:
            return await self._fetch(row, skip=False)
        except BadRequest:
            return None

    async def _carry_out(self, connection: Connection, endpoint_id: UUID, todo: Plan, creator: UUID) -> None:
        wanted = {model.alias: model.model_name for model in todo.create}
        names = dict(todo.rename)
        aliases = [*(model.alias for model in todo.create), *names.values()]
        twice = {alias for alias in aliases if aliases.count(alias) > 1}
        clashing = sorted(twice | await self._store.taken(connection, aliases))
        if clashing:
            conflicts = [
                {"model_name": wanted.get(alias, alias), "attempted_alias": alias} for alias in clashing
            ]
            raise Conflict(
                f"These aliases are taken: {', '.join(clashing)}. Give others in alias_mapping.",
                {"conflicts": conflicts},
            )
        for model_id, alias in todo.rename:
            await self._store.rename(connection, model_id, alias)
        await self._store.create_models(connection, endpoint_id, todo.create, creator)
        await self._store.set_status(connection, todo.reactivate, "active")
        await self._store.set_status(connection, todo.deactivate, "inactive")


def credential(key: str | None, name: str | None, prefix: str | None) -> tuple[str, str] | None:
    """The header that carries an upstream's key."""
    if key is None:
        return None
    return name or AUTH_HEADER, f"{AUTH_PREFIX if prefix is None else prefix}{key}"


async def _ask(url: str, header: tuple[str, str] | None) -> list[UpstreamModel]:
    try:
        return await fetch_models(url, header, timeout=FETCH_WITHIN)
    except DiscoveryError as error:
        raise BadRequest(f"url: {error}") from error


def _new_row(wanted: EndpointCreate) -> EndpointRow:
    _check_name(wanted.name)
    _check_headers(wanted.auth_header_name, wanted.auth_header_prefix, wanted.api_key)
    prefix = wanted.auth_header_prefix
    return EndpointRow(
        id=new_uuid(),
        name=wanted.name.strip(),
        description=wanted.description,
        url=normal_url(wanted.url),
        api_key=wanted.api_key or None,
        auth_header_name=wanted.auth_header_name or AUTH_HEADER,
        auth_header_prefix=AUTH_PREFIX if prefix is None else prefix,
        model_filter=wanted.model_filter,
    )


def _changed_row(current: Endpoint, key: str | None, change: EndpointUpdate) -> EndpointRow:
    if isinstance(change.name, str):
        _check_name(change.name)
    name = None if isinstance(change.auth_header_name, UnsetType) else change.auth_header_name
    prefix = None if isinstance(change.auth_header_prefix, UnsetType) else change.auth_header_prefix
    new_key = None if isinstance(change.api_key, UnsetType) else change.api_key
    _check_headers(name, prefix, new_key)
    return EndpointRow(
        id=current.id,
        name=current.name if isinstance(change.name, UnsetType) else change.name.strip(),
        description=_kept(change.description, current.description),
        url=current.url if isinstance(change.url, UnsetType) else normal_url(change.url),
        api_key=key if isinstance(change.api_key, UnsetType) else change.api_key or None,
        auth_header_name=current.auth_header_name
        if isinstance(change.auth_header_name, UnsetType)
        else change.auth_header_name or AUTH_HEADER,
        auth_header_prefix=current.auth_header_prefix
        if isinstance(change.auth_header_prefix, UnsetType)
        else (AUTH_PREFIX if change.auth_header_prefix is None else change.auth_header_prefix),
        model_filter=current.model_filter
        if isinstance(change.model_filter, UnsetType)
        else change.model_filter,
    )


def _kept(change: str | UnsetType | None, current: str | None) -> str | None:
    return current if isinstance(change, UnsetType) else change


def _check_name(name: str) -> None:
    if not name.strip() or len(name) > MAX_NAME:
        raise BadRequest(f"name: expected 1 to {MAX_NAME} characters that are not all blank")


def _check_headers(name: str | None, prefix: str | None, key: str | None) -> None:
    if name is not None and name and _HEADER_NAME.fullmatch(name) is None:
        raise BadRequest(f"auth_header_name: expected the name of a header, got '{name}'")
    if prefix is not None and _HEADER_VALUE.fullmatch(prefix) is None:
        raise BadRequest("auth_header_prefix: expected printable ASCII characters")
    if key is not None and _HEADER_VALUE.fullmatch(key) is None:
        raise BadRequest("api_key: expected printable ASCII characters")


def _missing(endpoint_id: UUID) -> NotFound:
    return NotFound(f"Endpoint with ID {endpoint_id} not found")
