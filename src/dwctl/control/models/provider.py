"""What the operator pays for a model, on the wire and in PostgreSQL (spec/platform §4.5). Shown, never charged."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from dwctl.control.models.tariffs import PRICES, price, text_of
from dwctl.core.errors import BadRequest
from dwctl.db.postgres import Database
from dwctl.db.queries import Queries
from dwctl.web.body import Body

FIELD = "provider_pricing"
_OF_HOURS = {"rate": "hourly_rate", "input_token_cost_ratio": "input_ratio"}
BY_MODE = {"per_token": PRICES, "hourly": _OF_HOURS}
"""Public name and column of what each mode has."""


class ProviderPricingChange(Body, kw_only=True):
    """What the operator pays: what is absent stays while the mode does, null clears."""

    mode: Literal["per_token", "hourly"] | UnsetType = UNSET
    """Needed the first time."""
    input_price_per_token: Decimal | UnsetType | None = UNSET
    """With `per_token`, as the next four."""
    output_price_per_token: Decimal | UnsetType | None = UNSET
    cached_input_price_per_token: Decimal | UnsetType | None = UNSET
    reasoning_price_per_token: Decimal | UnsetType | None = UNSET
    cache_write_price_per_token: Decimal | UnsetType | None = UNSET
    rate: Decimal | UnsetType | None = UNSET
    """For an hour; with `hourly`, as the next one."""
    input_token_cost_ratio: Decimal | UnsetType | None = UNSET


class ProviderPricing(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the operator pays, as shown: what does not go with the mode is absent."""

    mode: Literal["per_token", "hourly"]
    input_price_per_token: str | UnsetType | None = UNSET
    output_price_per_token: str | UnsetType | None = UNSET
    cached_input_price_per_token: str | UnsetType | None = UNSET
    reasoning_price_per_token: str | UnsetType | None = UNSET
    cache_write_price_per_token: str | UnsetType | None = UNSET
    rate: str | UnsetType | None = UNSET
    input_token_cost_ratio: str | UnsetType | None = UNSET


class ProviderPriceStore:
    """Rows of `provider_prices`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = Queries.load(__package__)

    async def of_models(self, models: Iterable[UUID]) -> dict[UUID, ProviderPricing]:
        """What the operator pays for models."""
        rows = await self._database.fetch(self._sql["provider_prices_of"], list(models))
        return {row["model_id"]: _provider(row) for row in rows}

    async def row(self, model_id: UUID) -> dict[str, Any] | None:
        """The columns of one model."""
        row = await self._database.fetch_row(self._sql["provider_prices_of"], [model_id])
        return None if row is None else dict(row)

    async def change(self, model_id: UUID, change: ProviderPricingChange | None) -> None:
        """Change what is set; None forgets everything."""
        if change is None:
            await self._database.execute(self._sql["delete_provider_prices"], model_id)
            return
        async with self._database.transaction() as connection:
            await connection.fetchval(self._sql["lock_model"], model_id)
            rows = await connection.fetch(self._sql["provider_prices_of"], [model_id])
            columns = provider_columns(dict(rows[0]) if rows else None, change)
            await connection.execute(
                self._sql["set_provider_prices"],
                model_id,
                columns["mode"],
                *(columns.get(name) for name in (*PRICES.values(), *_OF_HOURS.values())),
            )


def provider_columns(current: dict[str, Any] | None, change: ProviderPricingChange) -> dict[str, Any]:
    """What is to be written. Pure."""
    mode = change.mode
    if isinstance(mode, UnsetType):
        if current is None:
            raise BadRequest(f"{FIELD}.mode: expected 'per_token' or 'hourly', but it is not there")
        mode = current["mode"]
    columns: dict[str, Any] = {"mode": mode}
    for public, column in BY_MODE[mode].items():
        given: Decimal | UnsetType | None = getattr(change, public)
        if not isinstance(given, UnsetType):
            columns[column] = price(f"{FIELD}.{public}", given)
        elif current is not None and current["mode"] == mode:
            columns[column] = current[column]
    others = (name for names in BY_MODE.values() for name in names if name not in BY_MODE[mode])
    for public in others:
        if not isinstance(getattr(change, public), UnsetType | None):
            raise BadRequest(f"{FIELD}.{public}: expected only with another mode than '{mode}'")
    return columns


def _provider(row: Any) -> ProviderPricing:
    shown = {public: text_of(row[column]) for public, column in BY_MODE[row["mode"]].items()}
    return ProviderPricing(mode=row["mode"], **shown)
