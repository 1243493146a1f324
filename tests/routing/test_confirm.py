"""A change is confirmed when every worker that serves has applied it, and no sooner."""

import asyncio
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from dwctl.routing.confirm import Awaited, Confirmations

NOTICE = "api_keys:1"
CHANGE, OTHER = "change-1", "change-2"


class Three:
    """Three workers; this is the first. Some may be gone."""

    index = 0

    def __init__(self) -> None:
        self.there = frozenset({0, 1, 2})
        self.told: list[str] = []
        self.announced: list[str] = []

    def serving(self) -> frozenset[int]:
        return self.there

    def announce(self, notice: str, change: str) -> None:
        self.announced += (notice, change)

    def tell(self, changes: Sequence[str]) -> None:
        self.told += changes


async def is_confirmed(awaited: Awaited) -> bool:
    """Whether waiting would end now."""
    try:
        async with asyncio.timeout(0):
            await awaited.wait()
    except TimeoutError:
        return False
    return True


async def test_a_process_alone_waits_for_itself() -> None:
    confirmations = Confirmations()
    with confirmations.expect(CHANGE) as awaited:
        confirmations.applied([OTHER])
        assert not await is_confirmed(awaited)
        confirmations.applied([CHANGE])
        assert await is_confirmed(awaited)


async def test_every_worker_is_waited_for_and_told() -> None:
    crew = Three()
    confirmations = Confirmations(crew)
    with confirmations.expect(CHANGE) as awaited:
        confirmations.made(NOTICE, CHANGE)
        assert crew.announced == [NOTICE, CHANGE]
        confirmations.applied([CHANGE])
        confirmations.applied_by(2, [CHANGE])
        assert not await is_confirmed(awaited)
        confirmations.applied_by(1, [CHANGE])
        assert await is_confirmed(awaited)
    assert crew.told == [CHANGE]


async def test_one_that_ends_is_waited_for_no_longer() -> None:
    crew = Three()
    confirmations = Confirmations(crew)
    with confirmations.expect(CHANGE) as awaited:
        confirmations.applied([CHANGE])
        confirmations.applied_by(1, [CHANGE])
        crew.there = frozenset({0, 1})
        assert not await is_confirmed(awaited)
        confirmations.look_again()
        assert await is_confirmed(awaited)


async def test_what_was_applied_before_does_not_count() -> None:
    confirmations = Confirmations()
    confirmations.applied([CHANGE])
    with confirmations.expect(CHANGE) as awaited:
        assert not await is_confirmed(awaited)


async def test_each_change_of_the_same_row_is_waited_for_by_itself() -> None:
    confirmations = Confirmations()
    with confirmations.expect(CHANGE) as first, confirmations.expect(OTHER) as second:
        confirmations.applied([OTHER])
        assert not await is_confirmed(first)
        assert await is_confirmed(second)
        confirmations.applied([CHANGE, OTHER])
        assert await is_confirmed(first)


@given(st.lists(st.tuples(st.sampled_from([0, 1, 2]), st.sampled_from([CHANGE, OTHER]))))
def test_it_is_confirmed_exactly_when_nobody_is_missing(said: list[tuple[int, str]]) -> None:
    confirmations = Confirmations(Three())
    with confirmations.expect(CHANGE) as awaited:
        for worker, change in said:
            confirmations.applied_by(worker, [change])
        by = {worker for worker, change in said if change == CHANGE}
        assert awaited.applied_by == by
        assert asyncio.run(is_confirmed(awaited)) == (by == {0, 1, 2})
