"""Which target is next: every choice is one that the policy allows, whatever the loads and healths are."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwctl.routing.choice import Choice, Limits, Member, Verdict, no_limits
from dwctl.routing.condition import Condition, Conditions
from dwctl.routing.health import HealthPolicy
from dwctl.routing.pool import Fallback, Pool, Strategy
from dwctl.routing.snapshot import Target

NOW = 1000.0


def target(name: str, weight: int = 1) -> Target:
    """One with a weight."""
    return Target(
        endpoint_id=name,
        endpoint_name=name,
        url="http://x/v1",
        model_name="m",
        auth_header=None,
        weight=weight,
    )


def member(name: str, weight: int = 1, *, active: int = 0, until: float = 0.0) -> Member:
    """One in some condition."""
    condition = Condition()
    condition.load.active = active
    condition.health.until = until
    return Member(target(name, weight), condition)


def choice(
    *members: Member,
    strategy: Strategy = "weighted_random",
    fallback: Fallback | None = None,
    limits: Limits = no_limits,
    seed: int = 0,
) -> Choice:
    """The attempts of one call."""
    pool = Pool(strategy=strategy, fallback=fallback or Fallback())
    draw = random.Random(seed).random
    return Choice(pool, members, draw=draw, now=lambda: NOW, limits=limits)


def names(chosen: Choice) -> list[str]:
    """All that it gives."""
    return [pick.target.endpoint_id for pick in chosen]


def test_an_empty_pool_has_no_attempt() -> None:
    assert names(choice()) == []


def test_idle_targets_are_chosen_by_weight() -> None:
    shares = Counter(
        next(choice(member("a", 60), member("b", 30), member("c", 10), seed=seed)).target.endpoint_id
        for seed in range(3000)
    )
    assert 1650 < shares["a"] < 1950
    assert 750 < shares["b"] < 1050
    assert 200 < shares["c"] < 400


def test_priority_keeps_the_order() -> None:
    members = [member("a", active=9), member("b"), member("c")]
    assert names(choice(*members, strategy="priority")) == ["a", "b", "c"]


def test_replacement_does_not_change_priority() -> None:
    fallback = Fallback(with_replacement=True)
    assert names(choice(member("a"), member("b"), strategy="priority", fallback=fallback)) == ["a", "b"]


def test_a_fallback_that_is_off_leaves_one_attempt() -> None:
    fallback = Fallback(enabled=False, max_attempts=5)
    assert names(choice(member("a"), member("b"), strategy="priority", fallback=fallback)) == ["a"]


@pytest.mark.parametrize("strategy", ["priority", "weighted_random"])
def test_more_attempts_than_targets_begin_the_list_again(strategy: Strategy) -> None:
    found = names(choice(member("a"), member("b"), strategy=strategy, fallback=Fallback(max_attempts=5)))
    assert len(found) == 5
    assert set(found[:2]) == set(found[2:4]) == {"a", "b"}


def test_a_target_whose_time_is_over_is_tried_once_and_then_waits_again() -> None:
    back = member("a")
    back.condition.health.told_to_wait(NOW - 20, 10, policy())
    other = member("b")
    first = next(choice(back, other, strategy="priority"))
    assert (first.target.endpoint_id, first.trial, first.ejected) == ("a", True, True)
    second = next(choice(back, other, strategy="priority"))
    assert (second.target.endpoint_id, second.trial, second.ejected) == ("b", False, False)


def test_a_target_keeps_its_condition_under_another_snapshot() -> None:
    conditions = Conditions()
    known = conditions.of(target("a"))
    assert conditions.of(target("a", weight=7)) is known
    assert conditions.of(target("b")) is not known


def test_conditions_are_forgotten_when_there_are_too_many_of_idle_targets() -> None:
    conditions = Conditions()
    busy = conditions.of(target("busy"))
    busy.load.active = 1
    idle = conditions.of(target("idle"))
    for number in range(20_000):
        conditions.of(target(str(number)))
    assert conditions.of(target("busy")) is busy
    assert conditions.of(target("idle")) is not idle


def policy() -> HealthPolicy:
    """For ejections."""
    return HealthPolicy(failures=1, initial=10, most=100)


members = st.lists(
    st.tuples(
        st.integers(1, 100), st.integers(0, 50), st.sampled_from([0.0, NOW - 5, NOW, NOW + 5, NOW + 50])
    ),
    max_size=8,
)
fallbacks = st.builds(
    Fallback,
    enabled=st.booleans(),
    with_replacement=st.booleans(),
    on_rate_limit=st.booleans(),
    max_attempts=st.none() | st.integers(1, 20),
)


def made(given: list[tuple[int, int, float]]) -> list[Member]:
    """Members by weight, load and end of ejection."""
    return [
        member(str(number), weight, active=active, until=until)
        for number, (weight, active, until) in enumerate(given)
    ]


@given(members, fallbacks, st.sampled_from(["priority", "weighted_random"]), st.integers())
def test_attempts_are_as_many_as_allowed_and_repeat_only_where_they_may(
    given: list[tuple[int, int, float]], fallback: Fallback, strategy: Strategy, seed: int
) -> None:
    everyone = made(given)
    found = names(choice(*everyone, strategy=strategy, fallback=fallback, seed=seed))
    wanted = (fallback.max_attempts or len(everyone)) if fallback.enabled else 1
    assert len(found) == (wanted if everyone else 0)
    if not (fallback.with_replacement and strategy == "weighted_random"):
        for start in range(0, len(found), len(everyone) or 1):
            part = found[start : start + len(everyone)]
            assert len(set(part)) == len(part)


@given(members, st.sampled_from(["priority", "weighted_random"]), st.integers())
def test_the_first_choice_is_the_best_one(
    given: list[tuple[int, int, float]], strategy: Strategy, seed: int
) -> None:
    everyone = made(given)
    before = {each.target.endpoint_id: each.condition.health.until for each in everyone}
    pick = next(choice(*everyone, strategy=strategy, seed=seed), None)
    if pick is None:
        assert not everyone
        return
    ready = [each for each in everyone if before[each.target.endpoint_id] <= NOW]
    chosen = next(each for each in everyone if each.target is pick.target)
    if not ready:
        assert before[pick.target.endpoint_id] == min(before.values())
    elif strategy == "priority":
        assert chosen is ready[0]
    else:
        least = min(each.condition.load.active / each.target.weight for each in ready)
        assert chosen in ready
        assert chosen.condition.load.active / chosen.target.weight == least


@given(
    st.lists(st.sampled_from(Verdict), min_size=1, max_size=6),
    fallbacks,
    st.sampled_from(["priority", "weighted_random"]),
)
def test_no_target_is_called_beyond_a_limit(
    verdicts: list[Verdict], fallback: Fallback, strategy: Strategy
) -> None:
    def limits(wanted: Target, _active: int, /) -> Verdict:
        return verdicts[int(wanted.endpoint_id)]

    everyone = [member(str(number)) for number in range(len(verdicts))]
    attempts = choice(*everyone, strategy=strategy, fallback=fallback, limits=limits)
    found = names(attempts)
    free = {str(number) for number, verdict in enumerate(verdicts) if verdict is Verdict.FREE}
    assert set(found) <= free
    if not free:
        assert attempts.blocked is not None
    if free and (fallback.on_rate_limit or Verdict.LIMITED not in verdicts):
        assert found


@given(st.lists(st.integers(1, 100), min_size=2, max_size=6), st.integers(1, 300))
def test_held_calls_spread_in_proportion_to_the_weights(weights: list[int], calls: int) -> None:
    everyone = [member(str(number), weight) for number, weight in enumerate(weights)]
    for seed in range(calls):
        next(choice(*everyone, seed=seed)).condition.load.active += 1
    levels = [(each.condition.load.active, each.target.weight) for each in everyone]
    for active, weight in levels:
        # Nobody got a call while another one had less for its weight.
        assert all((active - 1) / weight <= other / others for other, others in levels)
