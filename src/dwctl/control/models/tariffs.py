"""Tariffs of models on the wire and in PostgreSQL: what callers pay (spec/platform §4.5)."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from dwctl.core.errors import BadRequest, Conflict
from dwctl.core.ids import new_uuid
from dwctl.db.postgres import Connection, Database
from dwctl.db.queries import Queries
from dwctl.routing.snapshot import Purpose
from dwctl.usage.money import plain
from dwctl.web.body import Body

FIELD = "tariffs"
SEEN = "replaces_tariffs"
MAX_NAME = 256
MAX_WINDOW = 32
PRICE_LIMIT = Decimal(100_000)
"""A price is below it: the columns hold no more, and no number of tokens makes more than the ledger can hold."""
PLACES = Decimal("1e-15")
MOST_CLOSED = 50
"""As many of a model's closed tariffs are shown, the last ones."""


class TariffGiven(Body, kw_only=True):
    """A tariff as it is given. Prices are for one token, as decimal strings or numbers."""

    name: str
    input_price_per_token: Decimal
    output_price_per_token: Decimal
    cached_input_price_per_token: Decimal | None = None
    """Null: as input."""
    reasoning_price_per_token: Decimal | None = None
    """Null: as output."""
    cache_write_price_per_token: Decimal | None = None
    """Of input that the model server writes to its cache. Null: as input."""
    api_key_purpose: Purpose | None = None
    """Null: calls of every purpose that has no tariff of its own."""
    completion_window: str | None = None
    """With the purpose `batch`, and only then."""


class Tariff(msgspec.Struct, frozen=True, kw_only=True):
    """A tariff as shown; prices are decimal strings."""

    id: UUID
    deployed_model_id: UUID | None
    name: str
    input_price_per_token: str
    output_price_per_token: str
    cached_input_price_per_token: str | None
    reasoning_price_per_token: str | None
    cache_write_price_per_token: str | None
    api_key_purpose: str | None
    completion_window: str | None
    valid_from: datetime
    valid_until: datetime | None
    is_active: bool


PRICES = {
    "input_price_per_token": "input_price",
    "output_price_per_token": "output_price",
    "cached_input_price_per_token": "cached_input_price",
    "reasoning_price_per_token": "reasoning_price",
    "cache_write_price_per_token": "cache_write_price",
}
"""Public name and column of each price of a token."""


class TariffRow(msgspec.Struct, frozen=True):
    """A tariff as it is written; two that are equal are the same."""

    name: str
    purpose: str | None
    window: str | None
    input_price: Decimal
    output_price: Decimal
    cached_input_price: Decimal | None
    reasoning_price: Decimal | None
    cache_write_price: Decimal | None


class TariffStore:
    """Rows of `model_tariffs`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = Queries.load(__package__)

    async def of_models(self, models: Iterable[UUID]) -> dict[UUID, list[Tariff]]:
        """The tariffs in force, in the order of purpose and window."""
        found: defaultdict[UUID, list[Tariff]] = defaultdict(list)
        for row in await self._database.fetch(self._sql["tariffs_of_models"], list(models)):
            found[row["model_id"]].append(_shown(row))
        return found

    async def closed_of_models(self, models: Iterable[UUID]) -> dict[UUID, list[Tariff]]:
        """The tariffs that are no longer in force, the last one first."""
        found: defaultdict[UUID, list[Tariff]] = defaultdict(list)
        sql = self._sql["closed_tariffs_of_models"]
        for row in await self._database.fetch(sql, list(models), MOST_CLOSED):
            found[row["model_id"]].append(_shown(row))
        return found

    async def replace(
        self,
        connection: Connection,
        model_id: UUID,
        wanted: Iterable[TariffRow],
        seen: frozenset[UUID] | None,
    ) -> bool:
        """These tariffs from now on; what is in force already stays. Whether that changed anything.

        Of a model that the connection holds; 409 when others are in force than those that were seen.
        """
        return await self._replace(connection, model_id, set(wanted), seen)

    async def create(self, connection: Connection, model_id: UUID, wanted: Iterable[TariffRow]) -> None:
        """The tariffs of a model that its own transaction makes."""
        await self._replace(connection, model_id, set(wanted))

    async def _replace(
        self,
        connection: Connection,
        model_id: UUID,
        wanted: set[TariffRow],
        seen: frozenset[UUID] | None = None,
    ) -> bool:
        there = {
            _written(row): row["id"]
            for row in await connection.fetch(self._sql["tariffs_of_models"], [model_id])
        }
        if seen is not None and seen != frozenset(there.values()):
            raise Conflict(
                f"{FIELD}: others are in force than those in '{SEEN}'; somebody has changed them. "
                "Look at them again.",
                {"resource": "tariff"},
            )
        gone = [ident for row, ident in there.items() if row not in wanted]
        new = [row for row in wanted if row not in there]
        if gone:
            await connection.execute(self._sql["close_tariffs"], gone)
        if new:
            rows = [(new_uuid(), model_id, *msgspec.structs.astuple(row)) for row in new]
            await connection.executemany(self._sql["open_tariff"], rows)
        return bool(gone or new)


def tariff_rows(given: Iterable[TariffGiven]) -> list[TariffRow]:
    """As they are written; 400 for what cannot be one, and for two of a kind."""
    rows: list[TariffRow] = []
    kinds: set[tuple[str | None, str | None]] = set()
    for at, tariff in enumerate(given):
        where = f"{FIELD}[{at}]"
        purpose, window = tariff.api_key_purpose, tariff.completion_window
        name = tariff.name.strip()
        if not name or len(name) > MAX_NAME:
            raise BadRequest(f"{where}.name: expected 1 to {MAX_NAME} characters that are not all blank")
        if (purpose == "batch") != (window is not None):
            got = "nothing" if window is None else f"'{window}'"
            expected = "expected with the purpose 'batch'" if window is None else "expected only with 'batch'"
            raise BadRequest(f"{where}.completion_window: {expected}, got {got}")
        if window is not None and not 1 <= len(window.strip()) <= MAX_WINDOW:
            raise BadRequest(f"{where}.completion_window: expected a window such as '24h', got '{window}'")
        if (purpose, window) in kinds:
            raise BadRequest(f"{where}: expected one tariff for each purpose and window, got two")
        kinds.add((purpose, window))
        prices = (price(f"{where}.{public}", getattr(tariff, public)) for public in PRICES)
        entry, out, *parts = prices
        if entry is None or out is None:
            raise BadRequest(f"{where}: expected a price of input and of output")
        rows.append(TariffRow(name, purpose, window, entry, out, *parts))
    return rows


def price(where: str, given: Decimal | None) -> Decimal | None:
    """To 15 decimals: a price that a browser divided by a million has more, and none that mean anything."""
    if given is None:
        return None
    if not given.is_finite() or not 0 <= given < PRICE_LIMIT:
        raise BadRequest(f"{where}: expected a number from 0 to less than {PRICE_LIMIT}, got '{given}'")
    rounded = given.quantize(PLACES)
    if given and not rounded:
        raise BadRequest(f"{where}: expected 0, or at least {PLACES}, got '{given}'")
    return rounded


def text_of(amount: Decimal | None) -> str | None:
    return None if amount is None else plain(amount)


def _shown(row: Any) -> Tariff:
    return Tariff(
        id=row["id"],
        deployed_model_id=row["model_id"],
        name=row["name"],
        input_price_per_token=plain(row["input_price"]),
        output_price_per_token=plain(row["output_price"]),
        cached_input_price_per_token=text_of(row["cached_input_price"]),
        reasoning_price_per_token=text_of(row["reasoning_price"]),
        cache_write_price_per_token=text_of(row["cache_write_price"]),
        api_key_purpose=row["purpose"],
        completion_window=row["completion_window"],
        valid_from=row["valid_from"],
        valid_until=row["valid_until"],
        is_active=row["valid_until"] is None,
    )


def _written(row: Any) -> TariffRow:
    return TariffRow(
        row["name"],
        row["purpose"],
        row["completion_window"],
        row["input_price"],
        row["output_price"],
        row["cached_input_price"],
        row["reasoning_price"],
        row["cache_write_price"],
    )
