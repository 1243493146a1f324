"""`dwctl serve`: from settings to a running process, and back."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path
from uuid import UUID

import msgspec
import uvloop

from dwctl import __version__
from dwctl.control.bootstrap import Administrator, Import
from dwctl.control.plane import Plane
from dwctl.core.errors import BadRequest, Error, SetupError
from dwctl.core.services import ServiceFailed, Supervisor, start_task
from dwctl.server.build import Application, build
from dwctl.server.data_directory import PORTLESS, Hold, hold, load_secrets, prepare
from dwctl.server.exposure import require_strong
from dwctl.server.listener import Listener
from dwctl.server.memory import give_back_large, leave_alone
from dwctl.server.settings import Settings
from dwctl.server.storage import Storage, open_storage
from dwctl.server.welcome import Facts, Imported, welcome
from dwctl.server.workers.first import First
from dwctl.server.workers.place import Place, shared_folder
from dwctl.server.workers.process import starter

logger = logging.getLogger(__name__)


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line asks for beyond settings."""

    data_dir: Path
    join: bool = False
    upstream: str | None = None
    upstream_key: str | None = None
    ignored: tuple[str, ...] = ()
    """Keys of the contract that were set and are not acted on."""


def run(settings: Settings, wish: Wish, say: Callable[[str], None]) -> None:
    """Run until SIGTERM or SIGINT; `say` prints for the person who started it. Raises `SetupError`."""
    give_back_large()
    require_strong(settings.host, secret_key=settings.secret_key, admin_password=settings.admin_password)
    prepare(wish.data_dir)
    held = None if wish.join else hold(wish.data_dir)
    try:
        with (
            shared_folder(wish.data_dir) as folder,
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            place = Place(index=0, count=settings.workers, folder=str(folder))
            runner.run(_serve(settings, wish, place, held, say))
    except ServiceFailed as error:
        cause = error.__cause__
        if not isinstance(cause, Error):
            logger.error("%s", error, exc_info=cause)
        raise SetupError(f"{error}: {cause}") from error
    finally:
        if held is not None:
            held.release()


async def _serve(
    settings: Settings, wish: Wish, place: Place, held: Hold | None, say: Callable[[str], None]
) -> None:
    stopping = asyncio.Event()
    start = Start()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop, stopping, start)
    try:
        await _start_and_run(settings, wish, place, held, say, stopping, start)
    except asyncio.CancelledError:
        if not start.abandoned:
            raise
        logger.info("stopped before it was ready")


class Start:
    """What a signal finds to break off until the services run; afterwards they are stopped in order."""

    def __init__(self) -> None:
        self._task = asyncio.current_task()
        self.abandoned = False

    def over(self) -> None:
        """From here on there is nothing to break off."""
        self._task = None

    def abandon(self) -> None:
        """Break off, if there still is something."""
        if self._task is not None:
            self.abandoned = True
            self._task.cancel()


async def _start_and_run(
    settings: Settings,
    wish: Wish,
    place: Place,
    held: Hold | None,
    say: Callable[[str], None],
    stopping: asyncio.Event,
    start: Start,
) -> None:
    secrets = load_secrets(wish.data_dir)
    async with open_storage(settings, wish.data_dir, join=wish.join) as storage, AsyncExitStack() as ends:
        others = None
        if place.count > 1:
            start_worker = starter(settings, wish.data_dir, storage.database, place)
            others = First(place.count, start_worker, settings.listener.drain)
        application = build(settings, wish.data_dir, secrets, storage, place, others)
        ends.callback(application.spool.abandon)
        if settings.listener.certificate is not None and application.listener is not None:
            renew = partial(_renew, application.listener, others)
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, renew)
        prepared = await _prepare(settings, wish, application.plane)
        start.over()
        started = asyncio.Event()
        running = start_task(Supervisor(application.services).run(stopping, started), name="supervisor")
        ready = start_task(started.wait(), name="started")
        await asyncio.wait([running, ready], return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        try:
            if started.is_set():
                facts = await _reveal(settings, wish, storage, application, prepared)
                _settle(facts, held, say)
        except BaseException:
            stopping.set()
            raise
        finally:
            # Whatever went wrong, the services end before the database under them does.
            await running


def _renew(listener: Listener, others: First | None) -> None:
    """SIGHUP means this only where there is a certificate: else it ends the process, as a closed terminal wants."""
    listener.renew_certificate()
    for pid in others.pids if others is not None else ():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGHUP)


def _settle(facts: Facts, held: Hold | None, say: Callable[[str], None]) -> None:
    """Everything runs: tell so, and keep what is here for good out of the garbage collector's way."""
    if held is not None:
        held.tell(facts.address or PORTLESS)
    say(welcome(facts))
    leave_alone()


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """What is in the database before the services start."""

    administrator: Administrator
    found: Import | None
    warnings: tuple[str, ...]


async def _prepare(settings: Settings, wish: Wish, plane: Plane) -> Prepared:
    """The administrator's account, and the models of `--upstream`; may be done again by the next start."""
    administrator = await plane.bootstrap.administrator(settings.admin_email, settings.admin_password)
    warnings = (
        [f"these settings are accepted and not used by this version: {', '.join(wish.ignored)}"]
        if wish.ignored
        else []
    )
    found = None
    if wish.upstream is not None:
        found = await _import(wish, wish.upstream, plane, administrator.id, warnings)
    return Prepared(administrator=administrator, found=found, warnings=tuple(warnings))


async def _reveal(
    settings: Settings, wish: Wish, storage: Storage, application: Application, prepared: Prepared
) -> Facts:
    """Make what is shown once, now that the port is open: a start that failed has used up nothing."""
    bootstrap = application.plane.bootstrap
    administrator = prepared.administrator
    password = None
    if not administrator.has_password:
        password = await bootstrap.first_password(administrator.id, settings.admin_password)
    imported = None
    if prepared.found is not None:
        imported = Imported(
            url=prepared.found.url,
            models=prepared.found.models,
            chat_model=prepared.found.chat_model,
            key=await bootstrap.first_key(administrator.id),
        )
    return Facts(
        version=__version__,
        address=None if application.listener is None else application.listener.address,
        data=str(wish.data_dir),
        database=f"PostgreSQL {storage.place}" if storage.place else "",
        admin_email=settings.admin_email,
        admin_password=password,
        first_start=not administrator.has_password,
        imported=imported,
        warnings=prepared.warnings,
    )


async def _import(wish: Wish, url: str, plane: Plane, admin: UUID, warnings: list[str]) -> Import | None:
    """Import a server's models. A known server that is away does not keep the product from starting."""
    known = False
    try:
        known = await plane.bootstrap.knows(url)
        return await plane.bootstrap.import_server(admin, url, wish.upstream_key)
    except BadRequest as error:
        if known:
            warnings.append(f"the models of {url} were not refreshed: {error.message}")
            return None
        raise SetupError(f"--upstream: {error.message.removeprefix('url: ')}") from error


def _stop(stopping: asyncio.Event, start: Start) -> None:
    """The first signal drains, the second ends at once."""
    if stopping.is_set():
        sys.stderr.flush()
        os._exit(130)
    logger.info("stopping: requests under way are finished")
    stopping.set()
    start.abandon()
