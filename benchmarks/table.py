"""Results as text: one table for each scenario."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from benchmarks.scenarios.scenario import Column, Scenario
from benchmarks.summary import Result

Cell = Callable[[Result], str]


def table(scenario: Scenario, results: Sequence[Result]) -> str:
    """The title, the headings, a line for each contestant, and what is to be said about them."""
    columns = list(_columns(scenario, results))
    rows = [["", *(heading for heading, _ in columns)]]
    rows += [[result.contestant, *(fill(result) for _, fill in columns)] for result in results]
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
    if result.rows_missing:
        told.append(f"{result.contestant}: {result.rows_missing} calls were no row in time")
    if result.disturbed:
        told.append(f"{result.contestant}: other processes disturbed every round")
    return told


def _columns(scenario: Scenario, results: Sequence[Result]) -> Iterator[tuple[str, Cell]]:
    """(heading, how a result fills the cell); columns that nobody can fill are left out."""
    for place, column in enumerate(scenario.columns):
        if place > 0 and not any(column.figure in result.medians for result in results):
            continue
        yield column.heading, partial(_median, column)
        if place == 0:
            yield "lowest..highest", partial(_range, column)
        if any(column.figure in result.over_direct for result in results):
            yield "over direct", partial(_over_direct, column)
        if any(column.figure in result.of_nginx for result in results):
            yield "of nginx", partial(_of_nginx, column)
        if any(column.figure in result.of_rust for result in results):
            yield "of best Rust", partial(_of_rust, column)


def _median(column: Column, result: Result) -> str:
    return _number(result.medians.get(column.figure), column.digits)


def _over_direct(column: Column, result: Result) -> str:
    return _number(result.over_direct.get(column.figure), column.digits, sign="+")


def _of_nginx(column: Column, result: Result) -> str:
    return _number(result.of_nginx.get(column.figure), 2)


def _of_rust(column: Column, result: Result) -> str:
    return _number(result.of_rust.get(column.figure), 2)


def _range(column: Column, result: Result) -> str:
    low, high = result.lowest.get(column.figure), result.highest.get(column.figure)
    return f"{_number(low, column.digits)}..{_number(high, column.digits)}" if low is not None else "-"


def _number(value: float | None, digits: int, sign: str = "") -> str:
    return "-" if value is None else f"{value:{sign},.{digits}f}"
