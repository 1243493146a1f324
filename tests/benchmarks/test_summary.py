"""Medians, ratios and doubts, from measurements that are given."""

from benchmarks.contestants.contestant import Contestant
from benchmarks.contestants.direct import Direct
from benchmarks.contestants.dwctl import Dwctl
from benchmarks.contestants.nginx import Nginx
from benchmarks.contestants.sglang_router import SglangRouter
from benchmarks.contestants.vllm_router import VllmRouter
from benchmarks.load import Load
from benchmarks.rounds import Measurement
from benchmarks.scenarios.load_scenario import LoadScenario
from benchmarks.scenarios.scenario import Column
from benchmarks.summary import Result, summarize
from benchmarks.table import notes, table

SCENARIO = LoadScenario(
    name="plain",
    title="plain calls",
    load=Load(seconds=1),
    columns=(
        Column(figure="cpu_us", heading="CPU", digits=1, compare="ratio"),
        Column(figure="latency_p50_ms", heading="p50", digits=2, compare="difference"),
        Column(figure="postgres_cpu_us", heading="PostgreSQL"),
    ),
)
CONTESTANTS: tuple[Contestant, ...] = (Direct(), Nginx(), VllmRouter(), SglangRouter(), Dwctl())


def measured(
    contestant: str, cpu: float | None, p50: float, *, foreign: float = 0.0, errors: float = 0
) -> Measurement:
    figures = {"cpu_us": cpu, "latency_p50_ms": p50, "foreign": foreign, "errors": errors}
    return Measurement(contestant=contestant, scenario="plain", round=1, figures=figures)


def summary(*measurements: Measurement) -> dict[str, Result]:
    return {each.contestant: each for each in summarize(SCENARIO, CONTESTANTS, measurements)}


ROUNDS = (
    measured("direct", None, 0.2),
    measured("nginx", 15.0, 0.5),
    measured("nginx", 20.0, 0.6),
    measured("nginx", 90.0, 9.0, foreign=0.4),
    measured("vllm-router", 80.0, 0.8),
    measured("sglang-router", 100.0, 0.9),
    measured("dwctl", 36.0, 0.7),
    measured("dwctl", 40.0, 0.7),
    measured("dwctl", 44.0, 0.7),
)


def test_medians_are_of_the_undisturbed_rounds() -> None:
    nginx = summary(*ROUNDS)["nginx"]
    assert nginx.medians["cpu_us"] == 17.5
    assert (nginx.lowest["cpu_us"], nginx.highest["cpu_us"]) == (15.0, 20.0)
    assert nginx.rounds == 2
    assert len(nginx.measurements) == 3
    assert not nginx.disturbed


def test_a_contestant_that_was_always_disturbed_says_so() -> None:
    result = summary(measured("dwctl", 50.0, 1.0, foreign=0.5))["dwctl"]
    assert result.disturbed
    assert result.medians["cpu_us"] == 50.0
    assert notes(result) == ["dwctl: other processes disturbed every round"]


def test_figures_are_set_beside_nginx_the_best_rust_router_and_no_gateway() -> None:
    results = summary(*ROUNDS)
    assert results["dwctl"].of_nginx == {"cpu_us": 40.0 / 17.5}
    assert results["dwctl"].of_rust == {"cpu_us": 0.5}
    assert results["sglang-router"].of_rust == {"cpu_us": 1.25}
    assert round(results["dwctl"].over_direct["latency_p50_ms"], 6) == 0.5
    assert results["direct"].of_nginx == {}


def test_the_table_shows_what_was_measured_and_no_empty_column() -> None:
    results = summarize(SCENARIO, CONTESTANTS, (*ROUNDS, measured("dwctl", 40.0, 0.7, errors=2)))
    lines = table(SCENARIO, results).splitlines()
    assert lines[0] == "plain: plain calls"
    assert lines[1].split("  ") != []
    assert "PostgreSQL" not in lines[1]
    cells = lines[6].split()
    assert cells == ["dwctl", "40.0", "36.0..44.0", "2.29", "0.50", "0.70", "+0.50"]
    assert lines[7] == "  ! dwctl: 2 requests failed or were answered wrongly"
