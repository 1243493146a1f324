"""The shape of a scenario: what the upstream does, what is measured, what the table shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from benchmarks.bars import Bar
from benchmarks.contestants.contestant import Contestant
from benchmarks.stage import Stage
from benchmarks.upstream import UpstreamOptions

Figures = Mapping[str, float | None]
"""What one round measured, by name; None where it has no meaning, such as the CPU time of no program.

Three names are known to the report beside those of the columns: `errors` and `unexplained` must be 0 for the
round to count as correct, and `foreign` tells whether other processes disturbed it.
"""


@dataclass(frozen=True, kw_only=True)
class Column:
    """One figure in the table."""

    figure: str
    heading: str
    digits: int = 0
    compare: Literal["ratio", "difference"] | None = None
    """ratio: also shown relative to nginx and the Rust routers. difference: also shown less that of `direct`."""
    more_is_better: bool = False
    """Which of the Rust routers is the best one."""


class Scenario(Protocol):
    """Something to measure of each contestant."""

    @property
    def name(self) -> str:
        """As the command line knows it."""
        ...

    @property
    def title(self) -> str:
        """What happens, in a line."""
        ...

    @property
    def upstream(self) -> UpstreamOptions:
        """How the model server behaves. A contestant is started once for scenarios with equal options."""
        ...

    @property
    def columns(self) -> tuple[Column, ...]:
        """What the table shows; the first is the figure that counts."""
        ...

    @property
    def contestants(self) -> tuple[Contestant, ...]:
        """Who takes part when it is not who takes part in every scenario; empty: those."""
        ...

    @property
    def bars(self) -> tuple[Bar, ...]:
        """What dwctl is held to."""
        ...

    def measure(self, stage: Stage) -> Figures:
        """Warm up, measure for about `stage.seconds`, and tell the figures."""
        ...
