"""Every call that dwctl answers at full speed becomes a committed row."""

from pathlib import Path

import pytest
from benchmarks.programs import Programs
from benchmarks.rounds import Settings
from benchmarks.rows import check_rows

from benchmarks import cores


@pytest.mark.long
def test_a_minute_of_load_leaves_a_row_for_every_answered_call(programs: Programs, tmp_path: Path) -> None:
    settings = Settings(
        programs=programs, cores=cores.choose(), cache=tmp_path, seconds=1, warm_up=1, say=print
    )
    # How soon is the benchmark's to say; here only that none is lost and none is there twice.
    checked = check_rows(settings, 60, within=120)
    assert checked.agrees, checked.text()
