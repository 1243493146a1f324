"""The connections to one origin: a free list, a bounded queue of waiting calls, nothing that is ever scanned on
the path of a call. A sweep of half a second enforces the limits of time: they are coarse, and cost a call nothing.
"""

import asyncio
import ssl
import time
from collections import OrderedDict

from dwctl.core.dial import Dialer
from dwctl.core.reach import NotAllowed
from dwctl.core.services import TaskSet
from dwctl.gateway.settings import UpstreamSettings
from dwctl.gateway.upstream.address import Address
from dwctl.gateway.upstream.connection import Failure, Receiver, Source, UpstreamConnection
from dwctl.gateway.upstream.proxied import ProxiedConnection
from dwctl.gateway.upstream.response import HeadReader

AT_ONCE = 100
"""Connections that are looked at in one turn of the loop: about a tenth of a millisecond."""

QUIET = 1.0
"""Seconds without a byte after which a receiver is told of the silence."""


class Ticket:
    """One call's claim on a connection: its request, and the connection once there is one."""

    __slots__ = ("_origin", "cancelled", "connection", "receiver", "request", "source")

    def __init__(
        self, origin: "Origin", request: bytes, receiver: Receiver, source: Source | None = None
    ) -> None:
        self._origin = origin
        self.request = request
        self.receiver = receiver
        self.source = source
        self.connection: UpstreamConnection | None = None
        self.cancelled = False

    def cancel(self) -> None:
        """The client has left: give the place up, close the connection that works for nobody."""
        self.cancelled = True
        connection, self.connection = self.connection, None
        if connection is None:
            self._origin.forget(self)
        elif connection.receiver is self.receiver:
            connection.abandon()

    def fail(self, failure: Failure, detail: str = "") -> None:
        """Tell the call, unless nobody waits any more, that it will get no connection."""
        if not self.cancelled:
            self.cancelled = True
            self.receiver.on_failure(failure, detail)


class Origin:
    """A scheme, host and port. `Owner` of its connections."""

    def __init__(
        self,
        scheme: str,
        host: str,
        port: int,
        settings: UpstreamSettings,
        dialer: Dialer,
        tasks: TaskSet,
    ) -> None:
        self.name = f"{host}:{port}"
        self.reader = HeadReader()
        self.max_head_bytes = settings.max_head_bytes
        self._address = Address(scheme, host, port)
        self._dialer = dialer
        self._proxy = dialer.way(self._address) if scheme == "http" else None
        self._settings = settings
        self._tasks = tasks
        # The last one used is the first one used again; the first one is the longest idle.
        self._idle: dict[UpstreamConnection, None] = {}
        self._busy: dict[UpstreamConnection, Ticket] = {}
        self._opening: set[Ticket] = set()
        self._waiting: OrderedDict[Ticket, None] = OrderedDict()

    @property
    def open_connections(self) -> int:
        """Connections that exist or are being made."""
        return len(self._idle) + len(self._busy) + len(self._opening)

    @property
    def waiting(self) -> int:
        """Calls that wait for a connection."""
        return len(self._waiting)

    def submit(self, request: bytes, receiver: Receiver, source: Source | None = None) -> Ticket:
        """Send a request on a free connection, else a new one, else when one becomes free."""
        ticket = Ticket(self, request, receiver, source)
        while self._idle:
            connection, _ = self._idle.popitem()
            # As `usable` and `_give`, without a step in between.
            transport = connection.transport
            if transport is not None and not transport.is_closing():
                self._busy[connection] = ticket
                ticket.connection = connection
                connection.send(request, receiver, reused=True, source=source)
                return ticket
        if self.open_connections < self._settings.max_connections:
            self._open(ticket)
        elif len(self._waiting) < self._settings.max_waiting:
            self._waiting[ticket] = None
        else:
            ticket.fail(Failure.BUSY, f"{len(self._waiting)} calls wait already")
        return ticket

    def refuse(self, request: bytes, receiver: Receiver, failure: Failure) -> Ticket:
        """Send nothing any more."""
        ticket = Ticket(self, request, receiver)
        ticket.fail(failure)
        return ticket

    def forget(self, ticket: Ticket) -> None:
        """A call that has no connection yet gives up its place."""
        self._waiting.pop(ticket, None)

    def released(self, connection: UpstreamConnection, *, reusable: bool) -> None:
        """Its answer is whole: to the next one who waits, or to the free list."""
        self._busy.pop(connection, None)
        transport = connection.transport
        if not reusable or transport is None or transport.is_closing():
            if transport is not None:
                transport.close()
            self._open_next()
        elif self._waiting:
            ticket, _ = self._waiting.popitem(last=False)
            self._give(connection, ticket, reused=True)
        else:
            self._idle[connection] = None

    def lost(self, connection: UpstreamConnection) -> None:
        """It is closed."""
        if self._busy.pop(connection, None) is None:
            self._idle.pop(connection, None)
        self._open_next()

    def retry(self, connection: UpstreamConnection) -> None:
        """The server closed a kept connection while the request was on its way (RFC 9112 §9.3.1)."""
        ticket = self._busy.pop(connection, None)
        if ticket is not None and not ticket.cancelled:
            ticket.connection = None
            self._open(ticket)

    async def sweep(self, now: float) -> None:
        """Close what has been idle too long, end what takes too long; `now` by `time.perf_counter()`, as deadlines."""
        settings = self._settings
        fresh_since = now - settings.keep_alive
        while self._idle:
            oldest = next(iter(self._idle))
            if oldest.changed >= fresh_since:
                break
            del self._idle[oldest]
            if oldest.transport is not None:
                oldest.transport.close()
        for number, connection in enumerate(list(self._busy)):
            if number % AT_ONCE == AT_ONCE - 1:
                await asyncio.sleep(0)
            if connection not in self._busy:
                # It has ended meanwhile.
                continue
            late = _lateness(connection, settings, now)
            if late is not None:
                connection.fail(late)
        for ticket in [ticket for ticket in self._waiting if now > ticket.receiver.deadline]:
            self.forget(ticket)
            ticket.fail(Failure.TOTAL_TIMEOUT, "no connection became free")

    def close(self) -> None:
        """End everything; each call that has no answer yet is told so."""
        for ticket in [*self._waiting, *self._opening]:
            ticket.fail(Failure.STOPPED)
        self._waiting.clear()
        for connection in [*self._idle, *self._busy]:
            connection.fail(Failure.STOPPED)
        self._idle.clear()

    def _give(self, connection: UpstreamConnection, ticket: Ticket, *, reused: bool) -> None:
        self._busy[connection] = ticket
        ticket.connection = connection
        connection.send(ticket.request, ticket.receiver, reused=reused, source=ticket.source)

    def _open(self, ticket: Ticket) -> None:
        self._opening.add(ticket)
        self._tasks.spawn(self._connect(ticket), name=f"connect {self.name}")

    async def _connect(self, ticket: Ticket) -> None:
        """Make a connection for a call; if the call is gone by then, the next one gets it."""
        failure, detail = Failure.UNREACHABLE, ""
        connection: UpstreamConnection | None = None
        try:
            own = ticket.receiver.timeouts
            within = None if own is None else own.connect
            async with asyncio.timeout(within or self._settings.connect_timeout):
                connection = await self._dialer.connect(self._address, self._new, forwards=True)
        except TimeoutError:
            failure = Failure.CONNECT_TIMEOUT
        except NotAllowed as error:
            failure, detail = Failure.NOT_ALLOWED, str(error)
        except ssl.SSLError as error:
            detail = f"TLS: {error}"
        except (OSError, ValueError) as error:
            # ValueError: a host name that cannot be one.
            detail = getattr(error, "strerror", None) or str(error)
        finally:
            self._opening.discard(ticket)
        if connection is None:
            ticket.fail(failure, detail)
            self._open_next()
        elif ticket.cancelled:
            connection.changed = time.perf_counter()
            self.released(connection, reusable=True)
        elif not connection.usable:
            ticket.fail(Failure.CLOSED_EARLY)
            self._open_next()
        else:
            self._give(connection, ticket, reused=False)

    def _new(self) -> UpstreamConnection:
        if self._proxy is None:
            return UpstreamConnection(self, time.perf_counter)
        _, host, port = self._address
        return ProxiedConnection(self, time.perf_counter, self._proxy, host, port)

    def _open_next(self) -> None:
        if self._waiting and self.open_connections < self._settings.max_connections:
            ticket, _ = self._waiting.popitem(last=False)
            self._open(ticket)


def _lateness(connection: UpstreamConnection, settings: UpstreamSettings, now: float) -> Failure | None:
    """Which limit of time a busy connection has passed; one that is silent tells its receiver.

    Silence while a slow client is waited for is none.
    """
    receiver = connection.receiver
    if receiver is None:
        return None
    if now > receiver.deadline:
        return Failure.TOTAL_TIMEOUT
    quiet = now - connection.changed
    own = receiver.timeouts
    if connection.waiting_for_head:
        first_byte = (own and own.first_byte) or settings.first_byte_timeout
        return Failure.FIRST_BYTE_TIMEOUT if quiet > first_byte else None
    if connection.paused:
        return None
    if quiet > ((own and own.idle) or settings.idle_timeout):
        return Failure.IDLE_TIMEOUT
    if quiet > QUIET:
        receiver.on_quiet(quiet)
    return None
