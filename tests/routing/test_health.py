"""Ejection and return of targets, as a state machine."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from dwctl.routing.health import Health, HealthPolicy
from tests.examples import examples

NOW = 100.0
POLICY = HealthPolicy(failures=3, initial=5, most=30)


def ejected(policy: HealthPolicy = POLICY) -> Health:
    """After so many failures in a row."""
    health = Health()
    assert [health.failed(NOW, policy) for _ in range(policy.failures)] == [False] * (policy.failures - 1) + [
        True
    ]
    return health


def test_so_many_failures_in_a_row_eject() -> None:
    health = ejected()
    assert not health.ready(NOW + 4.9)
    assert health.ready(NOW + 5)


def test_a_success_in_between_begins_the_count_anew() -> None:
    health = Health()
    for _ in range(10):
        health.failed(NOW, POLICY)
        health.failed(NOW, POLICY)
        health.succeeded(lifts=False)
    assert health.ready(NOW)


def test_calls_that_were_under_way_change_nothing_about_an_ejection() -> None:
    health = ejected()
    assert not health.failed(NOW + 1, POLICY)
    health.answered(lifts=False)
    health.succeeded(lifts=False)
    assert not health.ready(NOW + 4.9)


def test_ejections_double_up_to_the_longest() -> None:
    health = ejected()
    now = NOW
    lengths = []
    for _ in range(5):
        lengths.append(health.until - now)
        now = health.until
        assert health.claim(now)
        assert health.failed(now, POLICY, trial=True)
    assert lengths == [5, 10, 20, 30, 30]


def test_only_one_trial_at_a_time() -> None:
    health = ejected()
    assert health.claim(NOW + 5)
    assert not health.ready(NOW + 5)
    assert not health.claim(NOW + 5)
    # It came to nothing, as when the client left: the next one comes later.
    assert health.claim(NOW + 10)


def test_a_trial_that_is_answered_brings_the_target_back() -> None:
    health = ejected()
    assert health.claim(NOW + 5)
    health.answered(lifts=True)
    assert health.ready(NOW + 5)
    health.succeeded(lifts=True)
    assert [health.failed(NOW + 6, POLICY) for _ in range(3)] == [False, False, True]
    assert health.until == NOW + 11


def test_a_trial_that_breaks_off_ejects_at_once() -> None:
    health = ejected()
    assert health.claim(NOW + 5)
    health.answered(lifts=True)
    assert health.failed(NOW + 6, POLICY, trial=True)
    assert health.until == NOW + 16


@pytest.mark.parametrize(("asked", "given"), [(7, 7), (1000, 30)])
def test_a_pause_that_is_asked_for_is_given_up_to_the_longest(asked: float, given: float) -> None:
    health = Health()
    assert health.told_to_wait(NOW, asked, POLICY)
    assert health.until == NOW + given
    assert not health.told_to_wait(NOW, 1, POLICY)
    assert health.until == NOW + given


def test_without_a_limit_nothing_is_ejected() -> None:
    off = HealthPolicy(failures=0, initial=5, most=30)
    health = Health()
    assert not any(health.failed(NOW, off) for _ in range(100))
    assert not health.told_to_wait(NOW, 10, off)
    assert health.ready(NOW)


@given(st.integers(1, 200))
def test_very_many_ejections_do_not_overflow(count: int) -> None:
    health = ejected()
    for _ in range(count):
        assert health.claim(health.until)
        health.failed(health.until, POLICY, trial=True)


class Target(RuleBasedStateMachine):
    """Calls that end in every way, in every order, while time passes."""

    def __init__(self) -> None:
        super().__init__()
        self.health = Health()
        self.now = NOW
        self.open: list[tuple[bool, bool]] = []
        """Trial and ejected, of calls under way."""

    @rule()
    def call(self) -> None:
        ejected = self.health.until > 0
        self.open.append((self.health.claim(self.now), ejected))

    @rule(seconds=st.floats(0.1, 20))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(trial=st.booleans(), begun=st.booleans(), outcome=st.sampled_from(["good", "bad", "pause", "left"]))
    def end(self, trial: bool, begun: bool, outcome: str) -> None:
        found = next((one for one in self.open if one[0] == trial), None)
        if found is None:
            return
        self.open.remove(found)
        trial, ejected = found
        if begun:
            self.health.answered(lifts=ejected)
        if outcome == "good":
            self.health.succeeded(lifts=ejected)
        elif outcome == "bad":
            self.health.failed(self.now, POLICY, trial=trial)
        elif outcome == "pause":
            self.health.told_to_wait(self.now, 9, POLICY)

    @invariant()
    def an_ejection_ends(self) -> None:
        assert self.health.until <= self.now + POLICY.most

    @invariant()
    def a_target_without_enough_failures_is_in_use(self) -> None:
        if not self.health.failures:
            assert self.health.ready(self.now)


TestTarget = Target.TestCase
TestTarget.settings = settings(max_examples=examples(60), stateful_step_count=40, deadline=None)
