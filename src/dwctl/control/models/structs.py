"""Models on the wire (spec/platform §1.9, §4.4)."""

from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from dwctl.control.endpoints.structs import Endpoint
from dwctl.control.models.rules import TrafficRule
from dwctl.web.body import Body
from dwctl.web.paging import Page

ModelType = Literal["CHAT", "EMBEDDINGS", "RERANKER"]


class Metadata(Body, kw_only=True, omit_defaults=True):
    """What is told about a model; `extra` is free."""

    provider: str | UnsetType | None = UNSET
    display_category: Literal["generation", "embedding", "ocr"] | UnsetType | None = UNSET
    intelligence_index: float | UnsetType | None = UNSET
    context_window: int | UnsetType | None = UNSET
    released_at: date | UnsetType | None = UNSET
    quantization: str | UnsetType | None = UNSET
    attribution: str | UnsetType | None = UNSET
    extra: dict[str, Any] | UnsetType | None = UNSET


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
    metadata: Metadata | None = None
    traffic_routing_rules: list[TrafficRule] | None = None
    reasoning_translation: dict[str, Any] | None = None
    """How its server wants to be told how much to think (spec/gateway A1.16)."""


class ModelUpdate(Body, kw_only=True):
    """Body of PATCH: what is absent stays, null clears."""

    alias: str | UnsetType = UNSET
    display_name: str | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET
    model_type: ModelType | UnsetType = UNSET
    capabilities: list[str] | UnsetType | None = UNSET
    metadata: Metadata | UnsetType | None = UNSET
    traffic_routing_rules: list[TrafficRule] | UnsetType | None = UNSET
    """All rules in place of those that are there."""
    reasoning_translation: dict[str, Any] | UnsetType | None = UNSET


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
    is_composite: bool | UnsetType = UNSET
    """For those who may read all models."""
    deleted: bool = False
    metadata: dict[str, Any] | None = None
    reasoning_translation: dict[str, Any] | UnsetType | None = UNSET
    """For those who may read all models."""
    created_by: UUID | UnsetType = UNSET
    """For those who may read all users."""
    groups: list[GroupSummary] | UnsetType = UNSET
    endpoint: Endpoint | UnsetType = UNSET
    traffic_routing_rules: list[TrafficRule] | UnsetType = UNSET
    """For those who may read all models."""


class Facets(msgspec.Struct, frozen=True, kw_only=True):
    """What the models that the caller sees can be narrowed to."""

    providers: list[str]
    capabilities: list[str]
    model_types: list[str]


class ModelPage(Page[Model], frozen=True, kw_only=True):
    """The envelope, with facets when they are asked for."""

    facets: Facets | UnsetType = UNSET
