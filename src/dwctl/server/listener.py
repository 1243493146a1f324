"""The port. A `Service`: accepts connections, enforces limits of time, drains on the way out.

Wakes on: connections, and once a second. Writes: nothing. If it dies, the process ends; what is under way is
cut. On `stop` it accepts no more, closes idle connections, lets requests finish for the drain time; then calls end
with an error in the language of their answer, and what is still there is cut.
"""

import asyncio
import errno
import ipaddress
import logging
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from dwctl.core.errors import SetupError
from dwctl.core.metrics import Metrics
from dwctl.core.networks import Networks
from dwctl.core.services import TaskSet
from dwctl.server.accept import BACKLOG, Acceptor
from dwctl.server.asgi import Application, AsgiCall
from dwctl.server.connection import BodySink, Connection, Tunnel
from dwctl.server.exchange import HttpExchange
from dwctl.server.head import KnownLines
from dwctl.server.introduction import Introductions, NotIntroduced
from dwctl.server.limits import ListenerSettings
from dwctl.server.request_head import RequestHead
from dwctl.server.served import Served
from dwctl.server.websocket import WebSocketCall, wants_websocket
from dwctl.server.workers.fellows import Alone, Crew
from dwctl.server.workers.place import Place
from dwctl.wire.exchange import Handler
from dwctl.wire.tunnel import Upgrades

logger = logging.getLogger(__name__)

SWEEP_EVERY = 1.0
AT_ONCE = 100
"""Connections that are swept in one turn of the loop: about a tenth of a millisecond."""
CUT_WITHIN = 5.0
"""Seconds to cut what is left after the drain."""
LAST_WORDS_WITHIN = 2.0
"""Seconds of them in which clients take the end of their answers."""


class Listener:
    """Implements the connections' `Host`."""

    name = "listener"

    def __init__(
        self,
        *,
        host: str,
        port: int,
        settings: ListenerSettings,
        handler: Handler,
        application: Application,
        metrics: Metrics,
        place: Place | None = None,
        crew: Crew | None = None,
        served: Served | None = None,
        end_calls: Callable[[], None] | None = None,
        upgrades: Upgrades | None = None,
        trusted: Networks | None = None,
    ) -> None:
        self.settings = settings
        self.handler = handler
        self.draining = False
        self.known_lines = KnownLines()
        self._application = application
        self._upgrades = upgrades
        self._host = host
        self._port = port
        self._place = place
        self._crew = crew or Alone()
        self._served = served
        self._end_calls = end_calls
        self._connections: set[Connection] = set()
        self._tasks = TaskSet()
        self._adopting = 0
        self._context: ssl.SSLContext | None = None
        self._server: asyncio.Server | Acceptor | None = None
        self._beside: Acceptor | None = None
        self._none_left = asyncio.Event()
        self._introductions = Introductions(trusted or Networks(()), settings.head_timeout, metrics)
        gauge = metrics.gauge("dwctl_connections", "Open connections of clients.")
        gauge.set_function(lambda: float(len(self._connections)))
        self._turned_away = metrics.counter(
            "dwctl_connections_turned_away_total", "Connections closed because there were too many."
        )

    @property
    def address(self) -> str:
        """Where clients reach the port."""
        scheme = "https" if self.settings.certificate else "http"
        return f"{scheme}://{reachable(self._host)}:{self._port}"

    @property
    def stop_within(self) -> float:
        """The drain time, and some to cut what is left then."""
        return self.settings.drain + CUT_WITHIN

    @property
    def load(self) -> int:
        """Connections that are open or about to be."""
        return len(self._connections) + self._adopting

    async def start(self) -> None:
        """Bind, unless the first worker does; port 0 takes any free one."""
        self._context = self._tls()
        if self._place is not None and not self._place.first:
            return
        try:
            await self._bind()
        except OSError as error:
            raise SetupError(why_not_bound(self._host, self._port, error)) from error
        if self.settings.unix_socket is not None:
            path = Path(self.settings.unix_socket)
            self._beside = Acceptor(self._hand_on)
            try:
                await self._beside.open_unix(path)
            except OSError as error:
                await self.stop()
                raise SetupError(why_no_socket(path, error)) from error

    async def run(self) -> None:
        """Sweep until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SWEEP_EVERY)
            await self.sweep(loop.time())

    async def stop(self) -> None:
        """Drain."""
        self.draining = True
        if self._server is not None:
            self._server.close()
        if self._beside is not None:
            self._beside.close()
        self._crew.drain()
        for connection in list(self._connections):
            connection.close_if_idle()
        if not await self._empty(self.settings.drain):
            logger.warning("%d connections are cut after the drain time", len(self._connections))
            if self._end_calls is not None:
                self._end_calls()
                await self._empty(LAST_WORDS_WITHIN)
        for connection in list(self._connections):
            connection.abort()
        await self._tasks.cancel()

    def adopt(self, accepted: socket.socket) -> None:
        """Serve a connection that was accepted by us or by the first worker."""
        if not self._port and accepted.family != socket.AF_UNIX:
            self._port = accepted.getsockname()[1]
        if self.settings.proxy_protocol and self.load >= self.settings.max_connections:
            # Those that have not said yet whose they are count too.
            self._turned_away.inc()
            accepted.close()
            return
        self._adopting += 1
        self._tasks.spawn(self._adopt(accepted), name="adopt")

    def opened(self, connection: Connection) -> bool:
        """A client has connected."""
        self._connections.add(connection)
        if len(self._connections) > self.settings.max_connections or self.draining:
            self._turned_away.inc()
            return False
        return True

    def closed(self, connection: Connection) -> None:
        """A connection is gone."""
        self._connections.discard(connection)
        if not self._connections:
            self._none_left.set()

    def call_application(self, connection: Connection, head: RequestHead) -> BodySink:
        """Start the application on a request."""
        scheme = "https" if self.settings.certificate else "http"
        call = AsgiCall(connection, head, draining=self.draining, scheme=scheme)
        self._tasks.spawn(self._answer(call, head.method.decode("ascii")), name="request")
        return call

    def open_tunnel(self, connection: Connection, head: RequestHead) -> Tunnel | None:
        """Give a WebSocket, if that is what is asked for, to the gateway or to the application."""
        if not wants_websocket(head):
            return None
        if self._upgrades is not None and self._upgrades.takes(head.path):
            return self._upgrades.open(HttpExchange(connection, head, keep_alive=False), connection)
        call = WebSocketCall(
            connection,
            head,
            scheme="wss" if self.settings.certificate else "ws",
            max_message=self.settings.max_websocket_message,
            ping_after=self.settings.websocket_ping,
        )
        self._tasks.spawn(call.run(self._application, (self._host, self._port)), name="websocket")
        return call

    async def _bind(self) -> None:
        loop = asyncio.get_running_loop()
        if self.settings.proxy_protocol or (self._place is not None and self._place.count > 1):
            acceptor = self._server = Acceptor(self._hand_on)
            self._port = await acceptor.open(self._host, self._port)
            return
        server = self._server = await loop.create_server(
            lambda: Connection(self, loop),
            self._host or None,
            self._port,
            backlog=BACKLOG,
            ssl=self._context,
            reuse_address=True,
        )
        self._port = server.sockets[0].getsockname()[1]

    async def _answer(self, call: AsgiCall, method: str) -> None:
        """Call the application, and count it."""
        served = self._served
        if served is None:
            await call.run(self._application, (self._host, self._port))
            return
        began = time.perf_counter()
        method = served.began(method)
        try:
            await call.run(self._application, (self._host, self._port))
        finally:
            served.ended(method, call.pattern, call.status, time.perf_counter() - began)

    def _hand_on(self, accepted: socket.socket) -> None:
        """To the worker with the fewest connections, which may be this one."""
        if self._crew.place(accepted):
            accepted.close()
        else:
            self.adopt(accepted)

    async def _adopt(self, accepted: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            accepted.setblocking(False)
            client = await self._introductions.client(accepted) if self.settings.proxy_protocol else None
            await loop.connect_accepted_socket(
                lambda: Connection(self, loop, client), accepted, ssl=self._context
            )
        except NotIntroduced:
            accepted.close()
        except asyncio.CancelledError:
            accepted.close()
            raise
        except OSError as error:
            # The client has left, or does not speak TLS as we do.
            logger.debug("a connection came to nothing: %s", error)
            accepted.close()
        finally:
            self._adopting -= 1

    async def _empty(self, within: float) -> bool:
        """Wait until no connection is left; whether none is."""
        if self._connections:
            self._none_left.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(within):
                    await self._none_left.wait()
        return not self._connections

    async def sweep(self, now: float) -> None:
        """Hold every connection to its limits of time; `now` in loop time."""
        for number, connection in enumerate(list(self._connections)):
            if number % AT_ONCE == AT_ONCE - 1:
                await asyncio.sleep(0)
            if connection in self._connections:
                connection.sweep(now)

    def renew_certificate(self) -> None:
        """Read certificate and private key anew, for new connections; a pair that cannot be used changes nothing."""
        if self._context is None:
            return
        try:
            # What is in use must not be left with half of a pair that does not fit: first elsewhere.
            self._tls()
            self._context.load_cert_chain(self.settings.certificate or "", self.settings.private_key)
        except (SetupError, OSError) as error:
            logger.error("the certificate is not renewed, the old one stays in use: %s", error)
        else:
            logger.info("the certificate is renewed")

    def _tls(self) -> ssl.SSLContext | None:
        certificate, key = self.settings.certificate, self.settings.private_key
        if certificate is None:
            return None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.set_alpn_protocols(["http/1.1"])
        try:
            context.load_cert_chain(certificate, key)
        except (OSError, ssl.SSLError) as error:
            raise SetupError(
                f"listener.certificate {certificate} cannot be used: {error}. It must be a PEM file whose "
                "private key is in listener.private_key or in the same file."
            ) from error
        return context


def reachable(host: str) -> str:
    """A name under which this machine reaches a bind address; every address is reached by loopback."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host or "127.0.0.1"
    if address.is_unspecified:
        return "127.0.0.1" if address.version == 4 else "[::1]"
    return host if address.version == 4 else f"[{host}]"


def why_not_bound(host: str, port: int, error: OSError) -> str:
    """Why an address cannot be listened on, and what to do."""
    where = f"{host}:{port}"
    if error.errno == errno.EADDRINUSE:
        return (
            f"{where} is taken by another program. Choose another port with --port (or DWCTL_PORT), or stop the "
            f"other program (find it with: ss -ltnp 'sport = :{port}')."
        )
    if error.errno == errno.EACCES:
        return (
            f"this user may not listen on {where}; ports below 1024 are for root. Choose another with --port."
        )
    if error.errno == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror):
        return f"{host} is no address of this machine. Choose one with --host, such as 127.0.0.1."
    return f"{where} cannot be opened: {error.strerror or error}"


def why_no_socket(path: Path, error: OSError) -> str:
    """Why a Unix socket cannot be listened on, and what to do."""
    if error.errno == errno.EADDRINUSE:
        return f"listener.unix_socket {path} is taken: another program listens there, or it is no socket"
    return f"listener.unix_socket {path} cannot be opened: {error.strerror or error}"
