"""A change is confirmed when every worker that serves has applied it, and no sooner."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwctl.routing.confirm import Awaited, Confirmations

NOTICE = "api_keys:1"


class Three:
    """Three workers; this is the first. Some may be gone."""

    index = 0

    def __init__(self) -> None:
        self.there = frozenset({0, 1, 2})
        self.told: list[str] = []
        self.announced: list[str] = []

    def serving(self) -> frozenset[int]:
        return self.there

    def announce(self, notices: Sequence[str]) -> None:
        self.announced += notices

    def tell(self, notices: Sequence[str]) -> None:
        self.told += notices


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
    with confirmations.expect(NOTICE) as awaited:
        confirmations.applied(["api_keys:2"])
        assert not await is_confirmed(awaited)
        confirmations.applied([NOTICE])
        assert await is_confirmed(awaited)


async def test_every_worker_is_waited_for_and_told() -> None:
    crew = Three()
    confirmations = Confirmations(crew)
    with confirmations.expect(NOTICE) as awaited:
        confirmations.made(NOTICE)
        assert crew.announced == [NOTICE]
        confirmations.applied([NOTICE])
        confirmations.applied_by(2, [NOTICE])
        assert not await is_confirmed(awaited)
        confirmations.applied_by(1, [NOTICE])
        assert await is_confirmed(awaited)
    assert crew.told == [NOTICE]


async def test_one_that_ends_is_waited_for_no_longer() -> None:
    crew = Three()
    confirmations = Confirmations(crew)
    with confirmations.expect(NOTICE) as awaited:
        confirmations.applied([NOTICE])
        confirmations.applied_by(1, [NOTICE])
        crew.there = frozenset({0, 1})
        assert not await is_confirmed(awaited)
        confirmations.look_again()
        assert await is_confirmed(awaited)


async def test_what_was_applied_before_does_not_count() -> None:
    confirmations = Confirmations()
    confirmations.applied([NOTICE])
    with confirmations.expect(NOTICE) as awaited:
        assert not await is_confirmed(awaited)


@pytest.mark.parametrize("count", [1, 2])
async def test_several_may_wait_for_the_same(count: int) -> None:
    confirmations = Confirmations()
    with confirmations.expect(NOTICE) as first, confirmations.expect(NOTICE) as second:
        confirmations.applied([NOTICE] * count)
        assert await is_confirmed(first)
        assert await is_confirmed(second)


@given(st.lists(st.tuples(st.sampled_from([0, 1, 2]), st.sampled_from([NOTICE, "users:1"]))))
def test_it_is_confirmed_exactly_when_nobody_is_missing(said: list[tuple[int, str]]) -> None:
    confirmations = Confirmations(Three())
    with confirmations.expect(NOTICE) as awaited:
        for worker, notice in said:
            confirmations.applied_by(worker, [notice])
        by = {worker for worker, notice in said if notice == NOTICE}
        assert awaited.applied_by == by
        assert asyncio.run(is_confirmed(awaited)) == (by == {0, 1, 2})
