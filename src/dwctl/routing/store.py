"""Reads the routing state from PostgreSQL: everything, or just what a notice names."""

import logging
from collections.abc import AsyncIterator, Iterable, Iterator
from sys import intern
from typing import Any, cast
from uuid import UUID

import msgspec

from dwctl.core.networks import Network, Networks
from dwctl.core.seal import Seal, SealError
from dwctl.db.postgres import Database
from dwctl.db.queries import Queries
from dwctl.routing.limits import Limits
from dwctl.routing.pool import pool_of
from dwctl.routing.rules import by_model
from dwctl.routing.snapshot import Allowed, Key, Model, Purpose, Target, Timeouts
from dwctl.routing.tools import tools_of
from dwctl.usage.budgets.windows import Budget, Budgets, Scope
from dwctl.usage.prices import tariffs_of
from dwctl.wire.reasoning import reasoning_of

logger = logging.getLogger(__name__)

CHUNK = 100
"""Rows turned into objects at a time: about a millisecond of the event loop."""
MAX_SHARED_SETS = 10_000
_BOUND: tuple[tuple[Scope, str, str, str], ...] = (
    ("key", "id", "name", ""),
    ("account", "owner_id", "username", "owner_"),
)
"""Whose budgets bind a key, and in which columns they stand."""


class BadRow(msgspec.Struct, frozen=True):
    """A model that could not be used: it is left out and reported, and nothing else suffers."""

    model_id: str
    endpoint_id: str
    alias: str
    reason: str


class RoutingStore:
    """Loads keys and models in slices, so that a full reload never holds the event loop."""

    def __init__(self, database: Database, seal: Seal) -> None:
        self._database = database
        self._seal = seal
        self._sql = Queries.load(__package__)
        self._shared: dict[tuple[UUID, ...], frozenset[str]] = {}

    async def keys(
        self, ids: Iterable[str] | None = None, accounts: Iterable[str] | None = None
    ) -> AsyncIterator[list[tuple[bytes, Key]]]:
        """Chunks of (SHA-256 digest, key): all live ones, or those with these ids or of these accounts."""
        async with self._database.transaction() as connection:
            cursor = connection.cursor(self._sql["list_keys"], _uuids(ids), _uuids(accounts), prefetch=CHUNK)
            chunk: list[tuple[bytes, Key]] = []
            async for row in cursor:
                chunk.append((row["secret_hash"], self._key(row)))
                if len(chunk) == CHUNK:
                    yield chunk
                    chunk = []
            if chunk:
                yield chunk

    async def models(
        self, ids: Iterable[str] | None = None, endpoints: Iterable[str] | None = None
    ) -> tuple[list[Model], list[BadRow]]:
        """Live, active models, and the rows that had to be left out with the reason.

        Those named by either, and every pool that one of them is part of; all of them in one reading, so that what
        is found of a model is of one moment.
        """
        named = None if ids is None else await self._with_leading(_uuids(ids) or [])
        rows = await self._database.fetch(self._sql["list_models"], named, _uuids(endpoints))
        parts = await self._parts([row["id"] for row in rows if row["is_composite"]])
        models: list[Model] = []
        bad: list[BadRow] = []
        for row in rows:
            try:
                models.append(self._model(row, parts.get(row["id"], ())))
            except (SealError, ValueError) as error:
                bad.append(BadRow(str(row["id"]), str(row["endpoint_id"]), row["alias"], str(error)))
        return await self._tooled(await self._priced(await self._ruled(models))), bad

    async def _with_leading(self, ids: list[UUID]) -> list[UUID]:
        """These models, and those whose traffic rules lead to them."""
        rows = await self._database.fetch(self._sql["models_leading_to"], ids)
        return [*ids, *(row["model_id"] for row in rows)]

    async def _ruled(self, models: list[Model]) -> list[Model]:
        """The models with their traffic rules."""
        rows = await self._database.fetch(self._sql["list_rules"], [UUID(model.id) for model in models])
        rules = by_model(rows)
        return [
            msgspec.structs.replace(model, rules=rules[model.id]) if model.id in rules else model
            for model in models
        ]

    async def _priced(self, models: list[Model]) -> list[Model]:
        """The models with their tariffs."""
        found: dict[UUID, list[Any]] = {}
        for row in await self._database.fetch(
            self._sql["list_tariffs"], [UUID(model.id) for model in models]
        ):
            found.setdefault(row["model_id"], []).append(row)
        return [
            msgspec.structs.replace(model, tariffs=tariffs_of(found[ident])) if ident in found else model
            for model in models
            for ident in (UUID(model.id),)
        ]

    async def _tooled(self, models: list[Model]) -> list[Model]:
        """The models with their tools."""
        rows = await self._database.fetch(self._sql["list_tools"], [UUID(model.id) for model in models])
        tools, bad = tools_of(rows, self._seal)
        for name in bad:
            logger.error("tool %s is left out: its api_key cannot be opened with this secret_key", name)
        return [
            msgspec.structs.replace(model, tools=tools[ident]) if ident in tools else model
            for model in models
            for ident in (UUID(model.id),)
        ]

    async def _parts(self, pools: list[UUID]) -> dict[UUID, list[Any]]:
        """The rows of targets by pool."""
        found: dict[UUID, list[Any]] = {}
        if pools:
            for row in await self._database.fetch(self._sql["list_components"], pools):
                found.setdefault(row["pool_id"], []).append(row)
        return found

    def _key(self, row: Any) -> Key:
        expires_at: float | None = row["expires_at"]
        # What many keys or targets have in common is one text: less memory, and less to fetch for a call.
        return Key(
            id=str(row["id"]),
            owner_id=intern(str(row["owner_id"])),
            creator_id=intern(str(row["creator_id"])),
            purpose=cast("Purpose", intern(row["purpose"])),
            groups=self._group_set(row["groups"]),
            expires_at=expires_at,
            limits=_limits(f"key:{row['id']}", row, row["max_concurrent"]),
            allowed=_allowed(row["allowed_models"], row["allowed_cidrs"]),
            budgets=_budgets(row),
        )

    def _model(self, row: Any, parts: Iterable[Any]) -> Model:
        composite: bool = row["is_composite"]
        return Model(
            id=str(row["id"]),
            alias=row["alias"],
            type=row["type"],
            groups=self._group_set(row["groups"]),
            targets=tuple(self._usable(row, parts)) if composite else (self._target(row, {}),),
            created=row["created"],
            sanitize=row["sanitize_responses"],
            pool=pool_of(row["lb_strategy"], row["fallback"]) if composite else None,
            limits=_limits(f"model:{row['id']}", row, row["capacity"]),
            batch_capacity=row["batch_capacity"],
        )

    def _usable(self, pool: Any, parts: Iterable[Any]) -> Iterator[Target]:
        """A target whose credential cannot be opened is left out here, and reported with its own model."""
        for part in parts:
            limits = _limits(f"model:{part['id']}", part, part["capacity"])
            try:
                yield self._target(part, pool["response_headers"] or {}, part["weight"], limits)
            except SealError:
                continue

    def _target(
        self, row: Any, headers: dict[str, str], weight: int = 1, limits: Limits | None = None
    ) -> Target:
        """`headers` are those of the pool; the model's own ones go before them, whatever their case.

        `limits` are those of the component's model; a standard model's stand at the model only.
        """
        sealed: bytes | None = row["api_key_sealed"]
        credential = None
        if sealed is not None:
            value = f"{row['auth_header_prefix']}{self._seal.open(sealed)}"
            credential = (row["auth_header_name"], value)
        translation: object = row["reasoning_translation"]
        announced = {name.lower(): value for name, value in headers.items()}
        announced |= {name.lower(): value for name, value in (row["response_headers"] or {}).items()}
        return Target(
            endpoint_id=intern(str(row["endpoint_id"])),
            endpoint_name=intern(row["endpoint_name"]),
            url=intern(row["url"]),
            model_name=intern(row["model_name"]),
            auth_header=credential,
            weight=weight,
            response_headers=tuple(announced.items()),
            timeouts=None if row["timeouts"] is None else msgspec.convert(row["timeouts"], Timeouts),
            trusted=row["trusted"],
            adapts_responses=row["open_responses_adapter"] is not False
            and not row["chat_completions_adapter"],
            adapts_chat=row["chat_completions_adapter"],
            reasoning=None if translation is None else reasoning_of(translation),
            limits=limits,
            provider_limits=_limits(
                f"provider:{row['endpoint_id']}", row, row["provider_max_concurrent"], "provider_"
            ),
        )

    def _group_set(self, groups: list[UUID] | None) -> frozenset[str]:
        """Accounts in the same groups share one set: 50,000 keys need a few dozen."""
        wanted = tuple(sorted(groups or ()))
        found = self._shared.get(wanted)
        if found is None:
            if len(self._shared) >= MAX_SHARED_SETS:
                self._shared.clear()
            found = self._shared[wanted] = frozenset(map(str, wanted))
        return found


def _limits(ident: str, row: Any, concurrent: int | None, prefix: str = "") -> Limits | None:
    return Limits.of(
        ident,
        row[f"{prefix}requests_per_second"],
        row[f"{prefix}burst_size"],
        row[f"{prefix}requests_per_minute"],
        row[f"{prefix}tokens_per_minute"],
        concurrent,
    )


def _uuids(ids: Iterable[str] | None) -> list[UUID] | None:
    return None if ids is None else [UUID(text) for text in ids]


def _allowed(models: list[str] | None, networks: list[Network] | None) -> Allowed | None:
    if models is None and networks is None:
        return None
    return Allowed(
        models=None if models is None else frozenset(models),
        networks=None if networks is None else Networks(networks),
    )


def _budgets(row: Any) -> Budgets | None:
    """The key's, then its owner's."""
    found = [
        Budget(
            scope=scope,
            id=str(row[ident]),
            name=row[name],
            amount=row[f"{prefix}budget_amount"],
            period=row[f"{prefix}budget_period"],
        )
        for scope, ident, name, prefix in _BOUND
        if row[f"{prefix}budget_amount"] is not None
    ]
    return Budgets(found) if found else None
