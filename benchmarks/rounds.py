"""The order of turns: A B C, A B C, and again, so that slow changes of the machine meet everybody alike.

In its turn a contestant is started anew, measured in every scenario, and stopped: nobody runs beside another.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from benchmarks.contestants.contestant import Contestant, Place, free_port
from benchmarks.contestants.dwctl import data_dir
from benchmarks.cores import Cores
from benchmarks.failures import Broken
from benchmarks.programs import Programs
from benchmarks.running import Running
from benchmarks.scenarios.scenario import Figures, Scenario
from benchmarks.stage import Stage
from benchmarks.upstream import Upstream

NOISY = 0.1
"""Share of a core in other processes' hands from which a measurement counts as disturbed."""


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One scenario of one turn."""

    contestant: str
    scenario: str
    round: int
    figures: Figures

    @property
    def noisy(self) -> bool:
        """Whether other processes disturbed it."""
        return (self.figures.get("foreign") or 0.0) > NOISY


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What stays the same through all turns."""

    programs: Programs
    cores: Cores
    cache: Path
    seconds: float
    """How long a scenario measures."""
    warm_up: float = 1.0
    """How long the same load runs before."""
    say: Callable[[str], None]
    """Told about progress, a line at a time."""


class Rounds:
    """Takes turns and gathers the measurements."""

    def __init__(
        self, settings: Settings, contestants: Sequence[Contestant], scenarios: Sequence[Scenario]
    ) -> None:
        self.measurements: list[Measurement] = []
        self.broken: dict[str, str] = {}
        """Contestants that failed, with the reason; they take no further turns."""
        self._settings = settings
        self._contestants = contestants
        self._scenarios = scenarios

    def run(self, rounds: int, repeats: int) -> None:
        """All rounds; then up to `repeats` more turns for those that were disturbed."""
        for number in range(1, rounds + 1):
            for contestant in self._contestants:
                self._turn(contestant, number, self._scenarios)
        for number in range(rounds + 1, rounds + repeats + 1):
            for contestant in self._contestants:
                disturbed = [
                    scenario
                    for scenario in self._scenarios
                    if len(quiet(self.measurements, contestant.name, scenario.name)) < rounds
                ]
                if disturbed:
                    self._turn(contestant, number, disturbed)

    def _turn(self, contestant: Contestant, number: int, scenarios: Sequence[Scenario]) -> None:
        if contestant.name in self.broken:
            return
        try:
            for options, group in groupby(scenarios, key=lambda each: each.upstream):
                with Upstream(
                    self._settings.programs.upstream, options, core=self._settings.cores.load
                ) as upstream:
                    self._measure(contestant, upstream, number, tuple(group))
        except Broken as error:
            self.broken[contestant.name] = str(error)
            self._settings.say(f"{contestant.name}: {error}")

    def _measure(
        self, contestant: Contestant, upstream: Upstream, number: int, scenarios: Sequence[Scenario]
    ) -> None:
        s = self._settings
        with tempfile.TemporaryDirectory(prefix="dwctl-bench-") as scratch:
            Path(scratch).chmod(0o755)  # a database server that runs as another user must get in
            place = Place(port=free_port(), upstream_port=upstream.port, scratch=Path(scratch), cache=s.cache)
            with Running(contestant, place, s.cores) as running:
                stage = Stage(
                    running,
                    upstream,
                    s.programs,
                    s.cores,
                    seconds=s.seconds,
                    warm_up=s.warm_up,
                    rows_in=data_dir(place) if contestant.kind == "ours" else None,
                )
                for scenario in scenarios:
                    s.say(f"round {number}: {contestant.name}: {scenario.name}")
                    self.measurements.append(
                        Measurement(
                            contestant=contestant.name,
                            scenario=scenario.name,
                            round=number,
                            figures=scenario.measure(stage),
                        )
                    )


def quiet(measurements: Sequence[Measurement], contestant: str, scenario: str) -> list[Measurement]:
    """The measurements of one pair that nobody disturbed."""
    return [
        each
        for each in measurements
        if each.contestant == contestant and each.scenario == scenario and not each.noisy
    ]
