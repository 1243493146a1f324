"""How fast uploads go beside interactive calls: they yield while answers come late, and only then."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from dwctl.core.services import end_task, start_task
from dwctl.engine.files.pace import BURST, RARELY, Pace, next_rate
from dwctl.engine.files.settings import FileLimits
from tests.control.house import House
from tests.engine.files.house import Files, form, jsonl, line

LEAST = 100_000_000
"""More than an upload of so small pieces gets: it comes down to this at once."""


@asynccontextmanager
async def late_loop() -> AsyncIterator[None]:
    """An event loop that is held for some milliseconds again and again."""
    task = start_task(_hold(), name="holding")
    try:
        yield
    finally:
        await end_task(task)


async def _hold() -> None:
    while True:
        until = time.monotonic() + 0.006
        while time.monotonic() < until:
            pass
        await asyncio.sleep(0.001)


def _over(moment: float) -> bool:
    return time.monotonic() > moment


async def taking(pace: Pace, until: Callable[[], bool]) -> None:
    """An upload goes on."""
    async with asyncio.timeout(30):
        while not until():
            await pace.take(1_000)
            await asyncio.sleep(0)


async def test_uploads_yield_to_calls_that_come_late_and_go_on_when_there_are_none() -> None:
    pace = Pace(LEAST)
    pace.interactive = lambda: 1
    async with pace.upload():
        await taking(pace, lambda: pace.rate is not None and pace.rate > LEAST)
        async with late_loop():
            await taking(pace, lambda: pace.rate == LEAST)
            began = time.monotonic()
            for _ in range(10):
                await pace.take(2_000_000)
            # What they may be behind is made good at once.
            assert time.monotonic() - began >= 20_000_000 / LEAST - BURST
            pace.interactive = lambda: 0
            await taking(pace, lambda: pace.rate is None)


@given(
    st.one_of(st.none(), st.floats(LEAST, 1e12)),
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1e12)), min_size=1, max_size=30),
)
def test_uploads_are_slowed_by_what_is_late_alone_and_never_below_the_least(
    rate: float | None, windows: list[tuple[float, float]]
) -> None:
    for late, had in windows:
        now = next_rate(rate, LEAST, late, had)
        if late <= RARELY:
            assert now is None if rate is None else now is not None and now > rate
        else:
            assert now is not None
            assert now >= LEAST
            assert now == LEAST or now < min(had, rate or had)
        rate = now


async def test_uploads_do_not_yield_when_nobody_waits_or_when_told_so() -> None:
    for pace, calls in ((Pace(LEAST), 0), (Pace(0), 1)):
        pace.interactive = partial(int, calls)
        async with pace.upload(), late_loop():
            await taking(pace, partial(_over, time.monotonic() + 1))
            assert pace.rate is None


async def test_what_an_upload_does_to_others_is_seen_before_it_is_fast() -> None:
    pace = Pace(LEAST)
    for _ in range(2):
        async with pace.upload():
            assert pace.rate == LEAST
            async with pace.upload():
                await taking(pace, lambda: pace.rate is None)
            assert pace.rate is None
    never = Pace(0)
    async with never.upload():
        assert never.rate is None


async def test_an_upload_that_yields_is_whole(house: House) -> None:
    files = Files(house, limits=FileLimits(least_rate=LEAST))
    files.uploads.pace.interactive = lambda: 1
    who = (await files.person()).headers
    async with late_loop(), files.uploads.pace.upload():
        await taking(files.uploads.pace, lambda: files.uploads.pace.rate == LEAST)
        answer = await files.send(who, form(jsonl([line(number) for number in range(1, 2_001)])))
    assert answer.status_code == 201, answer.text
    assert await files.left() == {"files": 1, "lines": 2_000, "pieces": 0}
