"""What dwctl is held to: a bar says which figure counts, beside whom, and how far it may go.

Pure: medians by contestant in, verdicts out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Medians = Mapping[str, Mapping[str, float]]
"""Figures by name, by contestant."""


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One row of the table of measures."""

    what: str
    figure: str
    """Name of the figure that is looked at."""
    of: tuple[str, ...] = ()
    """Contestants that it is set beside: the best of those that were measured. Empty: it stands for itself."""
    how: Literal["ratio", "difference"] = "ratio"
    """How it is set beside them."""
    must: float
    aim: float | None = None
    """None: nothing better than `must` is wanted, or the aim is the other's own figure."""
    at_least: bool = False
    """More is better: the bar is the least that is allowed, else the most."""
    unit: str = ""
    digits: int = 2
    contestant: str = "dwctl"
    """Whose figure it is."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What came of a bar."""

    scenario: str
    bar: Bar
    value: float | None
    """None when somebody who is needed for it was not measured."""

    @property
    def holds(self) -> bool | None:
        """Whether the figure is good enough; None when there is none."""
        return None if self.value is None else _reaches(self.bar, self.value, self.bar.must)

    @property
    def text(self) -> str:
        """In a word."""
        if self.value is None:
            return "not measured"
        if not self.holds:
            return "MISSED"
        aim = self.bar.aim
        return "aim reached" if aim is not None and _reaches(self.bar, self.value, aim) else "held"


def judge(scenario: str, bars: Sequence[Bar], medians: Medians) -> list[Verdict]:
    """One verdict for each bar."""
    return [Verdict(scenario=scenario, bar=bar, value=_value(bar, medians)) for bar in bars]


def verdict_table(verdicts: Sequence[Verdict]) -> str:
    """A line for each verdict, with the bar beside the figure."""
    rows = [("scenario", "measure", "measured", "must", "aim", "verdict")]
    rows += [
        (
            each.scenario,
            each.bar.what,
            _number(each.bar, each.value),
            _limit(each.bar, each.bar.must),
            _limit(each.bar, each.bar.aim),
            each.text,
        )
        for each in verdicts
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["measures: what dwctl is held to"]
    for scenario, what, *figures, verdict in rows:
        cells = [scenario.ljust(widths[0]), what.ljust(widths[1])]
        cells += [figure.rjust(width) for figure, width in zip(figures, widths[2:], strict=False)]
        lines.append("  " + "  ".join((*cells, verdict)))
    return "\n".join(lines)


def _value(bar: Bar, medians: Medians) -> float | None:
    own = medians.get(bar.contestant, {}).get(bar.figure)
    if own is None or not bar.of:
        return own
    others = [medians[name][bar.figure] for name in bar.of if bar.figure in medians.get(name, {})]
    if not others:
        return None
    best = max(others) if bar.at_least else min(others)
    if bar.how == "difference":
        return own - best
    return own / best if best else None


def _reaches(bar: Bar, value: float, limit: float) -> bool:
    return value >= limit if bar.at_least else value <= limit


def _number(bar: Bar, value: float | None) -> str:
    return "-" if value is None else f"{value:,.{bar.digits}f}{bar.unit}"


def _limit(bar: Bar, limit: float | None) -> str:
    return "-" if limit is None else f"{'>=' if bar.at_least else '<='} {_number(bar, limit)}"
