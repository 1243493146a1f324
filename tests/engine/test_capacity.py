"""The cap on calls of batches: bounds, yielding, coming back."""

import math
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from dwctl.engine.capacity import Capacity, CapacitySettings, allowance
from tests.examples import examples

SETTINGS = CapacitySettings(floor=2, ceiling=50)
USUAL = 0.2


class Upstream:
    """A batch that takes all it is allowed beside a steady number of interactive calls, four a second."""

    def __init__(self, chosen: CapacitySettings = SETTINGS, *, interactive: int = 4) -> None:
        self.settings = chosen
        self.capacity = Capacity(chosen, 0.0)
        self.now = 0.0
        self.interactive = interactive
        self.batch = 0
        self.cap = chosen.floor

    def run(self, seconds: float, ttft: float | None, *, waiting: float = 0.0) -> None:
        """Time passes; `ttft` None: there are no interactive calls."""
        end = self.now + seconds
        while self.now < end:
            for _ in range(4):
                self.now += 0.25
                if ttft is not None:
                    self.capacity.observe(ttft, self.now)
            interactive = self.interactive if ttft is not None or waiting else 0
            self.cap = self.capacity.tick(
                self.now, batch=self.batch, interactive=interactive, waiting=waiting
            )
            assert self.settings.floor <= self.cap <= self.settings.ceiling
            self.batch = self.cap

    def run_until_cap(self, least: int, ttft: float | None, within: float) -> float:
        """Seconds that it took."""
        begun = self.now
        while self.cap < least and self.now - begun < within:
            self.run(1.0, ttft)
        assert self.cap >= least
        return self.now - begun


def grown() -> Upstream:
    """One that has learned the baseline and found nothing against the ceiling."""
    upstream = Upstream()
    upstream.run(20.0, USUAL)
    upstream.run_until_cap(SETTINGS.ceiling, USUAL, 60.0)
    return upstream


events = st.lists(
    st.one_of(
        st.tuples(st.just("observe"), st.floats(0.0, 1000.0)),
        st.tuples(st.just("refused"), st.none()),
        st.tuples(
            st.just("tick"), st.tuples(st.integers(0, 200), st.integers(0, 200), st.floats(0.0, 1000.0))
        ),
        st.tuples(st.just("wait"), st.floats(0.0, 2000.0)),
    ),
    max_size=200,
)


def play(capacity: Capacity, happened: list[tuple[str, object]], now: float = 0.0) -> float:
    """Anything, in any order; gives the time at the end."""
    for name, what in happened:
        if name == "observe":
            assert isinstance(what, float)
            capacity.observe(what, now)
        elif name == "refused":
            capacity.refused(now)
        elif name == "tick":
            assert isinstance(what, tuple)
            batch, interactive, waiting = what
            cap = capacity.tick(now, batch=batch, interactive=interactive, waiting=waiting)
            assert SETTINGS.floor <= cap <= SETTINGS.ceiling
            assert cap == SETTINGS.floor or cap + interactive <= capacity.published
        else:
            assert isinstance(what, float)
            now += what
    return now


@given(events)
def test_the_cap_keeps_between_floor_and_ceiling_whatever_happens(happened: list[tuple[str, object]]) -> None:
    play(Capacity(SETTINGS, 0.0), happened)


@given(events, st.integers(0, 30), st.integers(0, 100))
def test_a_refusal_takes_effect_at_once(
    happened: list[tuple[str, object]], interactive: int, batch: int
) -> None:
    capacity = Capacity(SETTINGS, 0.0)
    now = play(capacity, happened) + SETTINGS.pause
    capacity.tick(now, batch=batch, interactive=interactive)
    capacity.refused(now)
    cap = capacity.tick(now, batch=batch, interactive=interactive)
    left = max(SETTINGS.floor, SETTINGS.decrease * (batch + interactive))
    assert cap <= max(SETTINGS.floor, left - interactive)


@given(events, st.floats(3.0, 100.0))
@settings(deadline=None)
def test_lasting_trouble_brings_batches_to_the_floor(
    happened: list[tuple[str, object]], times: float
) -> None:
    upstream = grown()
    upstream.now = play(upstream.capacity, happened, upstream.now) + 60.0
    usual = upstream.capacity.baseline
    assert usual is not None
    upstream.batch = upstream.cap = upstream.capacity.tick(
        upstream.now, batch=0, interactive=upstream.interactive
    )
    least = upstream.cap
    for _ in range(180):
        # Only while it is batches that are late: at the floor the same times would become usual.
        if least == SETTINGS.floor:
            break
        upstream.run(1.0, 1000.0 * times)
        least = min(least, upstream.cap)
    assert least == SETTINGS.floor


def test_it_yields_within_two_seconds_of_the_first_late_calls() -> None:
    upstream = grown()
    before = upstream.cap + upstream.interactive
    upstream.run(2.0, USUAL * 4)
    assert upstream.cap + upstream.interactive <= math.ceil(before * SETTINGS.decrease)


def test_a_call_that_still_waits_is_enough() -> None:
    upstream = grown()
    before = upstream.cap
    for second in range(1, 6):
        upstream.run(1.0, None, waiting=float(second))
    assert upstream.cap < before * SETTINGS.decrease


def test_one_slow_call_is_chance() -> None:
    upstream = grown()
    upstream.capacity.observe(USUAL * 50, upstream.now)
    upstream.run(1.0, USUAL)
    assert upstream.cap == SETTINGS.ceiling
    assert upstream.capacity.mark is None


def test_prompts_that_differ_are_hardly_ever_trouble() -> None:
    """Chance cannot be excluded, so it is the mean of twenty runs of twenty minutes that counts."""
    shares = []
    for seed in range(20):
        draw = random.Random(seed)
        capacity = Capacity(SETTINGS, 0.0)
        batch, caps = 0, []
        for second in range(1200):
            for part in range(4):
                capacity.observe(draw.lognormvariate(math.log(USUAL), 0.5), second + part / 4)
            batch = capacity.tick(second + 1.0, batch=batch, interactive=4)
            caps.append(batch)
        shares.append(sum(caps[200:]) / 1000 / SETTINGS.ceiling)
    assert sum(shares) / len(shares) > 0.85


def test_it_is_back_at_the_margin_within_seconds() -> None:
    upstream = grown()
    upstream.capacity.refused(upstream.now)
    upstream.run(2.0, USUAL)
    mark = upstream.capacity.mark
    assert mark is not None
    kept = int(mark * SETTINGS.margin) - upstream.interactive
    assert upstream.run_until_cap(kept, USUAL, 60.0) <= SETTINGS.recover_within + SETTINGS.pause
    # and stays there until the time for a probe has come
    upstream.run(SETTINGS.probe_after / 2, USUAL)
    assert upstream.cap == kept


@given(events)
@settings(deadline=None, max_examples=examples(30))
def test_it_takes_everything_back_once_trouble_is_over(happened: list[tuple[str, object]]) -> None:
    upstream = grown()
    upstream.now = play(upstream.capacity, happened, upstream.now)
    # Good time for certain, whatever was made of the baseline.
    upstream.run_until_cap(SETTINGS.ceiling, 0.0, 4 * 3600.0)


def test_room_is_made_and_taken_back_with_each_interactive_call() -> None:
    upstream = grown()
    limit = upstream.capacity.published
    caps = [
        upstream.capacity.tick(upstream.now, batch=upstream.batch, interactive=n) for n in (4, 20, 40, 80, 4)
    ]
    assert caps == [int(limit) - 4, int(limit) - 20, int(limit) - 40, SETTINGS.floor, int(limit) - 4]


def test_batches_wait_at_the_floor_for_a_baseline() -> None:
    upstream = Upstream()
    upstream.run_until_cap(SETTINGS.ceiling, None, 60.0)
    upstream.run(1.0, 30.0)
    assert upstream.cap == SETTINGS.floor
    # What the queue of the batch has delayed is not what is usual.
    upstream.run(9.0, 30.0)
    assert upstream.capacity.published == 0
    upstream.run(15.0, USUAL)
    assert upstream.capacity.baseline
    assert math.isclose(upstream.capacity.baseline, USUAL)
    assert upstream.cap > SETTINGS.floor


def test_few_calls_do_where_they_are_rare() -> None:
    capacity = Capacity(SETTINGS, 0.0)
    for minute in range(1, 5):
        capacity.tick(minute * 60.0, batch=0, interactive=1)
        capacity.observe(USUAL, minute * 60.0 + 1)
    assert capacity.baseline is not None


def test_a_mark_does_not_count_while_nobody_calls() -> None:
    upstream = grown()
    upstream.capacity.refused(upstream.now)
    upstream.run(20.0, USUAL)
    kept = upstream.cap
    upstream.run(SETTINGS.quiet - 10, None)
    assert upstream.cap <= kept + upstream.interactive
    upstream.run_until_cap(SETTINGS.ceiling, None, 300.0)
    upstream.run(1.0, USUAL)
    # It may be tried again by now, but from where it was.
    assert upstream.cap <= kept + 1


def test_trouble_of_interactive_calls_alone_marks_nothing() -> None:
    upstream = grown()
    upstream.interactive = 200
    upstream.run(1.0, USUAL)
    assert upstream.cap == SETTINGS.floor
    for _ in range(5):
        upstream.capacity.refused(upstream.now)
        upstream.run(3.0, USUAL)
    assert upstream.capacity.mark is None
    upstream.interactive = 4
    upstream.run(1.0, USUAL)
    assert upstream.cap > SETTINGS.floor


def test_workers_obey_the_strictest_process() -> None:
    assert allowance([30.0, 12.5, math.inf], 4, SETTINGS) == 8
    assert allowance([30.0, 0.0], 0, SETTINGS) == SETTINGS.floor
    assert allowance([], 4, SETTINGS) == SETTINGS.ceiling
    # One that sees nobody has nothing against it and holds nobody back.
    busy, idle = grown(), Upstream()
    idle.run_until_cap(SETTINGS.ceiling, None, 60.0)
    busy.capacity.refused(busy.now)
    both = allowance([busy.capacity.published, idle.capacity.published], 4, SETTINGS)
    assert both == allowance([busy.capacity.published], 4, SETTINGS)


def test_a_single_call_does_not_hold_batches_up_for_long() -> None:
    upstream = Upstream()
    upstream.run_until_cap(SETTINGS.ceiling, None, 10.0)
    upstream.capacity.observe(USUAL, upstream.now)
    upstream.run(1.0, None)
    assert upstream.cap == SETTINGS.floor
    upstream.run_until_cap(SETTINGS.ceiling, None, 2 * SETTINGS.alone + 40.0)


def test_calls_that_are_rare_are_learned_from_in_the_end() -> None:
    upstream = Upstream()
    for _ in range(8):
        upstream.capacity.observe(USUAL, upstream.now)
        upstream.run(120.0, None)
    assert upstream.capacity.baseline is not None
    assert upstream.cap == SETTINGS.ceiling
