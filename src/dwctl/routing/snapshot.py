"""The routing state that the hot path reads: immutable, whole, replaced and never edited.

A request reads `Routing.snapshot` once and keeps it until its answer is complete, so that a change in the
middle of a call cannot mix two states. The module is pure; `routing/store.py` loads it and
`routing/sync.py` keeps it fresh.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

from dwctl.core.networks import Networks
from dwctl.routing.rules import Rules
from dwctl.wire.reasoning import Reasoning

Purpose = Literal["realtime", "platform", "batch", "playground"]
"""What a key may be used for (contract: `api_keys.purpose`)."""

EVERYONE = "00000000-0000-0000-0000-000000000000"
"""Id of the group that every account belongs to."""


class Allowed(msgspec.Struct, frozen=True, kw_only=True):
    """What a key is limited to beyond its account's access; None does not limit."""

    models: frozenset[str] | None = None
    """Aliases."""
    networks: Networks | None = None
    """Where its client may be."""


class Key(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An API key as the gateway sees it. The secret itself is never here, only its SHA-256."""

    id: str
    owner_id: str
    """Account that pays and owns the rows: a person or an organization."""
    creator_id: str
    """The human who made the key."""
    purpose: Purpose
    groups: frozenset[str]
    """The owner's explicit groups; Everyone is implied."""
    expires_at: float | None = None
    """Unix seconds; None never expires."""
    allowed: Allowed | None = None
    """None for a key without lists of its own."""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """One endpoint and upstream model: what one attempt is sent to."""

    endpoint_id: str
    endpoint_name: str
    url: str
    """Base URL with its trailing slash, as stored, such as `http://127.0.0.1:8000/v1/`."""
    model_name: str
    """The name the upstream knows the model by."""
    auth_header: tuple[str, str] | None
    """Name and whole value of the credential header, or None when the upstream needs none."""
    reasoning: Reasoning | None = None
    """How it wants to be told how much to think; None passes a client's words on."""


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """An alias that callers ask for, and where it leads."""

    id: str
    alias: str
    type: Literal["CHAT", "EMBEDDINGS", "RERANKER"]
    groups: frozenset[str]
    """Groups with access; contains `EVERYONE` when the model is open to all."""
    targets: tuple[Target, ...]
    created: int
    """Unix seconds, shown by `GET /ai/v1/models`."""
    rules: Rules | None = None
    """None for a model that takes calls of every purpose."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the gateway needs to decide about a call."""

    version: int
    """Rises by one with every replacement in this process."""
    keys: Mapping[bytes, Key]
    """By SHA-256 digest of the secret. Only live keys of live accounts are here."""
    models: Mapping[str, Model]
    """By alias. Only live models with at least one usable target are here."""


EMPTY = Snapshot(version=0, keys={}, models={})


class Routing:
    """Holds the current snapshot. One attribute read is all that a request pays for it."""

    __slots__ = ("snapshot",)

    def __init__(self, snapshot: Snapshot = EMPTY) -> None:
        self.snapshot = snapshot
