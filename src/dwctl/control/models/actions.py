"""What may be done with models, and to whom what shows (spec/platform §1.9, §4.4)."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from dwctl.control.components.store import ComponentStore
from dwctl.control.endpoints.discovery import model_type
from dwctl.control.endpoints.store import EndpointStore
from dwctl.control.limits import ModelLimits, limits_in
from dwctl.control.models.fallback import FallbackChange, changed, checked_headers
from dwctl.control.models.pricing import Pricing
from dwctl.control.models.rules import RuleStore
from dwctl.control.models.store import Filter, ModelRow, ModelStore
from dwctl.control.models.structs import Facets, Metadata, Model, ModelCreate, ModelPage, ModelUpdate
from dwctl.core.errors import BadRequest, NotFound
from dwctl.core.ids import new_uuid
from dwctl.identity.permissions import Operation, Resource, Scope, allows, require
from dwctl.identity.principal import Principal
from dwctl.routing.change import Propagation
from dwctl.routing.pool import Fallback, Strategy
from dwctl.web.paging import Window
from dwctl.wire.reasoning import reasoning_of

SORTS = (
    *("created_at", "alias", "intelligence_index", "released_at", "context_window", "provider"),
    "price_from",
)
"""`price_from` is the least price of a token of input in force."""
ORDERS = ("asc", "desc")
TYPES = ("standard", "composite")
_PRICING = frozenset({"pricing"})
MAX_TEXT = 512
MAX_EXTRA = 50
MAX_METADATA_BYTES = 16 * 1024


class ModelActions:
    """Rules before rows."""

    def __init__(
        self,
        store: ModelStore,
        endpoints: EndpointStore,
        components: ComponentStore,
        propagation: Propagation,
        rules: RuleStore,
        pricing: Pricing,
        windows: Sequence[str],
    ) -> None:
        """`windows` are the completion windows that are configured for batches."""
        self._store = store
        self._rules = rules
        self._pricing = pricing
        self._windows = windows
        self._endpoints = endpoints
        self._components = components
        self._propagation = propagation

    async def page(
        self, who: Principal, wanted: Filter, window: Window, include: frozenset[str], *, accessible: bool
    ) -> ModelPage:
        """A page of models: those that one may use, or all for managers."""
        if wanted.sort not in SORTS:
            raise BadRequest(f"sort: expected one of {', '.join(SORTS)}, got '{wanted.sort}'")
        if wanted.order not in ORDERS:
            raise BadRequest(f"sort_direction: expected one of {', '.join(ORDERS)}, got '{wanted.order}'")
        if accessible or not self._sees_all(who):
            wanted = msgspec.structs.replace(wanted, accessible_to=who.owner_id)
        if not self._sees_all(who):
            wanted = msgspec.structs.replace(wanted, status="active")
        if not who.is_admin:
            wanted = msgspec.structs.replace(wanted, deleted=False)
        models, total = await self._store.page(wanted, window)
        await self._complete(who, models, include)
        facets: Facets | UnsetType = UNSET
        if "facets" in include:
            facets = await self._store.facets(wanted.accessible_to, wanted.status)
        return ModelPage(models, total, window.skip, window.limit, facets=facets)

    async def get(
        self, who: Principal, model_id: UUID, include: frozenset[str], *, deleted: bool = False
    ) -> Model:
        """One model; 404 for one that the caller cannot reach. Administrators may ask for deleted ones."""
        model = await self._store.get(model_id)
        if model is None or (model.deleted and not (deleted and who.is_admin)):
            raise _missing(model_id)
        if not self._sees_all(who) and not (
            model.active and await self._store.may_use(model_id, who.owner_id)
        ):
            raise _missing(model_id)
        await self._complete(who, [model], include)
        return model

    async def create(self, who: Principal, wanted: ModelCreate) -> Model:
        """A new model on an endpoint, or a composite one."""
        require(who, Resource.MODELS, Operation.CREATE)
        if not wanted.model_name.strip() or len(wanted.model_name) > MAX_TEXT or "\0" in wanted.model_name:
            raise BadRequest(f"model_name: expected 1 to {MAX_TEXT} characters that are not all blank")
        composite = await self._is_composite(wanted)
        row = ModelRow(
            id=new_uuid(),
            alias=_alias(wanted.model_name if wanted.alias is None else wanted.alias),
            display_name=wanted.display_name,
            description=wanted.description,
            type=wanted.model_type or model_type(wanted.model_name),
            capabilities=wanted.capabilities or [],
            metadata=_metadata(wanted.metadata),
            is_composite=composite,
            lb_strategy="weighted_random"
            if isinstance(wanted.lb_strategy, UnsetType)
            else wanted.lb_strategy,
            fallback=changed(Fallback(), wanted.fallback) if composite else None,
            response_headers=checked_headers(wanted.response_headers),
            limits=_limits(who, ModelLimits(), wanted),
            sanitize_responses=wanted.sanitize_responses,
            trusted=wanted.trusted,
            open_responses_adapter=wanted.open_responses_adapter,
            chat_completions_adapter=wanted.chat_completions_adapter,
            reasoning_translation=_translation(wanted.reasoning_translation),
            windows=self._checked(wanted.allowed_batch_completion_windows),
        )
        _check_adapters(row)
        rules = await self._rules.resolve(wanted.traffic_routing_rules or (), row.id)
        prices = await self._pricing.checked(
            who, wanted.tariffs or UNSET, wanted.provider_pricing or UNSET, composite=composite
        )
        async with self._propagation.confirm("models", str(row.id)):
            await self._store.create(
                row, wanted.model_name, wanted.hosted_on, who.user_id, prices.tariffs or ()
            )
        await self._pricing.apply_provider(row.id, prices)
        if rules:
            async with (
                self._propagation.confirm("models", str(row.id)),
                self._store.held(row.id) as (connection, _),
            ):
                await self._rules.replace(connection, row.id, rules)
        return await self.get(who, row.id, _PRICING if prices.given else frozenset())

    async def update(self, who: Principal, model_id: UUID, change: ModelUpdate) -> Model:
        """Change a model."""
        require(who, Resource.MODELS, Operation.UPDATE)
        current = await self._store.get(model_id)
        if current is None or (current.deleted and not who.is_admin):
            raise _missing(model_id)
        if not isinstance(change.allowed_batch_completion_windows, UnsetType):
            self._checked(change.allowed_batch_completion_windows)
        rules = None
        if not isinstance(change.traffic_routing_rules, UnsetType):
            rules = await self._rules.resolve(change.traffic_routing_rules or (), model_id)
        prices = await self._pricing.checked(
            who,
            change.tariffs,
            change.provider_pricing,
            composite=bool(current.is_composite),
            model_id=model_id,
            seen=change.replaces_tariffs,
        )
        async with (
            self._propagation.confirm("models", str(model_id)) as confirmed,
            self._store.held(model_id) as (connection, current),
        ):
            if current is None:
                raise _missing(model_id)
            row = _changed(current, change, _limits(who, _limits_of(current), change))
            _check_adapters(row)
            before = _changed(current, ModelUpdate(), _limits_of(current))
            await self._store.update(connection, row)
            ruled = rules is not None and await self._rules.replace(connection, model_id, rules)
            priced = await self._pricing.apply_tariffs(connection, model_id, prices)
            confirmed.made = ruled or priced or _routed(row) != _routed(before)
        await self._pricing.apply_provider(model_id, prices)
        after = await self._store.get(model_id)
        if after is None:
            raise _missing(model_id)
        await self._complete(who, [after], _PRICING if prices.given else frozenset())
        return after

    async def delete(self, who: Principal, model_id: UUID) -> UUID:
        """Delete a model softly; repeatable."""
        require(who, Resource.MODELS, Operation.DELETE)
        async with self._propagation.confirm("models", str(model_id)) as change:
            change.made = await self._store.delete(model_id)
            if not change.made and await self._store.get(model_id) is None:
                raise _missing(model_id)
        return model_id

    async def _complete(self, who: Principal, models: list[Model], include: frozenset[str]) -> None:
        """Add what was asked for, and take out what the caller may not see."""
        if "groups" in include and allows(who, Resource.GROUPS, Operation.READ, Scope.ALL):
            groups = await self._store.groups([model.id for model in models])
            for model in models:
                model.groups = groups.get(model.id, [])
        if "endpoints" in include and allows(who, Resource.ENDPOINTS, Operation.READ, Scope.ALL):
            endpoints = {endpoint.id: endpoint for endpoint in await self._endpoints.page()}
            for model in models:
                if model.hosted_on in endpoints:
                    model.endpoint = endpoints[model.hosted_on]
        if "components" in include and allows(who, Resource.COMPOSITE_MODELS, Operation.READ, Scope.ALL):
            composites = [model for model in models if model.is_composite]
            components = await self._components.of_models([model.id for model in composites])
            for model in composites:
                model.components = components.get(model.id, [])
        if "pricing" in include:
            await self._pricing.show(who, models)
        if "tariff_history" in include and self._sees_all(who):
            await self._pricing.show_history(models)
        if self._sees_all(who):
            rules = await self._rules.of_models([model.id for model in models])
            for model in models:
                model.traffic_routing_rules = rules.get(model.id, [])
        self._mask(who, models)

    def _mask(self, who: Principal, models: list[Model]) -> None:
        """Take out what the caller may not see."""
        if not self._sees_all(who):
            for model in models:
                model.is_composite = model.lb_strategy = model.fallback = model.response_headers = UNSET
                model.sanitize_responses = model.trusted = model.open_responses_adapter = UNSET
                model.chat_completions_adapter = model.reasoning_translation = UNSET
        _mask_limits(who, models)
        if not allows(who, Resource.USERS, Operation.READ, Scope.ALL):
            for model in models:
                model.created_by = UNSET

    async def _is_composite(self, wanted: ModelCreate) -> bool:
        """By its type, when what goes with it is there."""
        if wanted.type not in TYPES:
            raise BadRequest(f"type: expected one of {', '.join(TYPES)}, got '{wanted.type}'")
        if wanted.type == "composite":
            if wanted.hosted_on is not None:
                raise BadRequest("hosted_on: a composite model has no endpoint; its components have")
            return True
        if wanted.hosted_on is None:
            raise BadRequest("hosted_on: expected, but it is not there")
        if not isinstance(wanted.lb_strategy, UnsetType) or not isinstance(wanted.fallback, UnsetType):
            raise BadRequest("lb_strategy, fallback: only composite models have them")
        if await self._endpoints.get(wanted.hosted_on) is None:
            raise BadRequest(f"hosted_on: there is no endpoint with ID {wanted.hosted_on}")
        return False

    def _checked(self, windows: list[str] | None) -> list[str] | None:
        """Windows of a model: some of those that are configured."""
        for window in windows or ():
            if window not in self._windows:
                expected = ", ".join(self._windows)
                raise BadRequest(
                    f"allowed_batch_completion_windows: expected some of {expected}, got '{window}'"
                )
        return windows

    @staticmethod
    def _sees_all(who: Principal) -> bool:
        return allows(who, Resource.MODELS, Operation.READ, Scope.ALL)


def _mask_limits(who: Principal, models: list[Model]) -> None:
    if not allows(who, Resource.MODEL_RATE_LIMITS, Operation.READ, Scope.ALL):
        for model in models:
            for name in ModelLimits.__struct_fields__:
                setattr(model, name, UNSET)


def _limits_of(model: Model) -> ModelLimits:
    return msgspec.convert(model, ModelLimits, from_attributes=True)


def _limits(who: Principal, current: ModelLimits, change: ModelCreate | ModelUpdate) -> ModelLimits:
    found = limits_in(change)
    if isinstance(change, ModelCreate):
        found = {name: value for name, value in found.items() if value is not None}
    if found:
        require(who, Resource.MODEL_RATE_LIMITS, Operation.UPDATE)
    return msgspec.convert({**msgspec.structs.asdict(current), **found}, ModelLimits)


def _changed(current: Model, change: ModelUpdate, limits: ModelLimits) -> ModelRow:
    pool = _changed_pool(current, change)
    return ModelRow(
        id=current.id,
        alias=current.alias if isinstance(change.alias, UnsetType) else _alias(change.alias),
        display_name=current.display_name
        if isinstance(change.display_name, UnsetType)
        else change.display_name,
        description=current.description if isinstance(change.description, UnsetType) else change.description,
        type=current.model_type if isinstance(change.model_type, UnsetType) else change.model_type,
        capabilities=current.capabilities
        if isinstance(change.capabilities, UnsetType)
        else change.capabilities or [],
        metadata=current.metadata if isinstance(change.metadata, UnsetType) else _metadata(change.metadata),
        is_composite=bool(current.is_composite),
        lb_strategy=pool[0],
        fallback=pool[1],
        response_headers=current.response_headers or None
        if isinstance(change.response_headers, UnsetType)
        else checked_headers(change.response_headers),
        limits=limits,
        sanitize_responses=_either(change.sanitize_responses, current.sanitize_responses),
        trusted=_either(change.trusted, current.trusted),
        open_responses_adapter=_adapter(change.open_responses_adapter, current.open_responses_adapter),
        chat_completions_adapter=_either(change.chat_completions_adapter, current.chat_completions_adapter),
        reasoning_translation=(current.reasoning_translation or None)
        if isinstance(change.reasoning_translation, UnsetType)
        else _translation(change.reasoning_translation),
        windows=current.allowed_batch_completion_windows
        if isinstance(change.allowed_batch_completion_windows, UnsetType)
        else change.allowed_batch_completion_windows,
    )


def _either(change: bool | UnsetType, current: bool | UnsetType) -> bool:
    return bool(current) if isinstance(change, UnsetType) else change


def _adapter(change: bool | UnsetType | None, current: bool | UnsetType | None) -> bool | None:
    kept = None if isinstance(current, UnsetType) else current
    return kept if isinstance(change, UnsetType) else change


def _check_adapters(row: ModelRow) -> None:
    """A server that knows only responses has no chat completions to make responses of."""
    if not row.chat_completions_adapter:
        return
    if row.is_composite:
        raise BadRequest("chat_completions_adapter: a composite model has none; its components have")
    if row.open_responses_adapter:
        raise BadRequest(
            "chat_completions_adapter: expected false while open_responses_adapter is true: "
            "a server that knows only responses needs none made of its chat completions"
        )


def _changed_pool(current: Model, change: ModelUpdate) -> tuple[Strategy, Fallback | None]:
    """Strategy and fallback; the flat fields of the contract go before those in `fallback`."""
    flat = {
        name: value
        for name in ("enabled", "on_rate_limit", "on_status", "with_replacement", "max_attempts")
        if not isinstance(value := getattr(change, f"fallback_{name}"), UnsetType)
    }
    given = (
        flat or not isinstance(change.fallback, UnsetType) or not isinstance(change.lb_strategy, UnsetType)
    )
    if isinstance(current.fallback, UnsetType) or isinstance(current.lb_strategy, UnsetType):
        if given:
            raise BadRequest("lb_strategy, fallback: only composite models have them")
        return "weighted_random", None
    strategy = current.lb_strategy if isinstance(change.lb_strategy, UnsetType) else change.lb_strategy
    fallback = changed(current.fallback, change.fallback)
    return strategy, changed(fallback, FallbackChange(**flat)) if flat else fallback


def _routed(row: ModelRow) -> tuple[object, ...]:
    """What of a model the gateway reads: a change of it sends a notice."""
    return (
        *(row.alias, row.type, row.lb_strategy, row.fallback, row.response_headers, row.limits),
        *(row.sanitize_responses, row.trusted, row.open_responses_adapter, row.reasoning_translation),
        row.chat_completions_adapter,
    )


def _alias(text: str) -> str:
    alias = text.strip()
    if not alias or len(alias) > MAX_TEXT or "\0" in alias:
        raise BadRequest(f"alias: expected 1 to {MAX_TEXT} characters that are not all blank")
    return alias


def _metadata(metadata: Metadata | None) -> Metadata | None:
    if metadata is None:
        return None
    extra = metadata.extra if isinstance(metadata.extra, dict) else {}
    if len(extra) > MAX_EXTRA:
        raise BadRequest(f"metadata.extra: expected at most {MAX_EXTRA} keys, got {len(extra)}")
    size = len(msgspec.json.encode(metadata))
    if size > MAX_METADATA_BYTES:
        raise BadRequest(f"metadata: expected at most {MAX_METADATA_BYTES} bytes, got {size}")
    return metadata


def _translation(config: dict[str, Any] | None) -> dict[str, Any] | None:
    if config is not None:
        try:
            reasoning_of(config)
        except ValueError as error:
            raise BadRequest(f"reasoning_translation: {error}") from error
    return config


def _missing(model_id: UUID) -> NotFound:
    return NotFound(f"Model with ID {model_id} not found")
