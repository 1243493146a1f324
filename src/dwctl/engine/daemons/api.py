"""The route of the list of processes."""

from collections.abc import Collection

from litestar import Router, get
from litestar.di import NamedDependency, Provide
from litestar.params import FromQuery

from dwctl.engine.daemons.actions import DaemonActions
from dwctl.engine.daemons.structs import DaemonList, Status
from dwctl.identity.authenticate import AI_PURPOSES, Authenticator
from dwctl.web.authentication import Who, guard, principal_dependency


@get("/daemons")
async def list_daemons(
    principal: Who, daemons: NamedDependency[DaemonActions], status: FromQuery[Status | None] = None
) -> DaemonList:
    """List the processes that serve this installation, or did within a day."""
    return await daemons.list(principal, status)


def router(actions: DaemonActions, authenticator: Authenticator, origins: Collection[str]) -> Router:
    """All routes of this resource."""
    return Router(
        path="/ai/v1",
        route_handlers=[list_daemons],
        guards=[guard(authenticator, AI_PURPOSES, origins)],
        dependencies={
            **principal_dependency(),
            "daemons": Provide(lambda: actions, sync_to_thread=False),
        },
        include_in_schema=False,
    )
