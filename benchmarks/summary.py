"""What the rounds say together: medians with their spread, and each contestant beside the others."""

from collections.abc import Sequence
from statistics import median

import msgspec

from benchmarks.contestants.contestant import Contestant, Kind
from benchmarks.rounds import Measurement
from benchmarks.scenarios.scenario import Figures, Scenario


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One contestant in one scenario."""

    contestant: str
    kind: Kind
    rounds: int
    """How many measurements the medians are of: the undisturbed ones, or all when all were disturbed."""
    disturbed: bool
    """Whether other processes took part in every one of them."""
    medians: dict[str, float]
    lowest: dict[str, float]
    highest: dict[str, float]
    of_nginx: dict[str, float]
    """Each compared figure divided by nginx's."""
    of_rust: dict[str, float]
    """Each compared figure divided by that of the Rust router with the best one."""
    over_direct: dict[str, float]
    """Each compared figure less that of no gateway."""
    errors: int
    unexplained: int
    """By how many the upstream's count of requests differs from the load generator's."""
    rows_missing: int
    """Calls whose rows were not committed in time."""
    measurements: list[dict[str, float | None]]


def summarize(
    scenario: Scenario, contestants: Sequence[Contestant], measurements: Sequence[Measurement]
) -> list[Result]:
    """One result for each contestant that was measured, in the order of the catalogue."""
    of_scenario = [each for each in measurements if each.scenario == scenario.name]
    by_name = {
        contestant.name: [each for each in of_scenario if each.contestant == contestant.name]
        for contestant in contestants
    }
    medians = {name: _medians(_used(all_of_it)) for name, all_of_it in by_name.items()}
    rust = [medians[each.name] for each in contestants if each.kind == "rust"]
    results = []
    for contestant in contestants:
        all_of_it, own = by_name[contestant.name], medians[contestant.name]
        if not all_of_it:
            continue
        used = _used(all_of_it)
        results.append(
            Result(
                contestant=contestant.name,
                kind=contestant.kind,
                rounds=len(used),
                disturbed=all(each.noisy for each in all_of_it),
                medians=own,
                lowest={name: min(_values(used, name)) for name in own},
                highest={name: max(_values(used, name)) for name in own},
                of_nginx=_ratios(scenario, own, [medians.get("nginx", {})]),
                of_rust=_ratios(scenario, own, rust),
                over_direct=_differences(scenario, own, medians.get("direct", {})),
                errors=_total(all_of_it, "errors"),
                unexplained=_total(all_of_it, "unexplained"),
                rows_missing=_total(all_of_it, "rows_missing"),
                measurements=[dict(each.figures) | {"round": each.round} for each in all_of_it],
            )
        )
    return results


def _used(measurements: Sequence[Measurement]) -> list[Figures]:
    """The undisturbed ones, or all when there are none."""
    return [each.figures for each in measurements if not each.noisy] or [
        each.figures for each in measurements
    ]


def _values(rounds: Sequence[Figures], name: str) -> list[float]:
    return [value for figures in rounds if (value := figures.get(name)) is not None]


def _medians(rounds: Sequence[Figures]) -> dict[str, float]:
    names = dict.fromkeys(name for figures in rounds for name in figures)
    return {name: median(values) for name in names if (values := _values(rounds, name))}


def _ratios(
    scenario: Scenario, own: dict[str, float], others: Sequence[dict[str, float]]
) -> dict[str, float]:
    found = {}
    for column in scenario.columns:
        known = [other[column.figure] for other in others if other.get(column.figure)]
        if column.compare == "ratio" and column.figure in own and known:
            found[column.figure] = own[column.figure] / (max if column.more_is_better else min)(known)
    return found


def _differences(scenario: Scenario, own: dict[str, float], direct: dict[str, float]) -> dict[str, float]:
    return {
        column.figure: own[column.figure] - direct[column.figure]
        for column in scenario.columns
        if column.compare == "difference" and column.figure in own and column.figure in direct
    }


def _total(measurements: Sequence[Measurement], name: str) -> int:
    return int(sum(each.figures.get(name) or 0 for each in measurements))
