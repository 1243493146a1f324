"""Every call that dwctl answers at full speed is a committed row within seconds."""

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
    checked = check_rows(settings, 60)
    assert checked.agrees, checked.text()
