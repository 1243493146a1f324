"""dwctl as a user starts it for the first time: one worker, embedded PostgreSQL, every call kept as a row."""

import re
import secrets
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contestants.contestant import Kind, Launch, Place
from benchmarks.load import Door
from dwctl.core.compiled import is_compiled

PASSWORD = secrets.token_urlsafe(16)
"""The administrator's, anew in each run."""
_SECRET = re.compile(r"\bsk-[A-Za-z0-9_-]{16,}")


@dataclass(frozen=True, kw_only=True)
class Dwctl:
    """The package of the Python that runs this, with an empty data directory.

    Only places and the administrator's password are given: every other setting is the default, unless a scenario
    has a variant of its own.
    """

    name: str = "dwctl"
    workers: int = 1
    settings: tuple[tuple[str, str], ...] = ()
    """Names and values of environment variables."""
    furnish: Callable[[Place, Door], Door] | None = None
    """What fills it once it answers."""
    both_cores: bool = False

    @property
    def kind(self) -> Kind:
        """This product, whatever its variant."""
        return "ours"

    def prepare(self, cache: Path) -> None:
        """It is installed where this runs."""

    def launch(self, place: Place) -> Launch:
        """A first start that imports the fake upstream."""
        furnish = self.furnish
        return Launch(
            command=(
                *("env", f"DWCTL_ADMIN_PASSWORD={PASSWORD}"),
                *(f"{name}={value}" for name, value in self.settings),
                *(sys.executable, "-m", "dwctl", "serve"),
                *("--host", "127.0.0.1", "--port", str(place.port)),
                *("--data-dir", str(data_dir(place)), "--workers", str(self.workers)),
                *("--upstream", f"{place.upstream}/v1"),
            ),
            door=Door(port=place.port, path="/ai/v1/chat/completions"),
            key=_SECRET,
            furnish=None if furnish is None else lambda door: furnish(place, door),
            both_cores=self.both_cores,
        )


def made() -> str:
    """How it was measured."""
    return "dwctl ran compiled." if is_compiled() else "dwctl ran from its sources, not compiled."


def data_dir(place: Place) -> Path:
    """Where it keeps everything."""
    return place.scratch / "dwctl"
