"""Results as text: one table for each scenario."""

from collections.abc import Sequence

from benchmarks.scenarios.scenario import Column, Scenario
from benchmarks.summary import Result


def table(scenario: Scenario, results: Sequence[Result]) -> str:
    """The title, the headings, a line for each contestant, and what is to be said about them."""
    rows = [_headings(scenario, results), *(_cells(scenario, result, results) for result in results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [f"{scenario.name}: {scenario.title}"]
    for row in rows:
        first, *others = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        lines.append("  " + "  ".join((first.strip().ljust(widths[0]), *others)).rstrip())
    return "\n".join([*lines, *(f"  ! {note}" for result in results for note in notes(result))])


def notes(result: Result) -> list[str]:
    """What makes a result doubtful."""
    told = []
    if result.errors:
        told.append(f"{result.contestant}: {result.errors} requests failed or were answered wrongly")
    if result.unexplained:
        told.append(f"{result.contestant}: the upstream's count of requests differs by {result.unexplained}")
    if result.disturbed:
        told.append(f"{result.contestant}: other processes disturbed every round")
    return told


def _compares(results: Sequence[Result]) -> tuple[bool, bool]:
    return any(result.of_nginx for result in results), any(result.of_rust for result in results)


def _headings(scenario: Scenario, results: Sequence[Result]) -> list[str]:
    nginx, rust = _compares(results)
    cells = [""]
    for place, column in enumerate(scenario.columns):
        cells.append(column.heading)
        if place == 0:
            cells.append("lowest..highest")
        if column.compare == "difference":
            cells.append("over direct")
        if column.compare == "ratio":
            cells += ["of nginx"] * nginx + ["of best Rust"] * rust
    return cells


def _cells(scenario: Scenario, result: Result, results: Sequence[Result]) -> list[str]:
    nginx, rust = _compares(results)
    cells = [result.contestant]
    for place, column in enumerate(scenario.columns):
        cells.append(_number(result.medians.get(column.figure), column.digits))
        if place == 0:
            cells.append(_range(result, column))
        if column.compare == "difference":
            cells.append(_number(result.over_direct.get(column.figure), column.digits, sign="+"))
        if column.compare == "ratio":
            cells += [_number(result.of_nginx.get(column.figure), 2)] * nginx
            cells += [_number(result.of_rust.get(column.figure), 2)] * rust
    return cells


def _range(result: Result, column: Column) -> str:
    low, high = result.lowest.get(column.figure), result.highest.get(column.figure)
    if low is None or high is None:
        return "-"
    return f"{_number(low, column.digits)}..{_number(high, column.digits)}"


def _number(value: float | None, digits: int, sign: str = "") -> str:
    return "-" if value is None else f"{value:{sign},.{digits}f}"
