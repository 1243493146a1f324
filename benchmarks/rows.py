"""Does dwctl keep a row for every answered call? Load for a minute, then compare with its database."""

import asyncio
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks import processes
from benchmarks.contestants.contestant import Place, free_port
from benchmarks.contestants.dwctl import Dwctl, data_dir
from benchmarks.counting import COMMITTED_WITHIN, count
from benchmarks.load import Load, LoadReport, run_load
from benchmarks.rounds import Settings
from benchmarks.running import Running
from benchmarks.upstream import Upstream, UpstreamOptions


@dataclass(frozen=True, kw_only=True)
class RowCheck:
    """What the three parties counted."""

    report: LoadReport
    answered: int
    """Calls with a complete and correct answer, the first one that showed it to be ready included."""
    upstream: int
    rows: int
    completed: int
    """Rows in the state `completed`."""
    within: float
    """Seconds that the counts were given to agree."""
    waited: float
    """Seconds from the last answer until the counts agreed, or until patience ended."""

    @property
    def agrees(self) -> bool:
        """Whether every answered call is a completed row, and nothing else is."""
        failed = sum(self.report.errors.values())
        return failed == 0 and self.answered == self.upstream == self.rows == self.completed

    def text(self) -> str:
        """The counts, a line each."""
        verdict = "every answered call is a row" if self.agrees else "the counts DIFFER"
        return "\n".join(
            (
                f"rows: {verdict}",
                f"  answered calls      {self.answered:>10,}  ({self.report.per_second:,.0f} a second)",
                f"  failed calls        {sum(self.report.errors.values()):>10,}",
                f"  seen by the upstream{self.upstream:>10,}",
                f"  rows                {self.rows:>10,}",
                f"  rows, completed     {self.completed:>10,}",
                f"  agreed after        {self.waited:>10.2f} s (at most {self.within:g})",
            )
        )


def check_rows(settings: Settings, seconds: float, within: float = COMMITTED_WITHIN) -> RowCheck:
    """Plain calls over 64 connections for `seconds`, then `within` seconds for the rows to be committed.

    Raises `Broken` when dwctl does not serve.
    """
    with (
        tempfile.TemporaryDirectory(prefix="dwctl-bench-") as scratch,
        Upstream(settings.programs.upstream, UpstreamOptions(), core=settings.cores.load) as upstream,
    ):
        Path(scratch).chmod(0o755)
        place = Place(
            port=free_port(), upstream_port=upstream.port, scratch=Path(scratch), cache=settings.cache
        )
        with Running(Dwctl(), place, settings.cores) as running:
            if running.pid is not None:
                # Free to run on both cores, as where a user runs it: the load's core alone is not enough for it.
                processes.pin_postgres(running.pid, settings.cores.load, settings.cores.contestant)
            settings.say(f"dwctl: {seconds:g} s of load, then its rows are counted")
            report = run_load(
                settings.programs.loadgen,
                Load(seconds=seconds),
                running.door,
                upstream.options,
                core=settings.cores.load,
            )
            running.check()
            answered = report.right + running.probes_answered
            counted = asyncio.run(count(data_dir(place), answered, within))
            return RowCheck(
                report=report,
                answered=answered,
                upstream=upstream.counts().inference,
                rows=counted.rows,
                completed=counted.completed,
                within=within,
                waited=counted.waited,
            )
