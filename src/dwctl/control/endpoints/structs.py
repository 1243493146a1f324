"""Inference endpoints on the wire (spec/platform §1.8)."""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from dwctl.routing.snapshot import Timeouts
from dwctl.web.body import Body


class EndpointCreate(Body, kw_only=True):
    """Body of POST."""

    name: str
    url: str
    description: str | None = None
    api_key: str | None = None
    model_filter: list[str] | None = None
    alias_mapping: dict[str, str] | None = None
    """Alias by upstream model name."""
    auth_header_name: str | None = None
    auth_header_prefix: str | None = None
    requests_per_second: float | None = None
    burst_size: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    max_concurrent: int | None = None
    sync: bool = True
    timeouts: Timeouts | None = None
    """An extension: limits of time of this server, in seconds."""
    skip_fetch: bool = False
    """Take `model_filter` as the list of models instead of asking the server."""


class EndpointUpdate(Body, kw_only=True):
    """Body of PATCH: what is absent stays, null clears."""

    name: str | UnsetType = UNSET
    url: str | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    api_key: str | UnsetType | None = UNSET
    model_filter: list[str] | UnsetType | None = UNSET
    alias_mapping: dict[str, str] | UnsetType = UNSET
    auth_header_name: str | UnsetType | None = UNSET
    auth_header_prefix: str | UnsetType | None = UNSET
    requests_per_second: float | UnsetType | None = UNSET
    burst_size: int | UnsetType | None = UNSET
    requests_per_minute: int | UnsetType | None = UNSET
    tokens_per_minute: int | UnsetType | None = UNSET
    max_concurrent: int | UnsetType | None = UNSET
    timeouts: Timeouts | UnsetType | None = UNSET

    @property
    def concerns_models(self) -> bool:
        """Whether the server may list other models after this."""
        return not (
            self.url is UNSET
            and self.model_filter is UNSET
            and self.api_key is UNSET
            and self.auth_header_name is UNSET
            and self.auth_header_prefix is UNSET
        )


class Endpoint(msgspec.Struct, kw_only=True):
    """An endpoint as shown; its key never."""

    id: UUID
    name: str
    description: str | None
    url: str
    model_filter: list[str] | None
    requires_api_key: bool
    auth_header_name: str
    auth_header_prefix: str
    timeouts: Timeouts | None
    created_by: UUID
    created_at: datetime
    updated_at: datetime
    requests_per_second: float | None = None
    burst_size: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    max_concurrent: int | None = None


class Validate(Body, kw_only=True):
    """Body of POST validate: a new endpoint by its address, or an existing one by its id."""

    type: Literal["new", "existing"]
    url: str | None = None
    api_key: str | None = None
    auth_header_name: str | None = None
    auth_header_prefix: str | None = None
    endpoint_id: UUID | None = None


class UpstreamModel(msgspec.Struct, kw_only=True):
    """A model as a server lists it."""

    id: str
    object: str = "model"
    created: int | None = None
    owned_by: str = ""
    name: str | None = None
    description: str | None = None


class UpstreamModels(msgspec.Struct, kw_only=True):
    """A server's list."""

    data: list[UpstreamModel]
    object: str = "list"


class Validated(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Whether an endpoint answers, and with which models."""

    status: Literal["success", "error"]
    models: UpstreamModels | UnsetType = UNSET
    error: str | UnsetType = UNSET


class Synchronized(msgspec.Struct, kw_only=True):
    """What a synchronization did."""

    endpoint_id: UUID
    changes_made: int
    new_models_created: int
    models_reactivated: int
    models_deactivated: int
    models_deleted: int
    total_models_fetched: int
    filtered_models_count: int
    synced_at: datetime
