"""Who may see the processes (spec/platform §1.15)."""

from dwctl.engine.daemons.store import DaemonStore
from dwctl.engine.daemons.structs import DaemonList, Status
from dwctl.identity.permissions import Operation, Resource, require
from dwctl.identity.principal import Principal


class DaemonActions:
    """Rules before rows."""

    def __init__(self, store: DaemonStore, dead_after: float) -> None:
        self._store = store
        self._dead_after = dead_after

    async def list(self, who: Principal, status: Status | None) -> DaemonList:
        """The processes, the newest first."""
        require(who, Resource.SYSTEM, Operation.READ)
        return DaemonList(await self._store.list(self._dead_after, status))
