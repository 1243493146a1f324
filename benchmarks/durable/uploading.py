"""Interactive calls alone, and beside an upload that never ends, in turns.

The load generator and the fake model server stand for other machines: they go before everything else where the system
allows it (as root), so that their own waiting for a processor is not taken for the gateway's. The client that uploads
is another machine's too, and has no such place: it takes its share of the processors here.
"""

import contextlib
import statistics
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.failures import Broken
from benchmarks.load import Door, Load, run_load
from benchmarks.upstream import UpstreamOptions

SECONDS = 5.0
TURNS = 5
"""Of each: a stretch of some seconds is disturbed by whatever the machine does besides."""
RATE = 100.0
"""Calls a second, whatever becomes of them: few enough that each goes through an idle gateway when it is alone."""
CONNECTIONS = 32


class Enough(Exception):
    """The upload has done its part."""


class BesideUploads:
    """What a client waits for while files are uploaded."""

    def __init__(self, loadgen: Path, door: Door, options: UpstreamOptions) -> None:
        self._loadgen = loadgen
        self._door = door
        self._options = options

    def compare(self, upload: Callable[[Callable[[], bool]], None]) -> dict[str, float]:
        """Alone, beside, and the ratio of the two that stand next to each other: the median of each."""
        turns = [(self.p99_ms(), self.during(upload)) for _ in range(TURNS)]
        return {
            "alone_p99_ms": statistics.median(alone for alone, _ in turns),
            "upload_p99_ms": statistics.median(beside for _, beside in turns),
            "upload_p99_ratio": statistics.median(beside / alone for alone, beside in turns),
        }

    def p99_ms(self) -> float:
        """Of some seconds of calls."""
        load = Load(seconds=SECONDS, rate=RATE, connections=CONNECTIONS, first=True)
        report = run_load(self._loadgen, load, self._door, self._options)
        if report.latency_us is None or report.failures:
            raise Broken(f"interactive calls failed: {report.failures}")
        return report.latency_us.p99 / 1000

    def during(self, upload: Callable[[Callable[[], bool]], None]) -> float:
        """The same while `upload` runs, which goes on until it is told that it is enough."""
        over, begun = threading.Event(), threading.Event()

        def told() -> bool:
            begun.set()
            return over.is_set()

        with ThreadPoolExecutor(1) as pool:
            uploading = pool.submit(upload, told)
            begun.wait(SECONDS)
            try:
                found = self.p99_ms()
            finally:
                over.set()
            with contextlib.suppress(Enough):
                uploading.result()
        return found


def until_told(pieces: Iterator[bytes], enough: Callable[[], bool]) -> Iterator[bytes]:
    """The pieces, as long as it is not enough; then it is broken off as by a client that leaves."""
    for piece in pieces:
        if enough():
            raise Enough
        yield piece
