"""The shape of a contestant: how to get it, how to start it, how to reach it."""

import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from benchmarks.load import Door

Kind = Literal["floor", "proxy", "rust", "python", "ours"]
"""floor: no gateway at all; the others say what the thing is written in, or that it only proxies."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where one start of a contestant happens. Nothing of it is used twice."""

    port: int
    """To listen on, at 127.0.0.1."""
    upstream_port: int
    scratch: Path
    """An empty directory that any user may enter."""
    cache: Path
    """What `prepare` has filled."""

    @property
    def upstream(self) -> str:
        """The fake upstream's address, without a path."""
        return f"http://127.0.0.1:{self.upstream_port}"


@dataclass(frozen=True, kw_only=True)
class Launch:
    """How one start goes."""

    command: tuple[str, ...]
    """The program, staying in the foreground; empty for no program at all."""
    door: Door
    key: re.Pattern[str] | None = None
    """The API key that it prints when it is ready, to be sent as a bearer token; None when it asks for none."""
    furnish: Callable[[Door], Door] | None = None
    """Called once it answers: fills it with what is to be there, and says how it is reached from then on."""
    both_cores: bool = False
    """Whether it may run on the load's core too: for programs that have several busy processes."""


class Contestant(Protocol):
    """A gateway to be measured."""

    @property
    def name(self) -> str:
        """As the tables show it."""
        ...

    @property
    def kind(self) -> Kind:
        """What it is compared as."""
        ...

    def prepare(self, cache: Path) -> None:
        """Install what is missing, under `cache`; raises `Unavailable` with what to do."""
        ...

    def launch(self, place: Place) -> Launch:
        """Write its configuration and say how it is started and reached."""
        ...


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return int(port)
