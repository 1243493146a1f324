"""The connections to one origin: a free list, a bounded queue of waiting calls, nothing that is ever scanned on
the path of a call. A sweep of half a second enforces the limits of time: they are coarse, and cost a call nothing.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from urllib.parse import SplitResult, urlsplit

from dwctl.core.services import TaskSet
from dwctl.gateway.settings import UpstreamSettings
from dwctl.gateway.upstream.connection import Failure, Receiver, UpstreamConnection

_TLS_FAILURES = (ssl.SSLError, ssl.CertificateError)


class Ticket:
    """One call's claim on a connection: its request, and the connection once there is one."""

    __slots__ = ("cancelled", "connection", "receiver", "request")

    def __init__(self, request: bytes, receiver: Receiver) -> None:
        self.request = request
        self.receiver = receiver
        self.connection: UpstreamConnection | None = None
        self.cancelled = False

    def cancel(self) -> None:
        """The client has left: give the place up, close the connection that works for nobody."""
        self.cancelled = True
        connection, self.connection = self.connection, None
        if connection is not None and connection.receiver is self.receiver:
            connection.abandon()


class Origin:
    """A scheme, host and port. `Owner` of its connections."""

    def __init__(
        self,
        scheme: str,
        host: str,
        port: int,
        settings: UpstreamSettings,
        tls: Callable[[], ssl.SSLContext],
        tasks: TaskSet,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.name = f"{host}:{port}"
        self._host = host
        self._port = port
        self._tls = tls if scheme == "https" else None
        self._settings = settings
        self._tasks = tasks
        self._loop = loop
        self._idle: list[UpstreamConnection] = []
        self._busy: dict[UpstreamConnection, Ticket] = {}
        self._opening = 0
        self._waiting: deque[Ticket] = deque()

    @property
    def open_connections(self) -> int:
        """Connections that exist or are being made."""
        return len(self._idle) + len(self._busy) + self._opening

    def submit(self, request: bytes, receiver: Receiver) -> Ticket:
        """Send a request on a free connection, else a new one, else when one becomes free."""
        ticket = Ticket(request, receiver)
        idle = self._idle
        while idle:
            connection = idle.pop()
            if connection.transport is not None and not connection.transport.is_closing():
                self._give(connection, ticket)
                return ticket
        self._open_or_wait(ticket)
        return ticket

    def released(self, connection: UpstreamConnection, *, reusable: bool) -> None:
        """Its answer is whole: to the next one who waits, or to the free list."""
        self._busy.pop(connection, None)
        transport = connection.transport
        if not reusable or transport is None or transport.is_closing():
            if transport is not None:
                transport.close()
            self._open_next()
            return
        ticket = self._next_waiting()
        if ticket is not None:
            self._give(connection, ticket)
        else:
            self._idle.append(connection)

    def lost(self, connection: UpstreamConnection) -> None:
        """It is closed."""
        if self._busy.pop(connection, None) is None and connection in self._idle:
            self._idle.remove(connection)
        self._open_next()

    def retry(self, connection: UpstreamConnection) -> None:
        """The server closed a kept connection while the request was on its way (RFC 9112 §9.3.1)."""
        ticket = self._busy.pop(connection, None)
        if ticket is not None and not ticket.cancelled:
            ticket.connection = None
            self._open(ticket)

    def sweep(self, now: float) -> None:
        """Close what has been idle too long, end what takes too long."""
        settings = self._settings
        fresh_since = now - settings.keep_alive
        while self._idle and self._idle[0].changed < fresh_since:
            stale = self._idle.pop(0)
            if stale.transport is not None:
                stale.transport.close()
        for connection in list(self._busy):
            receiver = connection.receiver
            if receiver is None:
                continue
            if now > receiver.deadline:
                connection.fail(Failure.TOTAL_TIMEOUT)
            elif connection.waiting_for_head:
                if now - connection.changed > settings.first_byte_timeout:
                    connection.fail(Failure.FIRST_BYTE_TIMEOUT)
            elif not connection.paused and now - connection.changed > settings.idle_timeout:
                connection.fail(Failure.IDLE_TIMEOUT)
        for ticket in list(self._waiting):
            if now > ticket.receiver.deadline and not ticket.cancelled:
                ticket.cancelled = True
                ticket.receiver.on_failure(Failure.TOTAL_TIMEOUT, "")

    def close(self) -> None:
        """End everything."""
        for connection in [*self._idle, *self._busy]:
            if connection.transport is not None:
                connection.transport.abort()
        self._idle.clear()

    def _give(self, connection: UpstreamConnection, ticket: Ticket) -> None:
        self._busy[connection] = ticket
        ticket.connection = connection
        connection.send(ticket.request, ticket.receiver)

    def _open_or_wait(self, ticket: Ticket) -> None:
        if self.open_connections < self._settings.max_connections:
            self._open(ticket)
        elif len(self._waiting) < self._settings.max_waiting:
            self._waiting.append(ticket)
        else:
            ticket.receiver.on_failure(Failure.BUSY, f"{len(self._waiting)} calls wait already")

    def _open(self, ticket: Ticket) -> None:
        self._opening += 1
        self._tasks.spawn(self._connect(ticket), name=f"connect {self.name}")

    async def _connect(self, ticket: Ticket) -> None:
        failure, detail = Failure.UNREACHABLE, ""
        connection: UpstreamConnection | None = None
        try:
            async with asyncio.timeout(self._settings.connect_timeout):
                _, connection = await self._loop.create_connection(
                    lambda: UpstreamConnection(self, self._settings.max_head_bytes, self._loop.time),
                    self._host,
                    self._port,
                    ssl=self._tls() if self._tls else None,
                )
        except TimeoutError:
            failure = Failure.CONNECT_TIMEOUT
        except _TLS_FAILURES as error:
            detail = f"TLS: {error}"
        except OSError as error:
            detail = error.strerror or str(error)
        finally:
            self._opening -= 1
        if connection is None:
            if not ticket.cancelled:
                ticket.receiver.on_failure(failure, detail)
            self._open_next()
        elif ticket.cancelled:
            connection.changed = self._loop.time()
            self.released(connection, reusable=True)
        else:
            self._give(connection, ticket)

    def _next_waiting(self) -> Ticket | None:
        while self._waiting:
            ticket = self._waiting.popleft()
            if not ticket.cancelled:
                return ticket
        return None

    def _open_next(self) -> None:
        if self._waiting and self.open_connections < self._settings.max_connections:
            ticket = self._next_waiting()
            if ticket is not None:
                self._open(ticket)


class Address(tuple[str, str, int]):
    """(scheme, host, port)."""

    __slots__ = ()


def split_url(url: str) -> tuple[Address, SplitResult]:
    """The origin of a base URL, and its parts."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return Address((parts.scheme, parts.hostname or "", port)), parts
