"""What callgrind's files say, and the line through two loads."""

import pytest
from benchmarks.failures import Broken
from benchmarks.instructions import Counted, slope, total_of


def test_one_more_call_costs_the_difference() -> None:
    loads = [Counted(calls=800, instructions=5_000_000), Counted(calls=200, instructions=2_000_000)]
    assert slope(loads) == 5_000


def test_one_size_makes_no_line() -> None:
    with pytest.raises(ValueError, match="different sizes"):
        slope([Counted(calls=200, instructions=1), Counted(calls=200, instructions=2)])


def test_the_total_of_a_dump_is_found() -> None:
    assert (
        total_of("version: 1\nevents: Ir\nsummary: 123456\n\nfn=(1) main\n1 5\n\ntotals: 123456\n") == 123456
    )
    with pytest.raises(Broken, match="no total"):
        total_of("version: 1\nevents: Ir\n")
