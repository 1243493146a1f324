"""Compare dwctl with other gateways on this machine: `python -m benchmarks.run --help`.

Prints a table for each scenario and writes everything that was measured to `benchmarks/out/`. The exit status
is 1 when a contestant failed or a reply was wrong, 2 when nothing could be measured.
"""

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import click

from benchmarks import cores, document, programs, rows
from benchmarks.bars import judge, verdict_table
from benchmarks.catalogue import CONTESTANTS, EXTRAS, LONG, OTHERS, SCENARIOS
from benchmarks.contestants.contestant import Contestant
from benchmarks.contestants.dwctl import made
from benchmarks.failures import Broken, Unavailable
from benchmarks.rounds import Rounds, Settings
from benchmarks.scenarios.scenario import Scenario
from benchmarks.summary import Result, summarize
from benchmarks.table import table

Named = TypeVar("Named", Contestant, Scenario)

OUT = Path(__file__).resolve().parent / "out"
CACHE = Path.home() / ".cache" / "dwctl-bench"
READING = """\
Medians of the undisturbed rounds. CPU is the time of the contestant's whole process tree on a core of its own;
PostgreSQL's is apart, on the core of the load generator and the upstream. How to read this: docs/benchmarks.md"""


@click.command(help="Compare dwctl with other gateways on this machine. See docs/benchmarks.md.")
@click.option("--full", is_flag=True, help="Every contestant and every measure, as long as they ask for.")
@click.option("--only", multiple=True, metavar="NAME", help="Measure only these contestants.")
@click.option("--scenario", "wanted", multiple=True, metavar="NAME", help="Run only these scenarios.")
@click.option(
    "--rounds", default=None, type=click.IntRange(1, 100), help="How often; default 3, with --full 5."
)
@click.option(
    "--repeats",
    default=1,
    show_default=True,
    type=click.IntRange(0, 100),
    help="Extra rounds for what other processes disturbed.",
)
@click.option(
    "--seconds",
    default=None,
    type=click.FloatRange(0.2, 600),
    help="How long each scenario measures; default 3, with --full 60.",
)
@click.option("--check-rows", is_flag=True, help="Load dwctl alone and compare answered calls with its rows.")
@click.option("--rows-seconds", default=60.0, show_default=True, type=click.FloatRange(1, 3600))
@click.option(
    "--cache",
    envvar="BENCH_CACHE",
    show_envvar=True,
    default=CACHE,
    type=click.Path(path_type=Path),
    help="Where other gateways are installed.",
)
@click.option("--out", default=OUT, type=click.Path(path_type=Path), help="Where the JSON file goes.")
@click.option("--list", "list_only", is_flag=True, help="Show contestants and scenarios, measure nothing.")
def main(
    *,
    full: bool,
    only: Sequence[str],
    wanted: Sequence[str],
    rounds: int | None,
    repeats: int,
    seconds: float | None,
    check_rows: bool,
    rows_seconds: float,
    cache: Path,
    out: Path,
    list_only: bool,
) -> None:
    """Reads the command line and chooses what happens."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything that runs is stopped
    if list_only:
        print(_catalogue())
        return
    try:
        settings = Settings(
            programs=programs.build(),
            cores=cores.choose(),
            cache=cache,
            seconds=seconds or (60.0 if full else 3.0),
            say=_say,
        )
        os.sched_setaffinity(0, [settings.cores.load])  # what this process does is no cost of a contestant
        if check_rows:
            checked = rows.check_rows(settings, rows_seconds)
            print(checked.text())
            sys.exit(0 if checked.agrees else 1)
        everybody = (*CONTESTANTS, *OTHERS)
        contestants = _named(everybody, only) or (everybody if full else CONTESTANTS)
        scenarios = _named((*SCENARIOS, *LONG, *EXTRAS), wanted) or (
            (*SCENARIOS, *LONG) if full else SCENARIOS
        )
        sys.exit(_compare(settings, contestants, scenarios, rounds or (5 if full else 3), repeats, out))
    except (Broken, Unavailable) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        sys.exit(2)


def _compare(
    settings: Settings,
    contestants: Sequence[Contestant],
    scenarios: Sequence[Scenario],
    count: int,
    repeats: int,
    out: Path,
) -> int:
    results: dict[str, list[Result]] = {}
    broken: dict[str, str] = {}
    left_out: dict[str, str] = {}
    for those, group in _by_contestants(contestants, scenarios).items():
        present, missing = _prepared(those, settings.cache)
        taking = Rounds(settings, present, group)
        taking.run(count, repeats)
        results |= {each.name: summarize(each, present, taking.measurements) for each in group}
        broken |= taking.broken
        left_out |= missing
    path = document.write(
        document.Document(
            taken_at=datetime.now(UTC),
            machine=document.machine(os.cpu_count() or 0),
            seconds=settings.seconds,
            rounds=count,
            broken=broken,
            left_out=left_out,
            scenarios={each.name: document.results_of(each, results[each.name]) for each in scenarios},
        ),
        out,
    )
    print("\n\n".join(table(each, results[each.name]) for each in scenarios))
    verdicts = [
        verdict
        for each in scenarios
        for verdict in judge(
            each.name, each.bars, {one.contestant: one.medians for one in results[each.name]}
        )
    ]
    if verdicts:
        print(f"\n{verdict_table(verdicts)}")
    print(f"\n{made()}\n{READING}\nwritten to {path}")
    _tell("failed", broken)
    _tell("left out", left_out)
    wrong = any(note.errors or note.unexplained for each in results.values() for note in each)
    return 1 if broken or wrong else 0


def _by_contestants(
    contestants: Sequence[Contestant], scenarios: Sequence[Scenario]
) -> dict[tuple[Contestant, ...], list[Scenario]]:
    """Scenarios that the same ones take part in, together. Of a scenario's own, those that are wanted here."""
    names = {each.name for each in contestants}
    groups: dict[tuple[Contestant, ...], list[Scenario]] = {}
    for scenario in scenarios:
        wanted = tuple(each for each in scenario.contestants if each.name in names)
        groups.setdefault(wanted or scenario.contestants or tuple(contestants), []).append(scenario)
    return groups


def _prepared(contestants: Sequence[Contestant], cache: Path) -> tuple[list[Contestant], dict[str, str]]:
    """Those that are or can be installed, and why the others cannot."""
    present, left_out = [], {}
    for contestant in contestants:
        try:
            contestant.prepare(cache)
            present.append(contestant)
        except Unavailable as error:
            left_out[contestant.name] = str(error)
            _say(f"{contestant.name} is left out: {error}")
    return present, left_out


def _named(known: Sequence[Named], names: Sequence[str]) -> list[Named]:
    by_name = {each.name: each for each in known}
    unknown = [name for name in names if name not in by_name]
    if unknown:
        raise Unavailable(f"there is no {', '.join(unknown)}; known are {', '.join(by_name)}")
    return [by_name[name] for name in names]


def _catalogue() -> str:
    lines = ["contestants:"]
    lines += [f"  {each.name:<14} {each.kind}" for each in CONTESTANTS]
    lines += [f"  {each.name:<14} {each.kind} (--full)" for each in OTHERS]
    lines += ["scenarios:"]
    lines += [f"  {each.name:<14} {each.title}" for each in SCENARIOS]
    lines += [f"  {each.name:<14} {each.title} (--full)" for each in LONG]
    lines += [f"  {each.name:<14} {each.title} (--scenario {each.name})" for each in EXTRAS]
    return "\n".join(lines)


def _tell(what: str, reasons: Mapping[str, str]) -> None:
    for name, reason in reasons.items():
        print(f"{what}: {name}: {reason}")


def _say(text: str) -> None:
    """Progress goes to the error stream, so that the tables can be redirected."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
