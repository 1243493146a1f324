"""Supervised loops: started in order, run under one parent, stopped in reverse.

A `Service` retries what it expects inside its loop; whatever escapes `run` ends the process, because a loop
that is silently gone is worse than a restart. Each service's docstring says what wakes it, what it writes,
what happens if it dies and what may be lost.
"""

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from contextvars import Context
from typing import Any, Protocol, TypeVar, runtime_checkable

logger = logging.getLogger(__name__)

T = TypeVar("T")

STOP_WITHIN = 10.0
"""Seconds that one service may take to stop before it is given up, unless it is `SlowToStop`."""


CANCEL_AGAIN = 0.5
"""Seconds after which a task that has not ended is cancelled once more: a driver may answer the first time by asking a
server to end a statement, and wait for that; one that hangs does not answer this either."""


class Service(Protocol):
    """One loop of the process."""

    name: str

    async def start(self) -> None:
        """Returns when the service is ready; raises when it cannot be."""
        ...

    async def run(self) -> None:
        """Works until cancelled."""
        ...

    async def stop(self) -> None:
        """Flushes and lets go; called after `run` has ended, also when it failed."""
        ...


@runtime_checkable
class SlowToStop(Service, Protocol):
    """A service that may take longer than others to stop."""

    @property
    def stop_within(self) -> float:
        """Seconds after which it is given up."""
        ...


class ServiceFailed(Exception):
    """A service ended on its own; the cause is chained."""


class Supervisor:
    """Runs services until told to stop or until one of them ends."""

    def __init__(self, services: Sequence[Service], *, stop_within: float = STOP_WITHIN) -> None:
        self._services = services
        self._stop_within = stop_within

    async def run(self, stopping: asyncio.Event, started: asyncio.Event | None = None) -> None:
        """Start all in order, set `started`, wait for `stopping`, stop all in reverse order.

        Raises what made a service fail, after the others have been stopped.
        """
        running: list[tuple[Service, asyncio.Task[None]]] = []
        try:
            for service in self._services:
                if stopping.is_set():
                    return
                await service.start()
                running.append((service, start_task(service.run(), name=service.name)))
            if started is not None:
                started.set()
            await self._wait(stopping, [task for _, task in running])
        finally:
            await self._stop(running)

    async def _wait(self, stopping: asyncio.Event, tasks: list[asyncio.Task[None]]) -> None:
        stop = start_task(stopping.wait(), name="stopping")
        try:
            await asyncio.wait([stop, *tasks], return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop.cancel()
        for task in tasks:
            if task.done() and not stopping.is_set():
                cause = None if task.cancelled() else task.exception()
                raise ServiceFailed(f"{task.get_name()} ended unexpectedly") from cause

    async def _stop(self, running: list[tuple[Service, asyncio.Task[None]]]) -> None:
        for service, task in reversed(running):
            within = service.stop_within if isinstance(service, SlowToStop) else self._stop_within
            try:
                async with asyncio.timeout(within):
                    await end_task(task)
                    await service.stop()
            except TimeoutError:
                logger.error("%s did not stop within %g s", service.name, within)
            except Exception:
                logger.exception("%s failed while stopping", service.name)


def start_task(coroutine: Coroutine[Any, Any, T], *, name: str) -> asyncio.Task[T]:
    """The one place that makes tasks. The caller holds the task and awaits or cancels it."""
    return asyncio.create_task(coroutine, name=name)


async def end_task(task: asyncio.Task[Any]) -> None:
    """Cancel a task until it has ended."""
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=CANCEL_AGAIN)


async def run_within(coroutine: Coroutine[Any, Any, T], within: float, *, name: str) -> T:
    """What a coroutine gives; raises TimeoutError after so many seconds, however hard it is to cancel."""
    task = start_task(coroutine, name=name)
    try:
        await asyncio.wait([task], timeout=within)
        if not task.done():
            raise TimeoutError(f"not within {within:g} s")
        return task.result()
    finally:
        await end_task(task)


class TaskSet:
    """Tasks that belong to one owner, such as a request's on a connection; none is ever lost."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def spawn(
        self, coroutine: Coroutine[Any, Any, None], *, name: str, context: Context | None = None
    ) -> asyncio.Task[None]:
        """Start a task; an exception that escapes it is logged."""
        task = asyncio.get_running_loop().create_task(coroutine, name=name, context=context)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def wait(self, within: float) -> bool:
        """Wait until all have ended; false when some still run after `within` seconds."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=within)
        return not self._tasks

    async def cancel(self) -> None:
        """Cancel all and wait for their end."""
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("%s failed", task.get_name(), exc_info=error)
