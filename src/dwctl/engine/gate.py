"""The worker's gate."""

import asyncio

from dwctl.engine.worker import Worker


class Gate:
    """The worker's gate, a service only for its place: it is stopped first, and nothing is claimed from then on.

    Wakes on: nothing. Writes: nothing. Its death: none. May be lost: nothing.
    """

    name = "worker-gate"

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def start(self) -> None:
        """It is open."""

    async def run(self) -> None:
        """Nothing to do."""
        await asyncio.Event().wait()

    async def stop(self) -> None:
        """Close it."""
        self._worker.close()
