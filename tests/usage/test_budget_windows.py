"""Periods of the calendar in UTC: which days they have, when the next one begins, and how their pockets are named."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import get_args

from hypothesis import example, given
from hypothesis import strategies as st

from dwctl.core.ids import new_id
from dwctl.usage.budgets.windows import ALWAYS, Budget, Budgets, Period, Scope, day_of, place, purses, window

PERIODS: tuple[Period, ...] = get_args(Period)
RESETTING: tuple[Period, ...] = ("day", "week", "month")
SCOPES: tuple[Scope, ...] = get_args(Scope)
DAYS = st.dates(date(1970, 1, 10), date(9998, 12, 31))
MOMENTS = st.floats(0, 4e9, allow_nan=False)


def budget(period: Period, scope: Scope = "key", ident: str | None = None, amount: str = "10") -> Budget:
    """One of something."""
    return Budget(scope=scope, id=ident or new_id(), name="n", amount=Decimal(amount), period=period)


@given(st.sampled_from(RESETTING), DAYS)
def test_every_day_lies_in_one_period_and_the_next_one_begins_where_it_ends(
    period: Period, day: date
) -> None:
    first, after = window(period, day)
    assert first is not None
    assert after is not None
    assert first <= day < after
    assert window(period, first) == window(period, after - timedelta(days=1)) == (first, after)
    assert window(period, after).first == after
    assert window(period, first - timedelta(days=1)).after == first


@given(DAYS)
def test_periods_are_those_of_the_calendar(day: date) -> None:
    assert window("day", day) == (day, day + timedelta(days=1))
    week = window("week", day)
    assert week.first is not None
    assert week.after is not None
    assert week.first.isocalendar() == (*day.isocalendar()[:2], 1)
    assert week.after - week.first == timedelta(days=7)
    month = window("month", day)
    assert month.first is not None
    assert month.after is not None
    assert (month.first.year, month.first.month, month.first.day) == (day.year, day.month, 1)
    assert (month.after - timedelta(days=1)).month == day.month
    assert month.after.day == 1
    assert window("total", day) is ALWAYS


def test_months_end_where_they_do() -> None:
    ends = [date(2024, 2, 29), date(2026, 2, 28), date(2026, 4, 30), date(2026, 12, 31), date(2100, 2, 28)]
    for end in ends:
        assert window("month", end) == (end.replace(day=1), end + timedelta(days=1))


@given(MOMENTS)
@example(0.0)
@example(86_400.0)
@example(86_400.0 * 20_000 - 2.4e-7)
@example(86_400.0 * 46_000 - 4.8e-7)
def test_the_day_of_a_moment_is_the_one_in_utc(now: float) -> None:
    assert day_of(now) == datetime.fromtimestamp(int(now), UTC).date()


@given(st.sampled_from(PERIODS), MOMENTS)
def test_a_period_resets_in_the_future_at_midnight(period: Period, now: float) -> None:
    found = window(period, day_of(now)).resets_at
    if period == "total":
        assert found is None
    else:
        assert found is not None
        assert found.timestamp() > now
        assert (found.hour, found.minute, found.second, found.tzinfo) == (0, 0, 0, UTC)


@given(st.sampled_from(PERIODS), st.sampled_from(SCOPES), MOMENTS, st.decimals(0, 1000, places=3))
def test_a_pocket_is_known_by_its_name(period: Period, scope: Scope, now: float, amount: Decimal) -> None:
    one = budget(period, scope, amount=str(amount))
    (purse,) = purses([one], now)
    assert purse.limit == amount
    assert purse.budget is one
    assert place(purse.name) == (scope, one.id, window(period, day_of(now)))
    account = new_id()
    assert place(account) == (None, account, ALWAYS)


@given(st.sampled_from(PERIODS), MOMENTS, MOMENTS)
def test_calls_share_a_pocket_exactly_when_they_are_of_one_period(
    period: Period, one: float, other: float
) -> None:
    known = budget(period)
    same = window(period, day_of(one)) == window(period, day_of(other))
    kept = Budgets([known])
    for now in (one, other, one):
        assert kept.purses(now) == purses([known], now)
    assert (purses([known], one)[0].name == purses([known], other)[0].name) == same
