"""What every command does first: read the settings and find the data directory."""

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from dwctl.core.errors import SetupError
from dwctl.core.settings import environment
from dwctl.server.data_directory import default_data_dir
from dwctl.server.settings import Settings, read


class Context(msgspec.Struct, frozen=True):
    """Settings that hold, and where data lives."""

    settings: Settings
    data_dir: Path
    ignored: tuple[str, ...]


def load(config: Path | None, flags: Mapping[str, object]) -> Context:
    """Read file, environment and flags."""
    environ = environment()
    given = {name: str(value) if isinstance(value, Path) else value for name, value in flags.items()}
    settings, ignored = read(config, environ, given)
    if settings.data_dir is not None:
        try:
            data_dir = Path(settings.data_dir).expanduser().absolute()
        except RuntimeError as error:
            raise SetupError(f"data_dir: there is no such home directory: {settings.data_dir}") from error
    else:
        data_dir = default_data_dir(environ, root=os.geteuid() == 0)
    return Context(settings, data_dir, ignored)
