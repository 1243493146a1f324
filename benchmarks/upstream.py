"""The fake model server as a process, and its counts."""

import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from benchmarks.cores import pinned
from benchmarks.failures import Broken

MODEL = "bench"


@dataclass(frozen=True, kw_only=True)
class UpstreamOptions:
    """How it answers. The sizes are bytes of text; a whole answer is about 420 larger, a chunk about 190."""

    content: int = 600
    chunk_content: int = 60
    chunks: int = 50
    delay_ms: int = 0
    """Before each answer."""
    pace_ms: int = 0
    """Between two chunks of a stream; 0 writes them as fast as they are read."""
    stamp: bool = False
    """Whether each chunk tells when it was written."""
    models: tuple[str, ...] = (MODEL,)
    damage_every: int = 0
    """Spoil every nth answer in the way that `damage` names (see `upstream_options.h`)."""
    damage: str = "content"

    def arguments(self) -> list[str]:
        """The program's command line."""
        pairs = {
            "--content": self.content,
            "--chunk-content": self.chunk_content,
            "--chunks": self.chunks,
            "--delay-ms": self.delay_ms,
            "--pace-ms": self.pace_ms,
            "--models": ",".join(self.models),
            "--damage-every": self.damage_every,
            "--damage": self.damage,
        }
        words = [word for name, value in pairs.items() for word in (name, str(value))]
        return [*words, "--stamp"] if self.stamp else words


class UpstreamCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What it has seen since its start."""

    connections: int
    received: int
    inference: int
    """Requests for an answer of a model: not the model list, not health checks."""
    served: int
    """Answers whose last byte the kernel has taken."""
    aborted: int
    """Connections that ended in the middle of an answer."""
    malformed: int
    damaged: int
    streams: int
    chunks: int
    endpoints: dict[str, int]


class _Listening(msgspec.Struct, frozen=True):
    listening: int


class Upstream:
    """A running fake model server on 127.0.0.1; use it in a `with` statement."""

    def __init__(self, program: Path, options: UpstreamOptions, *, core: int | None = None) -> None:
        command = [str(program), "--with-parent", *options.arguments()]
        self.options = options
        self._process = subprocess.Popen(
            command if core is None else pinned(core, command), stdout=subprocess.PIPE
        )
        self.port = msgspec.json.decode(self._line(), type=_Listening).listening

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def counts(self) -> UpstreamCounts:
        """The counts of this moment."""
        self._process.send_signal(signal.SIGUSR1)
        return msgspec.json.decode(self._line(), type=UpstreamCounts)

    def stop(self) -> None:
        """End it. Safe to call twice."""
        if self._process.poll() is None:
            self._process.terminate()
        self._process.communicate(timeout=10)

    def _line(self) -> bytes:
        if self._process.stdout is None:
            raise RuntimeError("started with a pipe")
        line = self._process.stdout.readline()
        if not line:
            raise Broken(f"the fake upstream ended with status {self._process.wait(timeout=10)}")
        return line
