"""What waits or is being run, by model and by how soon it is due; and what has ended lately."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from dwctl.control.monitoring.windows import Window, windows_of
from dwctl.core.clock import Clock
from dwctl.core.errors import BadRequest
from dwctl.identity.permissions import Operation, Resource, require
from dwctl.identity.principal import Principal
from dwctl.requests.queue.demand.store import DemandStore
from dwctl.requests.queue.windows import seconds_of

TIERS = ("batch", "flex", "background", "priority")
"""`priority` is the contract's word for what is never queued."""
_SAME = {"null": "batch", "none": "batch"}
PENDING = "pending"
Flat = dict[str, int]
Grouped = dict[str, dict[str, int]]
Cell = tuple[str, str, str, str]
"""Model, window, tier and outcome."""


class MonitoringActions:
    """Rules before rows."""

    def __init__(self, store: DemandStore, clock: Clock, windows: Sequence[str]) -> None:
        self._store = store
        self._clock = clock
        self._windows = {window: timedelta(seconds=seconds_of(window) or 0) for window in windows}

    async def pending(self, who: Principal) -> dict[str, dict[str, int]]:
        """Requests that are due within each window from now on, what is overdue too; not what is being cancelled."""
        require(who, Resource.SYSTEM, Operation.READ)
        now = self._now()
        counts: dict[str, dict[str, int]] = {}
        for depth in await self._store.depths():
            of_model = counts.setdefault(depth.model, dict.fromkeys(self._windows, 0))
            for window, span in self._windows.items():
                if depth.deadline <= now + span:
                    of_model[window] += depth.requests
        return counts

    async def demand(
        self, who: Principal, window: str | None, service_tiers: str | None, group_by: str | None
    ) -> dict[str, dict[str, int | Grouped]]:
        """Requests whose time lies within each window: what waits is due then, what has ended did so then.

        By model and window, all tiers and outcomes together; with `group_by` by tier and outcome too.
        """
        require(who, Resource.SYSTEM, Operation.READ)
        if group_by not in (None, "service_tier"):
            raise BadRequest(f"group_by: expected service_tier, got {group_by[:100]!r}")
        windows, tiers = windows_of(window), _tiers(service_tiers)
        cells = await self._cells(windows, tiers)
        shown: dict[str, dict[str, int | Grouped]] = {}
        for model in sorted({model for model, *_ in cells}):
            of_model = shown[model] = {}
            for each in windows:
                of_model[each.label] = (
                    sum(count for cell, count in cells.items() if cell[:2] == (model, each.label))
                    if group_by is None
                    else _by_tier(cells, model, each, tiers)
                )
        return shown

    async def _cells(self, windows: Sequence[Window], tiers: Sequence[str]) -> Counter[Cell]:
        now = self._now()
        depths = await self._store.depths()
        if "priority" in tiers:
            depths += await self._store.interactive()
        cells: Counter[Cell] = Counter()
        for depth in depths:
            if depth.tier not in tiers:
                continue
            due = depth.deadline - now
            for each in windows:
                within = (each.start is None or each.start <= due) and due < each.end
                cells[depth.model, each.label, depth.tier, PENDING] += depth.requests if within else 0
        for each in windows:
            if each.past is not None:
                since, till = each.past
                for ended in await self._store.ended(now + since, now + till):
                    if ended.tier in tiers:
                        cells[ended.model, each.label, ended.tier, ended.outcome] += ended.requests
        return cells

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.now(), UTC)


def _tiers(text: str | None) -> Sequence[str]:
    """Those asked for; batches alone when none is named."""
    named = [part.strip().lower() for part in (text or "").split(",") if part.strip()]
    tiers = dict.fromkeys(_SAME.get(name, name) for name in named)
    for tier in tiers:
        if tier not in TIERS:
            raise BadRequest(f"service_tiers: expected some of {', '.join(TIERS)}, got {tier[:100]!r}")
    return list(tiers) or ["batch"]


def _by_tier(cells: Counter[Cell], model: str, window: Window, tiers: Iterable[str]) -> Grouped:
    """What a window has of each tier that the model has any of."""
    outcomes = (PENDING,) if window.past is None else (PENDING, "completed", "failed")
    known = {tier for of, _, tier, _ in cells if of == model}
    return {
        tier: {outcome: cells[model, window.label, tier, outcome] for outcome in outcomes}
        for tier in tiers
        if tier in known
    }
