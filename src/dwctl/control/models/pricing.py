"""Who may set and see which prices of models (spec/platform §4.4, §4.5)."""

from collections.abc import Iterable
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from dwctl.control.models.provider import FIELD, ProviderPriceStore, ProviderPricingChange, provider_columns
from dwctl.control.models.structs import Model
from dwctl.control.models.tariffs import SEEN, TariffGiven, TariffRow, TariffStore, tariff_rows
from dwctl.core.errors import BadRequest
from dwctl.db.postgres import Connection
from dwctl.identity.permissions import Operation, Resource, Scope, allows, require
from dwctl.identity.principal import Principal


class Prices(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be changed of a model's prices, looked at and found good."""

    tariffs: list[TariffRow] | None
    """None leaves them."""
    provider: ProviderPricingChange | UnsetType | None
    seen: frozenset[UUID] | None = None
    """The tariffs that were in force when they were looked at; None does not ask."""

    @property
    def given(self) -> bool:
        """Whether there is anything."""
        return self.tariffs is not None or self.provider is not UNSET


class Pricing:
    """Rules before rows."""

    def __init__(self, tariffs: TariffStore, provider: ProviderPriceStore) -> None:
        self._tariffs = tariffs
        self._provider = provider

    async def checked(
        self,
        who: Principal,
        tariffs: Iterable[TariffGiven] | UnsetType | None,
        provider: ProviderPricingChange | UnsetType | None,
        *,
        composite: bool,
        model_id: UUID | None = None,
        seen: Iterable[UUID] | UnsetType | None = UNSET,
    ) -> Prices:
        """What was given for a model, which may not be there yet.

        400 for what cannot be, 403 for provider prices by those who may not set them.
        """
        if isinstance(provider, ProviderPricingChange):
            require(who, Resource.PRICING, Operation.UPDATE)
            if composite:
                raise BadRequest(f"{FIELD}: a composite model has none; its components have")
            # Before anything of the model changes.
            provider_columns(None if model_id is None else await self._provider.row(model_id), provider)
        rows = None if isinstance(tariffs, UnsetType) else tariff_rows(tariffs or ())
        if isinstance(seen, UnsetType) or seen is None:
            return Prices(tariffs=rows, provider=provider)
        if rows is None:
            raise BadRequest(f"{SEEN}: expected only together with 'tariffs'")
        return Prices(tariffs=rows, provider=provider, seen=frozenset(seen))

    async def apply_tariffs(self, connection: Connection, model_id: UUID, prices: Prices) -> bool:
        """Change what callers pay for a model that the connection holds.

        Whether a call is priced otherwise from now on.
        """
        return prices.tariffs is not None and await self._tariffs.replace(
            connection, model_id, prices.tariffs, prices.seen
        )

    async def apply_provider(self, model_id: UUID, prices: Prices) -> None:
        """Change what the operator pays."""
        if not isinstance(prices.provider, UnsetType):
            await self._provider.change(model_id, prices.provider)

    async def show(self, who: Principal, models: list[Model]) -> None:
        """Tariffs for everyone, provider prices for those who may read them."""
        ids = [model.id for model in models]
        tariffs = await self._tariffs.of_models(ids)
        for model in models:
            model.tariffs = tariffs.get(model.id, [])
        if allows(who, Resource.PRICING, Operation.READ, Scope.ALL):
            provider = await self._provider.of_models(ids)
            for model in models:
                model.provider_pricing = provider.get(model.id)

    async def show_history(self, models: list[Model]) -> None:
        """Tariffs that were closed."""
        closed = await self._tariffs.closed_of_models([model.id for model in models])
        for model in models:
            model.closed_tariffs = closed.get(model.id, [])
