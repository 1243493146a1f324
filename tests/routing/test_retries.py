"""The numbers of retries: which statuses, how long to wait, how many."""

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwctl.routing.backoff import delay
from dwctl.routing.budget import Bucket
from dwctl.routing.pool import Backoff, Fallback, RetryBudget, expand, is_pattern, pool_of

NOW = 50.0


@pytest.mark.parametrize(
    ("patterns", "meant"),
    [
        ((), set()),
        ((503,), {503}),
        ((52,), set(range(520, 530))),
        ((5,), set(range(500, 600))),
        ((429, 50), {429, *range(500, 510)}),
        ((9, 99, 999, 0, -5, 5000, 6), set()),
    ],
)
def test_patterns_mean_statuses(patterns: tuple[int, ...], meant: set[int]) -> None:
    assert expand(patterns) == meant
    assert [is_pattern(pattern) for pattern in patterns] == [bool(expand([pattern])) for pattern in patterns]


@given(st.lists(st.integers(1, 599)), st.integers(100, 599))
def test_a_status_is_meant_when_it_begins_with_a_pattern(patterns: list[int], status: int) -> None:
    assert (status in expand(patterns)) == any(str(status).startswith(str(pattern)) for pattern in patterns)


def test_a_pool_has_the_defaults_of_the_contract() -> None:
    pool = pool_of("weighted_random", None)
    assert pool.fallback == Fallback()
    assert pool.statuses == {500, 502, 503, 504}
    assert (pool.fallback.enabled, pool.fallback.on_rate_limit) == (True, True)
    assert (pool.fallback.with_replacement, pool.fallback.max_attempts) == (False, None)


def test_a_fallback_that_is_off_retries_no_status() -> None:
    assert not pool_of("priority", {"enabled": False, "on_status": [5]}).statuses


def test_what_is_stored_is_read_again_and_what_is_no_fallback_is_refused() -> None:
    stored = Fallback(
        on_status=(5,), max_attempts=3, backoff=Backoff(initial_ms=1), retry_budget=RetryBudget(burst=7)
    )
    assert pool_of("priority", msgspec.to_builtins(stored)).fallback == stored
    with pytest.raises(msgspec.ValidationError):
        pool_of("priority", {"on_status": "5xx"})


def full() -> float:
    """The largest draw, as good as."""
    return 1.0


def test_there_is_no_wait_unless_it_is_asked_for() -> None:
    assert delay(Backoff(), 3, full) == 0
    assert delay(Backoff(initial_ms=100), 0, full) == 0


def test_the_first_retry_waits_the_initial_time_and_then_longer() -> None:
    backoff = Backoff(initial_ms=100, max_ms=500, factor=2, jitter="none")
    assert [delay(backoff, retry, full) for retry in range(1, 6)] == [0.1, 0.2, 0.4, 0.5, 0.5]


def test_a_factor_of_one_is_constant() -> None:
    backoff = Backoff(initial_ms=100, factor=1, jitter="none")
    assert {delay(backoff, retry, full) for retry in range(1, 50)} == {0.1}


def test_large_numbers_do_not_overflow() -> None:
    assert delay(Backoff(initial_ms=1, factor=10, jitter="none"), 100_000, full) == 5.0


@given(
    st.builds(
        Backoff,
        initial_ms=st.floats(0, 60_000),
        max_ms=st.floats(0, 60_000),
        factor=st.floats(1, 100),
        jitter=st.sampled_from(["full", "none"]),
    ),
    st.integers(-1, 2000),
    st.floats(0, 1, exclude_max=True),
)
def test_a_wait_is_never_longer_than_its_limit_nor_than_the_next(
    backoff: Backoff, retry: int, drawn: float
) -> None:
    wait = delay(backoff, retry, lambda: drawn)
    assert 0 <= wait <= backoff.max_ms / 1000
    assert math.isfinite(wait)
    steady = msgspec.structs.replace(backoff, jitter="none")
    assert wait <= delay(steady, retry, full) <= delay(steady, max(retry, 0) + 1, full)


def test_a_full_bucket_is_spent_and_earned_again() -> None:
    budget = RetryBudget(ratio=0.25, min_per_second=2, burst=2)
    bucket = Bucket(budget, NOW)
    for _ in range(2):
        assert bucket.allows(budget, NOW)
        bucket.spend()
    assert not bucket.allows(budget, NOW)
    for _ in range(4):
        bucket.called(budget, NOW)
    assert bucket.allows(budget, NOW)
    bucket.spend()
    assert not bucket.allows(budget, NOW + 0.4)
    assert bucket.allows(budget, NOW + 0.5)


@given(
    st.floats(0, 2),
    st.floats(0, 20),
    st.integers(1, 50),
    st.lists(st.tuples(st.sampled_from(["call", "retry"]), st.floats(0, 2)), max_size=200),
)
def test_retries_are_never_more_than_earned(
    ratio: float, rate: float, burst: int, steps: list[tuple[str, float]]
) -> None:
    budget = RetryBudget(ratio=ratio, min_per_second=rate, burst=burst)
    bucket = Bucket(budget, NOW)
    now = NOW
    calls = retries = 0
    for what, later in steps:
        now += later
        if what == "call":
            bucket.called(budget, now)
            calls += 1
        elif bucket.allows(budget, now):
            bucket.spend()
            retries += 1
    assert retries <= burst + calls * ratio + (now - NOW) * rate + 1e-6
