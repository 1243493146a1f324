"""What follows an attempt, for any status, time and number of tries."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwctl.engine.policy import Policy, margin_of, retriable
from dwctl.engine.worker_settings import BatchDaemonSettings
from dwctl.requests.queue.structs import AGAIN
from dwctl.requests.record import State

SETTINGS = BatchDaemonSettings(max_retries=5)
NOW = 1_800_000_000.0
statuses = st.integers(0, 599)
draws = st.floats(0, 1, exclude_max=True)


def decide(
    status: int,
    *,
    draw: float = 0.5,
    settings: BatchDaemonSettings = SETTINGS,
    retries: int = 0,
    left: float = 86_400.0,
    window: str = "24h",
    pause: float = 0.0,
    state: int = State.FAILED,
) -> tuple[int, float, bool]:
    """Verdict, seconds to wait, and whether a retry was denied."""
    what = Policy(settings, lambda: draw).decide(
        state=state, status=status, retries=retries, deadline=NOW + left, window=window, now=NOW, pause=pause
    )
    return what.verdict, what.at - NOW if what.verdict == AGAIN else 0.0, what.denied


@pytest.mark.parametrize("status", [500, 502, 503, 504, 529, 429, 408, 404, 0])
def test_what_may_pass_is_tried_again(status: int) -> None:
    assert decide(status)[0] == AGAIN


@pytest.mark.parametrize("status", [400, 401, 402, 403, 405, 409, 410, 413, 422, 499])
def test_what_will_not_pass_fails_at_once(status: int) -> None:
    assert decide(status) == (State.FAILED, 0.0, False)


@given(statuses, st.sampled_from([State.COMPLETED, State.CANCELED]))
def test_an_end_is_an_end(status: int, state: State) -> None:
    assert decide(status, state=state) == (state, 0.0, False)


@given(statuses, draws, st.integers(0, 2000), st.floats(-1e6, 1e6), st.floats(0, 1e6))
def test_nothing_is_tried_too_often_too_late_or_too_soon(
    status: int, draw: float, retries: int, left: float, pause: float
) -> None:
    verdict, wait, denied = decide(status, draw=draw, retries=retries, left=left, pause=pause)
    if verdict == AGAIN:
        assert retriable(status)
        assert retries < 5
        assert wait < left - 900
        assert pause - 1e-3 <= wait <= pause + 10 + 1e-3
    else:
        assert verdict == State.FAILED
        assert denied == retriable(status)


@given(draws, st.integers(0, 10**6))
def test_waits_grow_to_a_limit_and_are_drawn_from_nothing_on(draw: float, retries: int) -> None:
    policy = Policy(BatchDaemonSettings(backoff_ms=100, backoff_factor=3, max_backoff_ms=2000), lambda: draw)
    wait = policy.wait(retries)
    assert wait == pytest.approx(draw * min(2.0, 0.1 * 3 ** min(retries, 50)))


@pytest.mark.parametrize(("first", "most"), [(100, 2.0), (0, 0.0)])
def test_waits_that_no_number_holds_are_the_longest(first: int, most: float) -> None:
    steep = BatchDaemonSettings(backoff_ms=first, backoff_factor=1e200, max_backoff_ms=2000)
    assert Policy(steep, lambda: 1.0).wait(2) == most


def test_without_a_limit_of_tries_the_deadline_alone_counts() -> None:
    endless = msgspec.structs.replace(SETTINGS, max_retries=None, stop_before_deadline_ms=None)
    assert decide(500, settings=endless, retries=10**6, left=11)[0] == AGAIN
    assert decide(500, settings=endless, retries=10**6, left=4, draw=0.9) == (State.FAILED, 0.0, True)


@pytest.mark.parametrize(
    ("window", "margin"), [("24h", 900), ("1h", 900), ("20m", 300), ("2s", 0.5), ("0s", 0), ("odd", 900)]
)
def test_a_short_window_keeps_three_quarters_for_trying(window: str, margin: float) -> None:
    assert margin_of(window, 900) == margin
