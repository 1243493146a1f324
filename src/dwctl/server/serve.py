"""`dwctl serve`: from settings to a running process, and back."""

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import msgspec
import uvloop

from dwctl import __version__
from dwctl.control.plane import Plane
from dwctl.core.errors import BadRequest, Error, SetupError
from dwctl.core.services import ServiceFailed, Supervisor, start_task
from dwctl.server.build import Application, build
from dwctl.server.data_directory import Hold, hold, load_secrets, prepare
from dwctl.server.exposure import require_strong
from dwctl.server.settings import Settings
from dwctl.server.storage import Storage, open_storage
from dwctl.server.welcome import Facts, Imported, welcome

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
    require_strong(settings.host, secret_key=settings.secret_key, admin_password=settings.admin_password)
    prepare(wish.data_dir)
    held = None if wish.join else hold(wish.data_dir)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(settings, wish, held, say))
    except ServiceFailed as error:
        cause = error.__cause__
        if not isinstance(cause, Error):
            logger.error("%s", error, exc_info=cause)
        raise SetupError(f"{error}: {cause}") from error
    finally:
        if held is not None:
            held.release()


async def _serve(settings: Settings, wish: Wish, held: Hold | None, say: Callable[[str], None]) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop, stopping)
    secrets = load_secrets(wish.data_dir)
    async with open_storage(settings, wish.data_dir, join=wish.join) as storage:
        application = build(settings, wish.data_dir, secrets, storage)
        facts = await _set_up(settings, wish, storage, application.plane)
        started = asyncio.Event()
        running = start_task(Supervisor(application.services).run(stopping, started), name="supervisor")
        ready = start_task(started.wait(), name="started")
        await asyncio.wait([running, ready], return_when=asyncio.FIRST_COMPLETED)
        if started.is_set():
            _settle(application, facts, held, say)
        ready.cancel()
        await running


def _settle(application: Application, facts: Facts, held: Hold | None, say: Callable[[str], None]) -> None:
    """Everything runs: tell so, and keep what is here for good out of the garbage collector's way."""
    address = application.listener.address
    if held is not None:
        held.tell(address)
    say(welcome(msgspec.structs.replace(facts, address=address)))
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


async def _set_up(settings: Settings, wish: Wish, storage: Storage, plane: Plane) -> Facts:
    """What the first start, or `--upstream`, sets up in the database."""
    administrator = await plane.bootstrap.administrator(settings.admin_email, settings.admin_password)
    warnings = (
        [f"these settings are accepted and not used by this version: {', '.join(wish.ignored)}"]
        if wish.ignored
        else []
    )
    imported = None
    if wish.upstream is not None:
        imported = await _import(wish, plane, administrator.id, warnings)
    return Facts(
        version=__version__,
        address="",
        data=str(wish.data_dir),
        database=storage.described,
        admin_email=settings.admin_email,
        admin_password=administrator.generated_password,
        first_start=bool(storage.migrated) and "0001" in storage.migrated[0],
        imported=imported,
        warnings=tuple(warnings),
    )


async def _import(wish: Wish, plane: Plane, admin: UUID, warnings: list[str]) -> Imported | None:
    """Import a server's models. A known server that is away does not keep the product from starting."""
    url = wish.upstream or ""
    known = False
    try:
        known = await plane.bootstrap.knows(url)
        found = await plane.bootstrap.import_server(admin, url, wish.upstream_key)
    except BadRequest as error:
        if known:
            warnings.append(f"the models of {url} were not refreshed: {error.message}")
            return None
        raise SetupError(f"--upstream: {error.message.removeprefix('url: ')}") from error
    return Imported(
        url=found.url,
        models=found.models,
        chat_model=found.chat_model,
        key=await plane.bootstrap.first_key(admin),
    )


def _stop(stopping: asyncio.Event) -> None:
    """The first signal drains, the second ends at once."""
    if stopping.is_set():
        sys.stderr.flush()
        os._exit(130)
    logger.info("stopping: requests under way are finished")
    stopping.set()
