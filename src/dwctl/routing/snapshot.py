"""The routing state that the hot path reads: immutable, whole, replaced and never edited.

A request reads `Routing.snapshot` once and keeps it until its answer is complete, so that a change in the
middle of a call cannot mix two states. The module is pure; `routing/store.py` loads it and
`routing/sync.py` keeps it fresh.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from dwctl.core.networks import Networks
from dwctl.routing.limits import Limits
from dwctl.routing.pool import Pool
from dwctl.routing.rules import Rules
from dwctl.routing.tools import Tool
from dwctl.usage.budgets.windows import Budgets
from dwctl.usage.prices import Tariffs
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
    limits: Limits | None = None
    budgets: Budgets | None = None
    """Its own, then its owner's; None for a key that none binds."""


Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of time of one endpoint, in seconds; what is None is as in `gateway.upstream`."""

    connect: Seconds | None = None
    first_byte: Seconds | None = None
    idle: Seconds | None = None
    total: Seconds | None = None


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
    weight: int = 1
    """Its share among the targets of a pool, from 1 to 100."""
    response_headers: tuple[tuple[str, str], ...] = ()
    """Headers that its answers carry to the client in place of its own ones of these names."""
    limits: Limits | None = None
    """Those of a pool's component; a standard model's stand at the model only, so that none counts twice."""
    provider_limits: Limits | None = None
    """Those of the endpoint."""
    timeouts: Timeouts | None = None
    """The endpoint's own limits of time, if it has any."""
    trusted: bool = False
    """Whether its error texts may reach clients where others are masked, and it may know the traces of callers."""
    adapts_responses: bool = True
    """Whether responses are made of its chat completions, for it does not know `/v1/responses` itself."""
    adapts_chat: bool = False
    """Whether chat completions are made of its responses, for it knows only `/v1/responses`."""
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
    """In the order of a pool's priorities; exactly one without a pool."""
    created: int
    """Unix seconds, shown by `GET /ai/v1/models`."""
    pool: Pool | None = None
    """None for a model with one target, which is tried once."""
    limits: Limits | None = None
    sanitize: bool = False
    """Whether answers lose what only a provider sends, and errors its words (gateway/sanitise.py)."""
    rules: Rules | None = None
    """None for a model that takes calls of every purpose."""
    tariffs: Tariffs | None = None
    """None for a model that is free. They count for the model that answers, not for one whose rule leads here."""
    batch_capacity: int | None = None
    """How many queued requests each process runs at a time; None: as the settings say."""
    tools: tuple[Tool, ...] | None = None
    """What the gateway runs for it, if a caller has it; None for a model without tools."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True, weakref=True):
    """Everything the gateway needs to decide about a call."""

    version: int
    """Rises by one with every replacement in this process."""
    keys: Mapping[bytes, Key]
    """By SHA-256 digest of the secret. Only live keys of live accounts are here."""
    models: Mapping[str, Model]
    """By alias. Only live models are here; a pool may have no target that can be used."""


EMPTY = Snapshot(version=0, keys={}, models={})


class Routing:
    """Holds the current snapshot. One attribute read is all that a request pays for it."""

    __slots__ = ("snapshot",)

    def __init__(self, snapshot: Snapshot = EMPTY) -> None:
        self.snapshot = snapshot
