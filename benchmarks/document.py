"""The JSON file of a run: everything that was measured, and on what."""

import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from benchmarks.scenarios.scenario import Scenario
from benchmarks.summary import Result
from dwctl.core.compiled import is_compiled


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What the figures depend on."""

    processor: str
    cores: int
    kernel: str
    python: str
    compiled: bool
    """Whether dwctl ran with its compiled modules."""


class ScenarioResults(msgspec.Struct, frozen=True, kw_only=True):
    """One table, with all its rounds."""

    title: str
    first_figure: str
    results: Sequence[Result]


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """One run."""

    taken_at: datetime
    machine: Machine
    seconds: float
    rounds: int
    broken: Mapping[str, str]
    """Contestants that failed while they ran, with the reason."""
    left_out: Mapping[str, str]
    """Contestants that could not be had, with the reason."""
    scenarios: Mapping[str, ScenarioResults]


def machine(cores: int) -> Machine:
    """This one."""
    return Machine(
        processor=_processor(),
        cores=cores,
        kernel=platform.release(),
        python=platform.python_version(),
        compiled=is_compiled(),
    )


def results_of(scenario: Scenario, results: Sequence[Result]) -> ScenarioResults:
    """One table of the document."""
    return ScenarioResults(title=scenario.title, first_figure=scenario.columns[0].figure, results=results)


def write(document: Document, folder: Path) -> Path:
    """A file named after the moment; returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{document.taken_at.astimezone(UTC):%Y%m%d-%H%M%S}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=2))
    return path


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
