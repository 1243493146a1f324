"""How soon a model server is rid of a stream whose client has left."""

import http.client
import itertools
import json
import time

from benchmarks.bars import Bar
from benchmarks.contestants.contestant import Contestant
from benchmarks.contestants.dwctl import Dwctl
from benchmarks.contestants.nginx import Nginx
from benchmarks.failures import Broken
from benchmarks.load import Door, Load
from benchmarks.scenarios.key_effect import quantile
from benchmarks.scenarios.load_scenario import figures
from benchmarks.scenarios.scenario import Column, Figures
from benchmarks.stage import Stage
from benchmarks.upstream import MODEL, UpstreamOptions

RATE = 500
"""Calls a second meanwhile."""
WITHIN = 10.0


class Cancel:
    """Begin a stream, read its first event, leave, and ask the upstream until it has noticed."""

    name = "cancel"
    title = f"a client leaves a stream, beside {RATE} calls a second: until its connection upstream has ended"
    # The first event at once, the next one long after its client has left.
    upstream = UpstreamOptions(chunks=2, pace_ms=60_000)
    contestants: tuple[Contestant, ...] = (Nginx(), Dwctl())
    columns = (
        Column(figure="cancel_p99_ms", heading="p99 ms", digits=1),
        Column(figure="cancel_p50_ms", heading="p50 ms", digits=1),
        Column(figure="left", heading="streams"),
        Column(figure="errors", heading="wrong calls"),
    )
    bars = (
        Bar(
            what="a client leaves, until its call upstream has ended, p99",
            figure="cancel_p99_ms",
            must=100,
            unit=" ms",
            digits=1,
        ),
    )

    def measure(self, stage: Stage) -> Figures:
        """Streams as many as fit into the time, one after the other."""
        took: list[float] = []
        door = stage.running.door

        def leave() -> None:
            until = time.monotonic() + stage.seconds
            for number in itertools.count(1):
                if time.monotonic() > until:
                    break
                stream = _begun(door)
                before = stage.aborted
                began = time.monotonic()
                stream.close()
                while stage.aborted == before:
                    if time.monotonic() > began + WITHIN:
                        raise Broken(f"stream {number} goes on upstream {WITHIN:g} s after its client left")
                took.append(time.monotonic() - began)

        seen = stage.observe(Load(seconds=stage.seconds, connections=256, rate=RATE), meanwhile=leave)
        return figures(seen) | {
            "left": len(took),
            "cancel_p50_ms": quantile(took, 0.5) * 1e3,
            "cancel_p99_ms": quantile(took, 0.99) * 1e3,
            # Those streams are requests upstream too.
            "unexplained": abs(seen.upstream_requests - seen.report.requests - len(took)),
        }


def _begun(door: Door) -> http.client.HTTPConnection:
    """A connection whose stream has given its first event."""
    line = http.client.HTTPConnection("127.0.0.1", door.port, timeout=WITHIN)
    model = door.models[0] if door.models else MODEL
    body = {"model": model, "stream": True, "messages": [{"role": "user", "content": "hello"}]}
    headers = {"Content-Type": "application/json"} | dict(each.split(": ", 1) for each in door.headers)
    line.request("POST", door.path, json.dumps(body), headers)
    answer = line.getresponse()
    if answer.status != http.HTTPStatus.OK or not answer.readline().startswith(b"data:"):
        raise Broken(f"a stream did not begin: {answer.status}")
    return line


CANCEL = Cancel()
