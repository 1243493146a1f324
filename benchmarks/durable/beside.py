"""Interactive calls alone and beside a batch that could fill the model server twice, which has a fixed capacity.

What is wanted is the time to the first token at the 99th percentile, and how much of the server the batch gets of what
interactive calls leave of it. It is measured once the limit has been found, for which the batch goes too far once; that
it tries the limit again after a minute, and then more rarely, is in the figures.
"""

import http
import http.client
import math
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import msgspec

from benchmarks import cores, processes
from benchmarks.contestants.contestant import Place, free_port
from benchmarks.contestants.dwctl import Dwctl
from benchmarks.contestants.filling import Filling
from benchmarks.durable.api import Api, write
from benchmarks.durable.backlog import Figures
from benchmarks.durable.slots import DECODE, LINE, PREFILL, SLOTS, SlotServer
from benchmarks.failures import Broken
from benchmarks.running import Running

MODEL = "bench-0000"
CONCURRENCY = 2 * SLOTS
CALLS = 600
"""Interactive calls that are timed beside the batch: three minutes; a third of them alone."""
CALM = 10.0
"""Seconds in which no call had to wait: the limit is found."""
EVERY = 0.3
"""Seconds between two of them: about three are under way."""
LINES = 10_000
"""Of the batch: more than are done in that time."""
WITHIN = 180.0
CONTESTANT = Dwctl(
    name="dwctl-beside",
    settings=(("DWCTL_BACKGROUND_SERVICES__BATCH_DAEMON__DEFAULT_MODEL_CONCURRENCY", str(CONCURRENCY)),),
    furnish=Filling(keys=1, models=1),
    both_cores=True,
)


def measure(*, rounds: int, say: Callable[[str], None], calls: int = CALLS) -> Figures:
    """Figures of each round; a round is a new start."""
    figures: Figures = {}
    here = cores.choose()
    for number in range(rounds):
        say(f"round {number + 1}: beside: {calls} interactive calls beside a batch, a third of them alone")
        with SlotServer() as server, tempfile.TemporaryDirectory(prefix="dwctl-bench-") as scratch:
            Path(scratch).chmod(0o755)  # a database server that runs as another user must get in
            place = Place(
                port=free_port(), upstream_port=server.port, scratch=Path(scratch), cache=Path(scratch)
            )
            with Running(CONTESTANT, place, here) as running:
                if running.pid is None or running.door.keys is None:
                    raise Broken("dwctl did not start, or no key was made")
                for each in processes.tree(running.pid):
                    cores.release(each.pid)
                api = Api(running.door.port, running.door.keys.read_text(encoding="ascii").split()[0])
                for name, value in _round(api, server, Path(scratch), calls).items():
                    figures.setdefault(name, []).append(value)
    return figures


def _round(api: Api, server: SlotServer, scratch: Path, calls: int) -> dict[str, float]:
    source = scratch / "in.jsonl"
    write(source, LINES, MODEL)
    with _Talking(api) as alone:
        _until(lambda: len(alone.times) >= calls // 3, calls * EVERY + WITHIN, "the calls are answered")
    usual = alone.p99(0.0)
    api.batch(api.upload(source))
    _until(lambda: server.lines >= CONCURRENCY, WITHIN, "the batch has all that it may have")
    with _Talking(api) as beside:
        yielded = _until(lambda: server.lines <= SLOTS // 2, WITHIN, "the batch yields")
        _until(lambda: server.calm > 1.0, WITHIN, "no call waits behind it")
        _until(lambda: server.calm < 1.0, WITHIN, "the batch goes on, and once too far")
        _until(lambda: server.calm > CALM, WITHIN, "the batch keeps below the limit")
        since, before = time.monotonic(), len(beside.times)
        _until(lambda: len(beside.times) - before >= calls, calls * EVERY + WITHIN, "the calls are answered")
        until = time.monotonic()
    left = SLOTS * (until - since) - (len(beside.times) - before) * (PREFILL + DECODE)
    got = server.begun(since, until) * LINE
    return {
        "beside_p99_ratio": beside.p99(since) / usual,
        "beside_alone_p99_ms": usual * 1e3,
        "beside_p99_ms": beside.p99(since) * 1e3,
        "beside_given_up": 1 - got / left,
        "beside_yield_s": yielded,
    }


def _until(condition: Callable[[], bool], within: float, what: str) -> float:
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > within:
            raise Broken(f"not within {within:g} s: {what}")
        time.sleep(0.02)
    return time.monotonic() - began


class _Talking:
    """Interactive calls at an even pace while the block lasts, whatever becomes of those before."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._over = threading.Event()
        self._pace = threading.Thread(target=self._go_on)
        self._calls: list[threading.Thread] = []
        self._errors: list[str] = []
        self.times: list[tuple[float, float]] = []
        """When a first token came, and seconds after its request."""

    def __enter__(self) -> Self:
        self._pace.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *reason: object) -> None:
        self._over.set()
        self._pace.join()
        for each in self._calls:
            each.join()
        if kind is None and self._errors:
            raise Broken(f"{len(self._errors)} interactive calls failed: {self._errors[0]}")

    def p99(self, since: float) -> float:
        """Of those that came since then: the least time that 99 of 100 keep to."""
        times = sorted(took for when, took in self.times if when >= since)
        return times[math.ceil(len(times) * 0.99) - 1]

    def _go_on(self) -> None:
        due = time.monotonic()
        while not self._over.wait(max(0.0, due - time.monotonic())):
            self._calls.append(threading.Thread(target=self._call))
            self._calls[-1].start()
            due += EVERY

    def _call(self) -> None:
        body = msgspec.json.encode(
            {"model": MODEL, "messages": [{"role": "user", "content": "x"}], "stream": True}
        )
        headers = {"Authorization": f"Bearer {self._api.key}", "Content-Type": "application/json"}
        connection = http.client.HTTPConnection("127.0.0.1", self._api.port, timeout=WITHIN)
        began = time.monotonic()
        try:
            connection.request("POST", "/ai/v1/chat/completions", body, headers)
            answer = connection.getresponse()
            if answer.status != http.HTTPStatus.OK:
                raise http.client.HTTPException(f"status {answer.status}")
            answer.readline()
            now = time.monotonic()
            self.times.append((now, now - began))
            if not answer.read().endswith(b"data: [DONE]\n\n"):
                raise http.client.HTTPException("a stream without its end")
        except (OSError, http.client.HTTPException) as error:
            self._errors.append(str(error))
        finally:
            connection.close()
