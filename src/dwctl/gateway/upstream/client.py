"""All origins of the process. A `Service`: its loop is the sweep that enforces limits of time.

Wakes on: half a second. Writes: nothing. If it dies, the process ends. On `stop` each call that still waits for its
upstream is told so, and recorded as failed.
"""

import asyncio
import ssl
import time
from collections.abc import Callable

from dwctl.core.dial import Dialer
from dwctl.core.reach import Reach
from dwctl.core.services import TaskSet
from dwctl.gateway.settings import UpstreamSettings
from dwctl.gateway.upstream.address import Address
from dwctl.gateway.upstream.connection import Failure, Receiver, Source
from dwctl.gateway.upstream.origin import Origin, Ticket

SWEEP_EVERY = 0.5


class UpstreamClient:
    """Sends requests to model servers."""

    name = "upstream"

    def __init__(
        self,
        settings: UpstreamSettings,
        *,
        sweep_every: float = SWEEP_EVERY,
        tls: ssl.SSLContext | None = None,
        dialer: Dialer | None = None,
    ) -> None:
        self._settings = settings
        self._sweep_every = sweep_every
        self._origins: dict[Address, Origin] = {}
        self._last: Origin | None = None
        self._last_address: Address | None = None
        """The one that was asked last: to hash an address costs as much as all the rest of finding it."""
        self._tasks = TaskSet()
        self._dialer = dialer or Dialer(Reach(settings.networks), tls=tls)
        self._ended = False

    async def start(self) -> None:
        """Nothing to prepare: connections are made when they are needed."""

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            await asyncio.sleep(self._sweep_every)
            now = time.perf_counter()
            for origin in list(self._origins.values()):
                await origin.sweep(now)

    async def stop(self) -> None:
        """Close every connection."""
        self.end()
        await self._tasks.cancel()

    def end(self) -> None:
        """The time to finish is over: each call that still waits for its upstream is told so, and so is any later one.

        A stream that has begun ends with an event in its own language, and whoever waits for an answer gets 503.
        """
        self._ended = True
        for origin in self._origins.values():
            origin.close()

    def submit(
        self, address: Address, request: bytes, receiver: Receiver, source: Source | None = None
    ) -> Ticket:
        """Send one request to an origin; with a source, `request` is its head and the source its body."""
        last = self._last
        if last is not None and address is self._last_address:
            origin = last
        else:
            found = self._origins.get(address)
            if found is None:
                found = self._origins[address] = self._make(address)
            origin = found
            self._last, self._last_address = origin, address
        if self._ended:
            return origin.refuse(request, receiver, Failure.STOPPED)
        return origin.submit(request, receiver, source)

    async def open(self, address: Address, make: Callable[[], asyncio.Protocol], within: float) -> None:
        """A connection of its own, for what is not a request and an answer, made within so many seconds.

        Raises what connecting raises.
        """
        async with asyncio.timeout(within):
            await self._dialer.connect(address, make)

    def origin(self, address: Address) -> Origin | None:
        """What is known of an origin."""
        return self._origins.get(address)

    def _make(self, address: Address) -> Origin:
        scheme, host, port = address
        return Origin(scheme, host, port, self._settings, self._dialer, self._tasks)
