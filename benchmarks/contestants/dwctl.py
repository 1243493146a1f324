"""dwctl as a user starts it for the first time: one worker, embedded PostgreSQL, every call kept as a row."""

import re
import sys
from pathlib import Path

from benchmarks.contestants.contestant import Kind, Launch, Place
from benchmarks.load import Door

_SECRET = re.compile(r"\bsk-[A-Za-z0-9_-]{16,}")


class Dwctl:
    """The package of the Python that runs this, with an empty data directory."""

    name = "dwctl"
    kind: Kind = "ours"

    def prepare(self, cache: Path) -> None:
        """It is installed where this runs."""

    def launch(self, place: Place) -> Launch:
        """Only places are given: every other setting is the default."""
        return Launch(
            command=(
                *(sys.executable, "-m", "dwctl", "serve"),
                *("--host", "127.0.0.1", "--port", str(place.port)),
                *("--data-dir", str(data_dir(place))),
                *("--upstream", f"{place.upstream}/v1"),
            ),
            door=Door(port=place.port, path="/ai/v1/chat/completions"),
            key=_SECRET,
        )


def data_dir(place: Place) -> Path:
    """Where it keeps everything."""
    return place.scratch / "dwctl"
