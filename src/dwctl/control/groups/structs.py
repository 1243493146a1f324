"""Groups on the wire (spec/platform §1.6)."""

from datetime import datetime
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from dwctl.web.body import Body


class GroupCreate(Body, kw_only=True):
    """Body of POST."""

    name: str
    description: str | None = None


class GroupUpdate(Body, kw_only=True):
    """Body of PATCH: what is absent stays, null clears."""

    name: str | UnsetType = UNSET
    description: str | UnsetType | None = UNSET


class GroupUser(msgspec.Struct, frozen=True):
    """A member, with what a list shows of a person."""

    id: UUID
    username: str
    email: str
    display_name: str | None
    avatar_url: str | None


class GroupModel(msgspec.Struct, frozen=True):
    """A model that a group may use, with what a list shows of it."""

    id: UUID
    alias: str
    model_name: str
    display_name: str | None
    model_type: str


class Group(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A group as it is shown."""

    id: UUID
    name: str
    description: str | None
    created_by: UUID | UnsetType = UNSET
    """For managers only."""
    created_at: datetime
    updated_at: datetime
    source: str
    users: list[GroupUser] | UnsetType = UNSET
    models: list[GroupModel] | UnsetType = UNSET
