"""Components on the wire (spec/platform §1.9, §4.3)."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from dwctl.web.body import Body

Weight = Annotated[int, msgspec.Meta(ge=1, le=100)]
Order = Annotated[int, msgspec.Meta(ge=-1_000_000, le=1_000_000)]


class ComponentCreate(Body, kw_only=True):
    """Body of POST."""

    weight: Weight = 1
    enabled: bool = True
    sort_order: Order | None = None
    """Ascending in the strategy `priority`; null puts it last."""


class ComponentUpdate(Body, kw_only=True):
    """Body of PATCH: what is absent stays."""

    weight: Weight | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    sort_order: Order | UnsetType = UNSET


class EndpointSummary(msgspec.Struct):
    """Where a component is hosted."""

    id: UUID
    name: str


class ComponentModel(msgspec.Struct):
    """The standard model behind a component."""

    id: UUID
    alias: str
    model_name: str
    description: str | None
    model_type: str
    endpoint: EndpointSummary


class Component(msgspec.Struct):
    """One component as shown."""

    weight: int
    enabled: bool
    sort_order: int
    created_at: datetime
    model: ComponentModel
