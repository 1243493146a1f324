"""Tool sources on the wire (spec/platform §1.13)."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from dwctl.web.body import Body

Kind = Literal["http"]


class ToolSourceCreate(Body, kw_only=True):
    """Body of POST."""

    kind: Kind = "http"
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    """JSON Schema of the arguments."""
    url: str
    api_key: str | None = None
    """Sent to the tool as a bearer token; never shown."""
    timeout_secs: int = 30


class ToolSourceUpdate(Body, kw_only=True):
    """Body of PATCH: what is absent stays, null clears."""

    kind: Kind | UnsetType = UNSET
    name: str | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    parameters: dict[str, Any] | UnsetType | None = UNSET
    url: str | UnsetType = UNSET
    api_key: str | UnsetType | None = UNSET
    timeout_secs: int | UnsetType = UNSET


class ToolSource(msgspec.Struct, kw_only=True):
    """A tool source as shown; its key never."""

    id: UUID
    kind: Kind
    name: str
    description: str | None
    parameters: dict[str, Any] | None
    url: str
    has_api_key: bool
    timeout_secs: int
    created_by: UUID
    created_at: datetime
    updated_at: datetime
    model_count: int
    """Models that have it, and in `group_count` groups: a call has a tool that both have."""
    group_count: int
