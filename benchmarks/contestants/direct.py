"""No gateway: the floor under every latency, and the most that the load generator can do."""

from pathlib import Path

from benchmarks.contestants.contestant import Kind, Launch, Place
from benchmarks.load import Door


class Direct:
    """The load goes straight to the fake upstream."""

    name = "direct"
    kind: Kind = "floor"

    def prepare(self, cache: Path) -> None:
        """Nothing is needed."""

    def launch(self, place: Place) -> Launch:
        """No program; the upstream's own door."""
        return Launch(command=(), door=Door(port=place.upstream_port))
