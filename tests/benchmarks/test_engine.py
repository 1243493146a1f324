"""The bars of durable work: each has its figure, and both parts measure real processes."""

import pytest
from benchmarks.bars import judge
from benchmarks.durable import backlog, beside, service

from benchmarks import engine


@pytest.mark.long
async def test_the_stub_part_measures_a_worker() -> None:
    said: list[str] = []
    figures = await backlog.measure(pending=20_000, rounds=1, seconds=5, say=said.append, few=20_000)
    assert all(len(values) == 1 and values[0] > 0 for values in figures.values())
    assert figures.keys() <= engine.HEADINGS.keys()
    assert len(said) == 3


@pytest.mark.long
def test_the_http_part_runs_a_batch_to_its_end() -> None:
    figures = service.measure(lines=5_000, rounds=1, say=lambda _: None)
    assert figures.keys() <= engine.HEADINGS.keys()
    assert figures["http_rate"][0] > 0
    assert "pipeline with charges: requests/s" in engine.table(figures)


@pytest.mark.long
def test_the_beside_part_times_interactive_calls() -> None:
    figures = beside.measure(rounds=1, say=lambda _: None, calls=30)
    assert figures.keys() <= engine.HEADINGS.keys()
    assert figures["beside_p99_ratio"][0] > 0
    assert figures["beside_given_up"][0] < 1


def test_every_bar_has_its_figure() -> None:
    assert {bar.figure for bar in engine.BARS} == {name for part in engine.PARTS.values() for name in part}
    assert {bar.figure for bar in engine.BARS} <= engine.HEADINGS.keys()
    verdicts = judge("engine", engine.BARS, {"dwctl": {"rate": 8_000, "created_s": 21}})
    assert [each.text for each in verdicts if each.value is not None] == ["held", "MISSED"]
