"""One run of the load generator."""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from benchmarks.cores import go_first, pinned
from benchmarks.failures import Broken
from benchmarks.upstream import MODEL, UpstreamOptions


@dataclass(frozen=True, kw_only=True)
class Door:
    """Where on 127.0.0.1 chat completions are answered, and what must be said to get in."""

    port: int
    path: str = "/v1/chat/completions"
    headers: tuple[str, ...] = ()
    keys: Path | None = None
    """A file with the API keys that are used in turn, one a line; None: what `headers` say."""
    models: tuple[str, ...] = ()
    """The models behind it that are asked in turn; empty: those of the load."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """What is sent."""

    mode: Literal["json", "sse"] = "json"
    seconds: float
    connections: int = 64
    rate: float = 0
    """Arrivals per second, whatever the replies do; 0 sends the next request when a reply is complete."""
    count: int = 0
    """Requests at most; 0 is as many as fit into the time."""
    body_bytes: int = 400
    models: tuple[str, ...] = (MODEL,)
    """Taken in turn, together with the door's keys."""
    stay: int = 1
    """Requests that a connection sends with one model and key before it takes the next."""
    ramp: float = 0
    """Seconds over which the connections of a closed loop begin, one after the other."""
    ask_usage: bool = False
    timeout: float = 30
    first: bool = False
    """Whether it runs before everything else on its core, where that is allowed: it must need little."""

    def arguments(self, door: Door, options: UpstreamOptions) -> list[str]:
        """The program's command line; what to expect follows from how the upstream answers."""
        streams = self.mode == "sse"
        pairs = {
            "--port": door.port,
            "--path": door.path,
            "--mode": self.mode,
            "--seconds": self.seconds,
            "--connections": self.connections,
            "--rate": self.rate,
            "--count": self.count,
            "--body-bytes": self.body_bytes,
            "--models": ",".join(door.models or self.models),
            "--timeout": self.timeout,
            "--stay": self.stay,
            "--ramp": self.ramp,
            "--content": options.chunk_content if streams else options.content,
            "--chunks": options.chunks,
        }
        words = [word for name, value in pairs.items() for word in (name, str(value))]
        words += [word for header in door.headers for word in ("--header", header)]
        if door.keys is not None:
            words += ["--keys", str(door.keys)]
        if streams and options.stamp:
            words.append("--stamped")
        return [*words, "--ask-usage"] if self.ask_usage else words


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """A distribution of durations, in microseconds."""

    count: int
    mean: float
    p50: float
    p90: float
    p99: float
    p999: float
    max: float


class LoadReport(msgspec.Struct, frozen=True, kw_only=True):
    """What came back (see `loadgen.c`)."""

    mode: str
    connections: int
    rate: float
    seconds: float
    elapsed: float
    requests: int
    """All that have ended, well or not."""
    right: int
    """Those with a complete and correct reply."""
    chunks: int
    bytes: int
    per_second: float
    """Right replies within the time, divided by it."""
    chunks_per_second: float
    connections_opened: int
    first_wrong_status: int
    errors: dict[str, int]
    cpu_seconds: float
    """The load generator's own."""
    latency_us: Spread | None
    first_chunk_us: Spread | None
    chunk_gap_us: Spread | None
    chunk_delay_us: Spread | None
    """From the writing of a chunk by the upstream to its arrival; None where chunks are not stamped."""

    @property
    def failures(self) -> dict[str, int]:
        """The kinds of error that happened."""
        return {kind: count for kind, count in self.errors.items() if count}


def run_load(
    program: Path,
    load: Load,
    door: Door,
    options: UpstreamOptions,
    *,
    core: int | None = None,
) -> LoadReport:
    """Send it all and wait for the end, which comes `load.timeout` after the last request at the latest."""
    command = [str(program), *load.arguments(door, options)]
    with subprocess.Popen(
        command if core is None else pinned(core, command), stdout=subprocess.PIPE
    ) as running:
        if load.first:
            go_first(running.pid)
        try:
            told, _ = running.communicate(timeout=load.seconds + load.timeout + 30)
        finally:
            running.kill()
    if running.returncode != 0:
        raise Broken(f"the load generator ended with status {running.returncode}")
    return msgspec.json.decode(told, type=LoadReport)
