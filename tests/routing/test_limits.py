"""The arithmetic of limits, whatever comes in whatever order."""

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwctl.routing.limit_book import LimitBook, Slot
from dwctl.routing.limits import Bucket, Kind, Limits, Scope
from dwctl.routing.tally import IDLE, Refusal
from tests.fakes.clock import FakeClock

GAPS = st.lists(st.floats(0, 20), min_size=1, max_size=80)
RATES = st.floats(0.001, 1000)
SLACK = 1e-3
"""What floating point may add up to."""


def limits(ident: str = "key:a", **values: float) -> Limits:
    """Limits of one thing."""
    return msgspec.convert({"id": ident, **values}, Limits)


def book() -> tuple[LimitBook, FakeClock]:
    """A book whose time stands still."""
    clock = FakeClock(0.0)
    return LimitBook(clock=clock.monotonic), clock


def admitted(held: Slot | Refusal) -> Slot:
    """It was let through."""
    assert isinstance(held, Slot)
    return held


def refused(held: Slot | Refusal) -> Refusal:
    """It was not."""
    assert isinstance(held, Refusal)
    return held


@given(rate=RATES, burst=st.integers(1, 50), gaps=GAPS)
def test_no_window_has_more_than_its_rate_and_the_burst(rate: float, burst: int, gaps: list[float]) -> None:
    asked, clock = book()
    limit = limits(requests_per_second=rate, burst_size=burst)
    passed: list[float] = []
    for gap in gaps:
        clock.advance(gap / rate)
        held = [asked.admit(None, limit) for _ in range(3)]
        passed += [clock.monotonic() for slot in held if isinstance(slot, Slot)]
    for first, start in enumerate(passed):
        for count, end in enumerate(passed[first:], 1):
            assert count <= rate * (end - start) + burst + SLACK


@given(rate=RATES, burst=st.integers(1, 50), gaps=GAPS)
def test_what_has_been_earned_is_given(rate: float, burst: int, gaps: list[float]) -> None:
    """A refusal names the time to wait: one moment later the call passes, and not much earlier."""
    asked, clock = book()
    limit = limits(requests_per_second=rate, burst_size=burst)
    for gap in gaps:
        clock.advance(gap / rate)
        held = asked.admit(None, limit)
        while isinstance(held, Slot):
            held = asked.admit(None, limit)
        assert 0 < held.wait <= 1 / rate + SLACK
        clock.advance(held.wait * 0.9 - SLACK / rate)
        refused(asked.admit(None, limit))
        clock.advance(held.wait * 0.1 + 2 * SLACK / rate)
        admitted(asked.admit(None, limit))


@given(rate=RATES, burst=st.integers(1, 20), rounds=st.integers(1, 5))
def test_a_full_bucket_holds_its_burst_and_never_more(rate: float, burst: int, rounds: int) -> None:
    asked, clock = book()
    limit = limits(requests_per_second=rate, burst_size=burst)
    for _ in range(rounds):
        for _ in range(burst):
            admitted(asked.admit(None, limit))
        refused(asked.admit(None, limit))
        clock.advance(3 * burst / rate)


@given(
    most=st.integers(1, 5),
    steps=st.lists(st.tuples(st.sampled_from(["enter", "leave", "leave twice", "undo"]), st.integers(0, 9))),
)
def test_slots_are_given_back_once_and_never_below_none(most: int, steps: list[tuple[str, int]]) -> None:
    asked, clock = book()
    limit = limits(max_concurrent=most)
    held: list[Slot] = []
    for step, which in steps:
        clock.advance(0.5)
        if step == "enter":
            slot = asked.admit(None, limit)
            assert isinstance(slot, Slot) == (len(held) < most)
            if isinstance(slot, Slot):
                held.append(slot)
        elif held:
            slot = held.pop(which % len(held))
            tally = slot.tallies[0]
            (slot.undo if step == "undo" else slot.release)()
            if step == "leave twice":
                slot.release()
                slot.undo()
            assert tally.active == len(held) >= 0


@given(spent=st.lists(st.tuples(st.floats(0, 90), st.integers(0, 500)), min_size=1, max_size=40))
def test_tokens_are_charged_afterwards_and_paid_back_in_full(spent: list[tuple[float, int]]) -> None:
    asked, clock = book()
    limit = limits(tokens_per_minute=100)
    charged = 0
    last = 0
    for gap, tokens in spent:
        clock.advance(gap)
        held = asked.admit(None, limit)
        if isinstance(held, Slot):
            held.release(tokens)
            charged += tokens
            last = tokens
        assert charged <= 100 / 60 * clock.monotonic() + 100 + last + SLACK


def test_a_minute_of_tokens_is_used_up_and_refills() -> None:
    asked, clock = book()
    limit = limits(tokens_per_minute=600)
    admitted(asked.admit(None, limit)).release(599)
    admitted(asked.admit(None, limit)).release(None)
    admitted(asked.admit(None, limit)).release(300)
    found = refused(asked.admit(None, limit))
    assert (found.scope, found.kind) == (Scope.KEY, Kind.TOKENS_PER_MINUTE)
    assert found.wait == pytest.approx(30.0)
    clock.advance(29)
    refused(asked.admit(None, limit))
    clock.advance(1.1)
    admitted(asked.admit(None, limit))


def test_a_minute_of_requests() -> None:
    asked, clock = book()
    limit = limits(requests_per_minute=6)
    for _ in range(6):
        admitted(asked.admit(None, limit))
    found = refused(asked.admit(None, limit))
    assert found.kind is Kind.REQUESTS_PER_MINUTE
    assert found.wait == pytest.approx(10.0)
    clock.advance(10)
    admitted(asked.admit(None, limit))


def test_fractions_of_a_request_per_second_work() -> None:
    asked, clock = book()
    limit = limits(requests_per_second=0.1)
    admitted(asked.admit(None, limit))
    assert refused(asked.admit(None, limit)).wait == pytest.approx(10.0)
    clock.advance(10)
    admitted(asked.admit(None, limit))
    refused(asked.admit(None, limit))


def test_the_longest_wait_is_told() -> None:
    asked, _ = book()
    limit = limits(requests_per_second=1, requests_per_minute=1)
    admitted(asked.admit(None, limit))
    found = refused(asked.admit(None, limit))
    assert found.kind is Kind.REQUESTS_PER_MINUTE
    assert found.wait == pytest.approx(60.0)


def test_the_order_of_the_contract_and_that_a_refused_call_takes_nothing() -> None:
    asked, clock = book()
    model = limits("model:m", requests_per_second=1, burst_size=3, max_concurrent=2)
    key = limits("key:k", requests_per_second=1, burst_size=2, max_concurrent=1)
    first = admitted(asked.admit(model, key))
    found = refused(asked.admit(model, key))
    assert (found.scope, found.kind) == (Scope.KEY, Kind.CONCURRENCY)
    first.release()
    admitted(asked.admit(model, key)).release()
    for _ in range(5):
        found = refused(asked.admit(model, key))
        assert (found.scope, found.kind) == (Scope.KEY, Kind.REQUESTS_PER_SECOND)
    # The key's refusals have taken nothing from the model.
    held = admitted(asked.admit(model, None))
    found = refused(asked.admit(model, key))
    assert (found.scope, found.kind) == (Scope.MODEL, Kind.REQUESTS_PER_SECOND)
    clock.advance(5)
    other = admitted(asked.admit(model, None))
    found = refused(asked.admit(model, key))
    assert (found.scope, found.kind) == (Scope.MODEL, Kind.CONCURRENCY)
    held.release()
    other.release()


class Place:
    """A target with limits."""

    def __init__(self, own: Limits | None = None, provider: Limits | None = None) -> None:
        self.limits = own
        self.provider_limits = provider


def test_attempts_take_the_target_and_its_provider() -> None:
    asked, _ = book()
    provider = limits("provider:p", max_concurrent=2)
    one, two = Place(limits("model:1", max_concurrent=1), provider), Place(None, provider)
    held = admitted(asked.take(one))
    assert refused(asked.take(one)).scope is Scope.TARGET
    admitted(asked.take(two))
    assert refused(asked.take(two)).scope is Scope.PROVIDER
    held.release(7)
    admitted(asked.take(one))
    free = admitted(asked.take(Place()))
    free.release(3)
    assert free.tallies == ()


def test_a_component_and_a_model_with_the_same_limits_share_their_state() -> None:
    asked, _ = book()
    component = limits("model:1", max_concurrent=1)
    held = admitted(asked.admit(component, None))
    assert refused(asked.take(Place(component))).scope is Scope.TARGET
    held.release()
    admitted(asked.take(Place(component)))


def test_what_was_undone_has_not_taken_place() -> None:
    asked, _ = book()
    limit = limits(requests_per_second=1, burst_size=1, max_concurrent=1)
    admitted(asked.admit(None, limit)).undo()
    admitted(asked.admit(None, limit))
    refused(asked.admit(None, limit))


def test_a_reload_changes_nothing_and_a_change_takes_effect_without_refilling() -> None:
    asked, clock = book()
    for _ in range(4):
        admitted(asked.admit(None, limits(requests_per_second=1, burst_size=4)))
    refused(asked.admit(None, limits(requests_per_second=1, burst_size=4)))
    # Larger: what was taken counts.
    larger = limits(requests_per_second=2, burst_size=6)
    for _ in range(2):
        admitted(asked.admit(None, larger))
    refused(asked.admit(None, larger))
    # Smaller: empty, and nothing is owed.
    smaller = limits(requests_per_second=2, burst_size=2)
    refused(asked.admit(None, smaller))
    clock.advance(0.5)
    admitted(asked.admit(None, smaller))
    refused(asked.admit(None, smaller))
    # Another kind of limit begins full, whatever was counted before.
    minute = limits(requests_per_minute=3)
    for _ in range(3):
        admitted(asked.admit(None, minute))
    refused(asked.admit(None, minute))


def test_a_change_of_concurrency_knows_the_calls_under_way() -> None:
    asked, _ = book()
    held = [admitted(asked.admit(None, limits(max_concurrent=3))) for _ in range(3)]
    smaller = limits(max_concurrent=2)
    held.pop().release()
    refused(asked.admit(None, smaller))
    held.pop().release()
    admitted(asked.admit(None, smaller))


@given(changes=st.lists(st.tuples(RATES, st.integers(1, 30), st.floats(0, 3)), min_size=1, max_size=30))
def test_changing_a_limit_gives_at_most_what_it_is_raised_by(changes: list[tuple[float, int, float]]) -> None:
    asked, clock = book()
    passed = 0
    most = float(changes[0][1])
    # Until the first call after a change, time goes by at the old rate or the new one.
    before, before_burst = changes[0][:2]
    for rate, burst, gap in changes:
        clock.advance(gap)
        most += max(rate, before) * gap + max(0, burst - before_burst)
        before, before_burst = rate, burst
        limit = limits(requests_per_second=rate, burst_size=burst)
        while isinstance(asked.admit(None, limit), Slot):
            passed += 1
        assert passed <= most + SLACK


def test_idle_limits_are_forgotten_as_others_come() -> None:
    asked, clock = book()
    held = admitted(asked.admit(None, limits("key:held", max_concurrent=1)))
    sizes = []
    for number in range(2000):
        clock.advance(1.0)
        admitted(asked.admit(None, limits(f"key:{number}", requests_per_second=1))).release()
        sizes.append(len(asked))
    assert max(sizes) < 4 * IDLE
    refused(asked.admit(None, limits("key:held", max_concurrent=1)))
    held.release()


def test_what_is_not_full_again_is_remembered() -> None:
    asked, clock = book()
    slow = limits("key:slow", requests_per_second=0.001)
    admitted(asked.admit(None, slow)).release()
    for number in range(200):
        clock.advance(1.0)
        admitted(asked.admit(None, limits(f"key:{number}", max_concurrent=1))).release()
    refused(asked.admit(None, slow))


def test_a_bucket_of_a_second_holds_at_least_one() -> None:
    assert [limits(requests_per_second=rate).burst for rate in (0.2, 1, 2.5, 100)] == [1, 1, 2, 100]
    assert limits(requests_per_second=5, burst_size=9).burst == 9
    assert Limits.of("key:a", None, 5, None, None, None) is None


def test_buckets_count_down_as_time_goes_by() -> None:
    bucket = Bucket("key-second", 5, 1.0)
    bucket.look(0.0, 0)
    left = [bucket.look(0.1, used) for used in range(4)]
    assert all(one > two for one, two in pairwise(left))
