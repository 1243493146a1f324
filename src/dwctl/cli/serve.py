"""`dwctl serve`."""

import logging
import os
import sys
from collections.abc import Callable

from dwctl.cli.context import load
from dwctl.cli.options import Options
from dwctl.core import logs
from dwctl.server.serve import Wish
from dwctl.server.serve import run as run_server

logger = logging.getLogger(__name__)


def run(options: Options, say: Callable[[str], None]) -> None:
    """Start."""
    context = load(options.config, options.settings)
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
