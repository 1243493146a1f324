"""Who gets free places, for any lanes and owners."""

from collections import Counter
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from dwctl.engine.shares import DAY, Bidder, share_out

NOW = 1_800_000_000.0
OWNERS = [UUID(int=n) for n in range(4)]
bidders = st.lists(
    st.tuples(st.sampled_from(OWNERS), st.floats(-DAY, 2 * DAY), st.integers(0, 30)), max_size=12
).map(lambda rows: [Bidder(n, owner, NOW + left, most) for n, (owner, left, most) in enumerate(rows)])
running = st.dictionaries(st.sampled_from(OWNERS), st.integers(1, 50))


def by_owner(given: dict[int, int], lanes: list[Bidder]) -> Counter[UUID]:
    """Places by owner."""
    counts: Counter[UUID] = Counter()
    for lane in lanes:
        counts[lane.owner_id] += given.get(lane.lane_id, 0)
    return counts


@given(st.integers(0, 100), bidders, running, st.floats(0, 1))
def test_every_place_is_given_while_somebody_wants_it(
    free: int, lanes: list[Bidder], under_way: dict[UUID, int], weight: float
) -> None:
    given = share_out(free, lanes, under_way, weight, NOW)
    assert all(0 < given[lane.lane_id] <= lane.most for lane in lanes if lane.lane_id in given)
    assert sum(given.values()) == min(free, sum(lane.most for lane in lanes))


@given(st.integers(1, 100), bidders, running)
def test_without_urgency_owners_end_as_level_as_they_can(
    free: int, lanes: list[Bidder], under_way: dict[UUID, int]
) -> None:
    given = share_out(free, lanes, under_way, 0.0, NOW)
    got = by_owner(given, lanes)
    wanted = by_owner({lane.lane_id: lane.most for lane in lanes}, lanes)
    for poor in OWNERS:
        for rich in OWNERS:
            if got[poor] < wanted[poor] and got[rich]:
                assert under_way.get(rich, 0) + got[rich] - 1 <= under_way.get(poor, 0) + got[poor]


@given(st.integers(1, 100), bidders, running)
def test_with_urgency_alone_the_nearest_deadlines_go_first(
    free: int, lanes: list[Bidder], under_way: dict[UUID, int]
) -> None:
    given = share_out(free, lanes, under_way, 1.0, NOW)
    for served in lanes:
        for passed in lanes:
            if served.lane_id in given and given.get(passed.lane_id, 0) < passed.most:
                assert min(max(served.deadline, NOW), NOW + DAY) <= min(max(passed.deadline, NOW), NOW + DAY)


def test_three_owners_share_whoever_came_first() -> None:
    lanes = [Bidder(1, OWNERS[0], NOW + DAY, 10_000)]
    lanes += [Bidder(n, OWNERS[1], NOW + DAY, 10) for n in range(2, 8)]
    lanes += [Bidder(9, OWNERS[2], NOW + DAY, 5)]
    assert by_owner(share_out(95, lanes, {}, 0.5, NOW), lanes) == {OWNERS[0]: 45, OWNERS[1]: 45, OWNERS[2]: 5}


def test_an_owner_with_much_under_way_waits_for_the_others() -> None:
    lanes = [Bidder(1, OWNERS[0], NOW + DAY, 100), Bidder(2, OWNERS[1], NOW + DAY, 100)]
    assert share_out(10, lanes, {OWNERS[0]: 20}, 0.5, NOW) == {2: 10}


def test_a_near_deadline_outweighs_a_share() -> None:
    lanes = [Bidder(1, OWNERS[0], NOW + 60, 100), Bidder(2, OWNERS[1], NOW + DAY, 100)]
    assert share_out(10, lanes, {OWNERS[0]: 5}, 0.9, NOW) == {1: 10}
