"""Models on the wire (spec/platform §1.9, §4.4)."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from dwctl.control.endpoints.structs import Endpoint
from dwctl.web.body import Body

ModelType = Literal["CHAT", "EMBEDDINGS", "RERANKER"]


class ModelCreate(Body, kw_only=True):
    """Body of POST. `type` is `standard`."""

    model_name: str
    hosted_on: UUID
    type: str = "standard"
    alias: str | None = None
    display_name: str | None = None
    description: str | None = None
    model_type: ModelType | None = None
    capabilities: list[str] | None = None
    metadata: dict[str, Any] | None = None


class ModelUpdate(Body, kw_only=True):
    """Body of PATCH: what is absent stays, null clears."""

    alias: str | UnsetType = UNSET
    display_name: str | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET
    model_type: ModelType | UnsetType = UNSET
    capabilities: list[str] | UnsetType | None = UNSET
    metadata: dict[str, Any] | UnsetType | None = UNSET


class GroupSummary(msgspec.Struct):
    """A group that may use a model."""

    id: UUID
    name: str
    description: str | None


class Model(msgspec.Struct, kw_only=True):
    """A model as shown."""

    id: UUID
    model_name: str
    alias: str
    display_name: str | None
    description: str | None
    model_type: ModelType
    capabilities: list[str]
    hosted_on: UUID | None
    active: bool
    """Whether its server lists it; an inactive model is not routed."""
    created_at: datetime
    updated_at: datetime
    last_sync: datetime | None
    is_composite: bool = False
    deleted: bool = False
    metadata: dict[str, Any] | None = None
    created_by: UUID | UnsetType = UNSET
    """For those who may read all users."""
    groups: list[GroupSummary] | UnsetType = UNSET
    endpoint: Endpoint | UnsetType = UNSET
