"""Routes for autoscalers."""

from litestar import Router, get
from litestar.di import NamedDependency, Provide

from dwctl.control.monitoring.actions import MonitoringActions
from dwctl.web.authentication import Who


@get("/monitoring/pending-request-counts")
async def get_pending_request_counts(
    principal: Who, monitoring: NamedDependency[MonitoringActions]
) -> dict[str, dict[str, int]]:
    """Get how many queued requests each model has, by the completion window that they are due within."""
    return await monitoring.pending(principal)


def router(actions: MonitoringActions) -> Router:
    """All routes of this resource."""
    return Router(
        path="/",
        route_handlers=[get_pending_request_counts],
        dependencies={"monitoring": Provide(lambda: actions, sync_to_thread=False)},
        tags=["monitoring"],
    )
