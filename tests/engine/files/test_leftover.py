"""Work that stands aside."""

import os
import threading
import time

import pytest

from dwctl.engine.files.leftover import THEN, Leftover


def where(_: object) -> tuple[int, int]:
    """The thread, and its scheduling class."""
    return threading.get_native_id(), os.sched_getscheduler(0)


def test_it_goes_last_of_all() -> None:
    leftover = Leftover(least=0)
    thread, scheduled = leftover.do(where, None)
    assert thread != threading.get_native_id()
    assert scheduled == os.SCHED_IDLE
    assert os.sched_getscheduler(0) != os.SCHED_IDLE
    assert leftover.do(where, None)[0] == thread


def test_what_is_starved_goes_on_by_itself() -> None:
    """As when the processors are busy without a pause: more than any work can get is asked for."""
    leftover = Leftover(least=1000)
    here = threading.get_native_id()
    places = [leftover.do(where, None)[0] == here for _ in range(2 * THEN + 2)]
    assert places == [False, *[True] * THEN] * 2


def test_what_gets_its_share_stays_there() -> None:
    def busy(seconds: float) -> int:
        until = time.thread_time() + seconds
        while time.thread_time() < until:
            pass
        return threading.get_native_id()

    leftover = Leftover(least=1e-6)
    assert len({leftover.do(busy, 0.01) for _ in range(5)}) == 1


def test_errors_come_through() -> None:
    leftover = Leftover()
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            leftover.do(lambda given: 1 / given, 0)
    assert leftover.do(len, "abc") == 3
