"""Observations are counted as by looking for the bucket of each one."""

from bisect import bisect_left

from hypothesis import given
from hypothesis import strategies as st

from dwctl.core.distribution import BYTES, SECONDS, Distribution

VALUES = st.lists(
    st.one_of(
        st.floats(min_value=0, max_value=1000),
        st.sampled_from(SECONDS),
        st.sampled_from([0.0, -1.0, float("inf"), 0.01000001, 700.0]),
        st.none(),
    )
)
"""None: somebody reads what there is so far."""


@given(VALUES)
def test_each_is_in_its_bucket(values: list[float | None]) -> None:
    distribution = Distribution(SECONDS)
    expected = [0] * (len(SECONDS) + 1)
    for value in values:
        if value is None:
            assert distribution.buckets == expected
        else:
            distribution.add(value)
            expected[bisect_left(SECONDS, value)] += 1
    assert distribution.count == sum(expected)
    assert distribution.buckets == expected
    buckets, total = distribution.shown()
    assert [count for _, count in buckets] == [float(sum(expected[: at + 1])) for at in range(len(expected))]
    assert total == sum(value for value in values if value is not None)


@given(st.lists(st.lists(st.floats(min_value=0, max_value=1e9), max_size=8), max_size=4))
def test_a_sum_has_what_its_parts_have(parts: list[list[float]]) -> None:
    whole = Distribution(BYTES)
    made = []
    for part in parts:
        one = Distribution(BYTES)
        for value in part:
            one.add(value)
            whole.add(value)
        made.append(one)
    for _ in range(2):
        assert Distribution.of(BYTES, made).buckets == whole.buckets
    sums = Distribution.of(BYTES, made)
    sums.add(1.0)
    whole.add(1.0)
    assert sums.buckets == whole.buckets
