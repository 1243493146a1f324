"""Models on the wire (spec/platform §1.9, §4.4)."""

from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from dwctl.control.components.structs import Component
from dwctl.control.endpoints.structs import Endpoint
from dwctl.control.models.fallback import FallbackChange
from dwctl.control.models.provider import ProviderPricing, ProviderPricingChange
from dwctl.control.models.rules import TrafficRule
from dwctl.control.models.tariffs import Tariff, TariffGiven
from dwctl.routing.pool import Fallback, Strategy
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
    """Body of POST. `type` is `standard` or `composite`."""

    model_name: str
    type: str = "standard"
    hosted_on: UUID | None = None
    """The endpoint of a standard model; a composite one has none."""
    alias: str | None = None
    display_name: str | None = None
    description: str | None = None
    model_type: ModelType | None = None
    capabilities: list[str] | None = None
    metadata: Metadata | None = None
    lb_strategy: Strategy | UnsetType = UNSET
    """Of composite models, as `fallback`."""
    fallback: FallbackChange | UnsetType | None = UNSET
    response_headers: dict[str, str] | None = None
    """Headers that answers of this model carry to the client, such as prices."""
    requests_per_second: float | None = None
    burst_size: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    capacity: int | None = None
    batch_capacity: int | None = None
    throughput: float | None = None
    allowed_batch_completion_windows: list[str] | None = None
    """Windows in which batches of it may be done, of those that are configured; null for all, empty for none."""
    sanitize_responses: bool = False
    """Whether answers lose what only this provider sends, and its error texts (gateway/sanitise.py)."""
    trusted: bool = False
    """Whether the provider's error texts reach clients where others are masked, and it gets traces of clients."""
    open_responses_adapter: bool | None = None
    """Whether responses are made of its server's chat completions; null counts as true, but where the next one is."""
    chat_completions_adapter: bool = False
    """Whether chat completions are made of its server's responses, which is all that it knows."""
    traffic_routing_rules: list[TrafficRule] | None = None
    reasoning_translation: dict[str, Any] | None = None
    """How its server wants to be told how much to think (spec/gateway A1.16)."""
    tariffs: list[TariffGiven] | None = None
    """What callers pay; a model without is free."""
    provider_pricing: ProviderPricingChange | None = None


class ModelUpdate(Body, kw_only=True):
    """Body of PATCH: what is absent stays, null clears."""

    alias: str | UnsetType = UNSET
    display_name: str | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET
    model_type: ModelType | UnsetType = UNSET
    capabilities: list[str] | UnsetType | None = UNSET
    metadata: Metadata | UnsetType | None = UNSET
    lb_strategy: Strategy | UnsetType = UNSET
    fallback: FallbackChange | UnsetType | None = UNSET
    fallback_enabled: bool | UnsetType = UNSET
    """The same as the field of `fallback`, and so are the next ones."""
    fallback_on_rate_limit: bool | UnsetType = UNSET
    fallback_on_status: list[int] | UnsetType | None = UNSET
    fallback_with_replacement: bool | UnsetType = UNSET
    fallback_max_attempts: int | UnsetType | None = UNSET
    response_headers: dict[str, str] | UnsetType | None = UNSET
    requests_per_second: float | UnsetType | None = UNSET
    burst_size: int | UnsetType | None = UNSET
    requests_per_minute: int | UnsetType | None = UNSET
    tokens_per_minute: int | UnsetType | None = UNSET
    capacity: int | UnsetType | None = UNSET
    batch_capacity: int | UnsetType | None = UNSET
    throughput: float | UnsetType | None = UNSET
    allowed_batch_completion_windows: list[str] | UnsetType | None = UNSET
    sanitize_responses: bool | UnsetType = UNSET
    trusted: bool | UnsetType = UNSET
    open_responses_adapter: bool | UnsetType | None = UNSET
    chat_completions_adapter: bool | UnsetType = UNSET
    traffic_routing_rules: list[TrafficRule] | UnsetType | None = UNSET
    """All rules in place of those that are there."""
    reasoning_translation: dict[str, Any] | UnsetType | None = UNSET
    tariffs: list[TariffGiven] | UnsetType | None = UNSET
    """All tariffs in place of those in force; those that are the same go on."""
    replaces_tariffs: list[UUID] | UnsetType | None = UNSET
    """With `tariffs`: the ids of those in force that were seen. 409 when others are; null and absent do not ask."""
    provider_pricing: ProviderPricingChange | UnsetType | None = UNSET


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
    """For those who may read all models, and so are the next ones up to `chat_completions_adapter`."""
    lb_strategy: Strategy | UnsetType = UNSET
    fallback: Fallback | UnsetType = UNSET
    response_headers: dict[str, str] | UnsetType = UNSET
    components: list[Component] | UnsetType = UNSET
    sanitize_responses: bool | UnsetType = UNSET
    trusted: bool | UnsetType = UNSET
    open_responses_adapter: bool | UnsetType | None = UNSET
    chat_completions_adapter: bool | UnsetType = UNSET
    deleted: bool = False
    metadata: dict[str, Any] | None = None
    reasoning_translation: dict[str, Any] | UnsetType | None = UNSET
    """For those who may read all models."""
    created_by: UUID | UnsetType = UNSET
    """For those who may read all users."""
    requests_per_second: float | UnsetType | None = UNSET
    burst_size: int | UnsetType | None = UNSET
    requests_per_minute: int | UnsetType | None = UNSET
    tokens_per_minute: int | UnsetType | None = UNSET
    capacity: int | UnsetType | None = UNSET
    batch_capacity: int | UnsetType | None = UNSET
    throughput: float | UnsetType | None = UNSET
    """Limits are for those who may read them."""
    allowed_batch_completion_windows: list[str] | None = None
    groups: list[GroupSummary] | UnsetType = UNSET
    endpoint: Endpoint | UnsetType = UNSET
    traffic_routing_rules: list[TrafficRule] | UnsetType = UNSET
    """For those who may read all models."""
    tariffs: list[Tariff] | UnsetType = UNSET
    """With `include=pricing`, for everyone; those in force."""
    closed_tariffs: list[Tariff] | UnsetType = UNSET
    """With `include=tariff_history`, for those who may read all models; the last 50, the newest first."""
    provider_pricing: ProviderPricing | UnsetType | None = UNSET
    """With `include=pricing`, for those who may read provider prices."""


class Facets(msgspec.Struct, frozen=True, kw_only=True):
    """What the models that the caller sees can be narrowed to."""

    providers: list[str]
    capabilities: list[str]
    model_types: list[str]


class ModelPage(Page[Model], frozen=True, kw_only=True):
    """The envelope, with facets when they are asked for."""

    facets: Facets | UnsetType = UNSET
