"""Accepting without serving: for connections that another worker may serve.

Without other workers the event loop's own server accepts, which costs a connection less.
"""

import asyncio
import errno
import logging
import socket
from collections.abc import Callable
from pathlib import Path

logger = logging.getLogger(__name__)

BACKLOG = 4096
AT_ONCE = 64
"""Connections taken in one turn of the loop."""
FULL = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
FULL_FOR = 1.0
"""Seconds without accepting when the system has no descriptor left."""


class Acceptor:
    """Listening sockets and the one who takes what they accept."""

    def __init__(self, take: Callable[[socket.socket], None]) -> None:
        self._take = take
        self._sockets: list[socket.socket] = []
        self._files: list[Path] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    async def open(self, host: str, port: int) -> int:
        """Listen on every address of a host; gives the port of the first. Raises OSError."""
        loop = self._loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        try:
            for family, kind, protocol, _, address in dict.fromkeys(found):
                self._sockets.append(_listening(family, kind, protocol, address))
        except OSError:
            self.close()
            raise
        for listening in self._sockets:
            loop.add_reader(listening, self._accept, listening)
        name = self._sockets[0].getsockname()
        return int(name[1])

    async def open_unix(self, path: Path) -> None:
        """Listen on a Unix socket too, in place of one that nobody listens on any more. Raises OSError."""
        loop = self._loop = asyncio.get_running_loop()
        await asyncio.to_thread(_make_way, path)
        made = _listening(socket.AF_UNIX, socket.SOCK_STREAM, 0, str(path))
        self._sockets.append(made)
        self._files.append(path)
        loop.add_reader(made, self._accept, made)

    def close(self) -> None:
        """Accept no more; what has connected and was not accepted is refused by the kernel."""
        sockets, self._sockets = self._sockets, []
        for listening in sockets:
            if self._loop is not None:
                self._loop.remove_reader(listening)
            listening.close()
        files, self._files = self._files, []
        for path in files:
            path.unlink(missing_ok=True)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(AT_ONCE):
            try:
                accepted, _ = listening.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionAbortedError:
                continue
            except OSError as error:
                self._rest(listening, error)
                return
            self._take(accepted)

    def _rest(self, listening: socket.socket, error: OSError) -> None:
        if error.errno not in FULL or self._loop is None:
            logger.error("a connection cannot be accepted: %s", error)
            return
        logger.error("no connection can be accepted for %g s: %s", FULL_FOR, error.strerror)
        self._loop.remove_reader(listening)
        self._loop.call_later(FULL_FOR, self._resume, listening)

    def _resume(self, listening: socket.socket) -> None:
        if listening in self._sockets and self._loop is not None:
            self._loop.add_reader(listening, self._accept, listening)


def _make_way(path: Path) -> None:
    """Delete a socket that a process which was killed has left."""
    if path.is_socket() and not _answers(path):
        path.unlink()


def _answers(path: Path) -> bool:
    """Whether somebody listens on a Unix socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(1.0)
        try:
            asking.connect(str(path))
        except ConnectionRefusedError:
            return False
        except OSError:
            return True
    return True


def _listening(family: int, kind: int, protocol: int, address: tuple[object, ...] | str) -> socket.socket:
    made = socket.socket(family, kind, protocol)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.setblocking(False)
        made.bind(address)
        made.listen(BACKLOG)
    except OSError:
        made.close()
        raise
    return made
