"""`dwctl serve --validate`. Apart from the start, whose modules take several times as long to load as it takes."""

from collections.abc import Callable

from dwctl.cli.context import load
from dwctl.cli.options import Options
from dwctl.server.exposure import require_strong


def run(options: Options, say: Callable[[str], None]) -> None:
    """Check the configuration and say that it is valid."""
    context = load(options.config, options.settings)
    require_strong(
        context.settings.host,
        secret_key=context.settings.secret_key,
        admin_password=context.settings.admin_password,
    )
    say("The configuration is valid.")
    if context.ignored:
        say(f"Accepted and not used by this version: {', '.join(context.ignored)}")
