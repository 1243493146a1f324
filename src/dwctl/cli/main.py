"""The `dwctl` command."""

import sys
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from dwctl import __version__
from dwctl.cli.options import Options
from dwctl.core.compiled import is_compiled
from dwctl.core.errors import Error


def _told(command: Callable[..., Any]) -> Callable[..., Any]:
    """Errors meant for people are one line on standard error and status 1, never a traceback."""

    @wraps(command)
    def told(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except Error as error:
            click.echo(f"dwctl: {error.message}", err=True)
            sys.exit(1)

    return told


def _module(name: str) -> Any:
    """Of one command, loaded when it is called: only a server needs all that a server consists of."""
    return import_module(f"dwctl.cli.{name}")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(
    __version__,
    prog_name="dwctl",
    message=f"%(prog)s, version %(version)s{', compiled' if is_compiled() else ''}",
)
def main() -> None:
    """The Control Layer: one gateway, one row for every call."""


# Whether it can be read is for us to find out: our answer says what to do.
_PATH = click.Path(path_type=Path, readable=False)


def _common(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that every command has."""
    command = click.option(
        "-f",
        "--config",
        type=_PATH,
        help="YAML file; default DWCTL_CONFIG, else config.yaml here if it is there.",
    )(command)
    return click.option("--data-dir", type=_PATH, help="Where the embedded database and the spool live.")(
        command
    )


@main.command(name="serve")
@_common
@click.option("--host", help="Address to listen on; default 127.0.0.1.")
@click.option("--port", type=int, help="Port to listen on; default 3001, 0 takes a free one.")
@click.option("--workers", type=int, help="Processes that answer on the port; default 1.")
@click.option(
    "--role",
    type=click.Choice(["all", "gateway", "worker"]),
    help="Take calls, run queued work (without a port), or both; default all.",
)
@click.option("--uds", type=_PATH, help="Path of a Unix socket to listen on beside the port.")
@click.option("--upstream", help="Import this model server: its models are opened to everyone.")
@click.option("--upstream-key", help="The API key that the model server wants.")
@click.option("--join", is_flag=True, help="Work beside a running dwctl on the same data directory.")
@click.option("--validate", is_flag=True, help="Check the configuration and exit.")
@_told
def serve_command(**options: Any) -> None:
    """Start the control layer."""
    given = Options(**options)
    _module("validate" if given.validate else "serve").run(given, click.echo)


@main.command(name="migrate")
@_common
@_told
def migrate_command(**options: Any) -> None:
    """Bring the database up to date and exit."""
    _module("migrate").run(options["config"], options["data_dir"], click.echo)


@main.command(name="doctor")
@_common
@click.option(
    "--ledger", is_flag=True, help="Also check that rows, ledger, balances, budgets and batches agree."
)
@_told
def doctor_command(**options: Any) -> None:
    """Check database, permissions, port, disk and model servers, and say what to do."""
    if not _module("doctor").run(
        options["config"], options["data_dir"], click.echo, ledger=options["ledger"]
    ):
        sys.exit(1)


@main.command(name="openapi")
@click.argument("api", type=click.Choice(["admin", "ai"]))
@_told
def openapi_command(api: str) -> None:
    """Print the OpenAPI document of API, which is admin or ai, as JSON."""
    _module("openapi").run(api, click.echo)


@main.group(name="user")
def user_group() -> None:
    """Accounts."""


@user_group.command(name="password")
@click.argument("email")
@_common
@_told
def password_command(email: str, **options: Any) -> None:
    """Set a new password for EMAIL; every session of that account ends.

    Asks for it on a terminal, else reads one line from standard input.
    """
    if sys.stdin.isatty():
        password = click.prompt("New password", hide_input=True, confirmation_prompt=True)
    else:
        password = sys.stdin.readline().rstrip("\n")
    _module("user").set_password(options["config"], options["data_dir"], email, password)
    click.echo(f"The password of {email} is changed; its sessions have ended.")
