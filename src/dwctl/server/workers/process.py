"""How another worker comes to be: started by the first one with its orders on standard input, and run.

It is a process of its own from the start, not a copy: the first one has threads and an event loop by then. Orders are
what the first worker goes by, so that a changed configuration file does not make workers differ; they carry secrets,
which is why they are no arguments. A group of its own keeps Ctrl-C in a terminal away: the first one says when to stop.
"""

import asyncio
import contextlib
import ctypes
import logging
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from dwctl.core import logs
from dwctl.core.errors import Error, SetupError
from dwctl.core.module_path import module_path
from dwctl.core.services import ServiceFailed, Supervisor, start_task
from dwctl.core.settings import environment, packed, unpacked
from dwctl.db.postgres import Database
from dwctl.server.build import build
from dwctl.server.data_directory import load_secrets
from dwctl.server.memory import give_back_large, leave_alone
from dwctl.server.settings import Settings
from dwctl.server.storage import Storage
from dwctl.server.workers.hand import Start
from dwctl.server.workers.other import Other
from dwctl.server.workers.place import Place

logger = logging.getLogger(__name__)
_PR_SET_PDEATHSIG = 1


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """All that another worker needs to know."""

    settings: bytes
    data_dir: str
    dsn: str
    """Of the open and migrated database."""
    place: Place
    parent: int
    link: int
    way: int


def starter(settings: Settings, data_dir: Path, database: Database, place: Place) -> Start:
    """What the first worker starts others by."""

    def start(index: int, link: socket.socket, way: socket.socket) -> subprocess.Popen[bytes]:
        orders = Orders(
            settings=packed(settings),
            data_dir=str(data_dir),
            dsn=database.dsn,
            place=msgspec.structs.replace(place, index=index),
            parent=os.getpid(),
            link=link.fileno(),
            way=way.fileno(),
        )
        process = subprocess.Popen(
            # Without the working directory in the module path: it may be anybody's.
            [sys.executable, "-P", "-m", __name__, f"worker-{index}", str(data_dir)],
            stdin=subprocess.PIPE,
            env=environment() | {"PYTHONPATH": module_path()},
            pass_fds=(link.fileno(), way.fileno()),
            process_group=0,
        )
        if process.stdin is not None:
            with contextlib.suppress(BrokenPipeError), process.stdin as pipe:
                pipe.write(msgspec.json.encode(orders))
        return process

    return start


def main() -> None:
    """Run one worker."""
    give_back_large()
    orders = msgspec.json.decode(sys.stdin.buffer.read(), type=Orders)
    settings = unpacked(orders.settings, Settings)
    logs.configure(level=settings.log.level, json=settings.log.json)
    _die_with(orders.parent)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_work(settings, orders))
    except ServiceFailed as error:
        cause = error.__cause__
        logger.error(
            "worker %d: %s", orders.place.index, error, exc_info=None if isinstance(cause, Error) else cause
        )
        sys.exit(1)


async def _work(settings: Settings, orders: Orders) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    link, way = socket.socket(fileno=orders.link), socket.socket(fileno=orders.way)
    other = Other(orders.place.index, link, way, stopping)
    await other.connect()
    database = Database(orders.dsn, settings.database.pool)
    try:
        async with contextlib.AsyncExitStack() as ends:
            await database.open()
            data_dir = Path(orders.data_dir)
            storage = Storage(database, None, ())
            application = build(settings, data_dir, load_secrets(data_dir), storage, orders.place, other)
            ends.callback(application.spool.abandon)
            if settings.listener.certificate is not None and application.listener is not None:
                loop.add_signal_handler(signal.SIGHUP, application.listener.renew_certificate)
            started = asyncio.Event()
            running = start_task(Supervisor(application.services).run(stopping, started), name="supervisor")
            ready = start_task(started.wait(), name="started")
            await asyncio.wait([running, ready], return_when=asyncio.FIRST_COMPLETED)
            ready.cancel()
            if started.is_set():
                other.ready()
                leave_alone()
            await running
    except SetupError as error:
        other.refuse(error.message)
    finally:
        await database.close()


def _die_with(parent: int) -> None:
    """Be killed when the first worker ends; where the kernel has no such thing, the link's end tells."""
    if sys.platform == "linux":
        prctl: Any = ctypes.CDLL(None).prctl
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


if __name__ == "__main__":
    main()
