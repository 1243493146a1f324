"""`dwctl serve`."""

import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from dwctl.cli.context import load
from dwctl.core import logs
from dwctl.server.exposure import require_strong
from dwctl.server.serve import Wish
from dwctl.server.serve import run as run_server

logger = logging.getLogger(__name__)


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """The command's flags."""

    config: Path | None
    data_dir: Path | None
    host: str | None
    port: int | None
    workers: int | None
    uds: Path | None
    upstream: str | None
    upstream_key: str | None
    join: bool
    validate: bool


def run(options: Options, say: Callable[[str], None]) -> None:
    """Check the configuration, or start."""
    flags = {
        "host": options.host,
        "port": options.port,
        "workers": options.workers,
        "listener.unix_socket": options.uds,
        "data_dir": options.data_dir,
    }
    context = load(options.config, flags)
    if options.validate:
        require_strong(
            context.settings.host,
            secret_key=context.settings.secret_key,
            admin_password=context.settings.admin_password,
        )
        say("The configuration is valid.")
        if context.ignored:
            say(f"Accepted and not used by this version: {', '.join(context.ignored)}")
        return
    settings = context.settings
    logs.configure(level=settings.log.level, json=settings.log.json)
    wish = Wish(
        data_dir=context.data_dir,
        join=options.join,
        upstream=options.upstream,
        upstream_key=options.upstream_key,
        ignored=context.ignored,
    )
    run_server(settings, wish, lambda text: _show(text, say))


def _show(text: str, say: Callable[[str], None]) -> None:
    """A server goes on when nobody reads what it shows."""
    try:
        say(text)
    except OSError as error:
        logger.warning(
            "standard output cannot be written (%s); a password that was shown once and is lost is replaced by: "
            "dwctl user password EMAIL",
            error,
        )
        # What is still in Python's buffer must go somewhere, or the end of the program fails too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
