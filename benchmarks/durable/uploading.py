"""Interactive calls alone, and beside an upload that never ends."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.failures import Broken
from benchmarks.load import Door, Load, run_load
from benchmarks.upstream import UpstreamOptions

SECONDS = 10.0
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

    def p99_ms(self) -> float:
        """Of some seconds of calls."""
        load = Load(seconds=SECONDS, rate=RATE, connections=CONNECTIONS)
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
