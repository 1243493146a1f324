"""Work that takes what the processors have left, and a little more when there is nothing left for long.

A thread of the scheduling class SCHED_IDLE stands aside for whatever else wants to run, and a processor that it is on
counts as free for who is woken. Beside two busy processes with the nice value 5 a sleeper that was due waited 1.7 ms
more at the median, beside two of this class 0.1 (decision 0035). Where processors are busy without a pause such a
thread gets next to nothing, and it cannot leave its class without a privilege. So when a piece of work got less than
`LEAST` of a processor, the next ones are done by the caller, at its own priority.

If the process dies, its work is nobody's any more; nothing is kept here.
"""

import contextlib
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Given = TypeVar("Given")
Made = TypeVar("Made")

LEAST = 0.1
"""Of a processor: with less the thread was starved."""
THEN = 8
"""Pieces that the caller does itself after one that was."""


class Leftover:
    """Does work a piece at a time; the caller waits for each."""

    def __init__(self, least: float = LEAST) -> None:
        self._thread = ThreadPoolExecutor(1, "leftover", _stand_aside)
        self._least = least
        self._own = 0

    def do(self, work: Callable[[Given], Made], given: Given) -> Made:
        """One piece; raises what the work raises."""
        if self._own:
            self._own -= 1
            return work(given)
        began = time.monotonic()
        made, spent = self._thread.submit(_timed, work, given).result()
        if spent < self._least * (time.monotonic() - began):
            self._own = THEN
        return made


def _timed(work: Callable[[Given], Made], given: Given) -> tuple[Made, float]:
    """What came of it, and the processor's seconds that it took."""
    began = time.thread_time()
    return work(given), time.thread_time() - began


def _stand_aside() -> None:
    """This thread goes last; not where the system knows no such class, or a sandbox forbids it."""
    if hasattr(os, "SCHED_IDLE"):
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
