"""Routes for autoscalers."""

from litestar import Router, get
from litestar.di import NamedDependency, Provide
from litestar.params import FromQuery

from dwctl.control.monitoring.actions import Grouped, MonitoringActions
from dwctl.web.authentication import Who


@get("/monitoring/pending-request-counts")
async def get_pending_request_counts(
    principal: Who, monitoring: NamedDependency[MonitoringActions]
) -> dict[str, dict[str, int]]:
    """Get how many queued requests each model has, by the completion window that they are due within."""
    return await monitoring.pending(principal)


@get("/monitoring/demand")
async def get_demand(
    principal: Who,
    monitoring: NamedDependency[MonitoringActions],
    window: FromQuery[str | None] = None,
    service_tiers: FromQuery[str | None] = None,
    group_by: FromQuery[str | None] = None,
) -> dict[str, dict[str, int | Grouped]]:
    """Get how many requests of each model have their time within windows around now.

    `window` is a list of `<end>` (due by then, or overdue; `-1h` is `-1h:0s`) or `<start>:<end>`. What is over
    counts by when it was completed or failed. `service_tiers` is a list of `batch` (the default), `flex`, `background`
    and `priority`. With `group_by=service_tier` each window shows its counts by tier and by `pending`, `completed` and
    `failed`.
    """
    return await monitoring.demand(principal, window, service_tiers, group_by)


def router(actions: MonitoringActions) -> Router:
    """All routes of this resource."""
    return Router(
        path="/",
        route_handlers=[get_pending_request_counts, get_demand],
        dependencies={"monitoring": Provide(lambda: actions, sync_to_thread=False)},
        tags=["monitoring"],
    )
