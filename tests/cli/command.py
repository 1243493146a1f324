"""A `dwctl` command run to its end."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tests.processes import ROOT

DEADLINE = 60.0


class Ended(NamedTuple):
    """What a command left."""

    status: int
    output: str
    errors: str


def dwctl(
    *arguments: str | Path,
    directory: Path,
    environment: Mapping[str, str] | None = None,
    given: str = "",
) -> Ended:
    """Run `dwctl` in a directory, with an environment of its own, and `given` on standard input."""
    done = subprocess.run(
        [sys.executable, "-m", "dwctl", *map(str, arguments)],
        cwd=directory,
        env={
            "PATH": os.defpath,
            "PYTHONPATH": str(ROOT / "src"),
            "HOME": str(directory),
            "LC_ALL": "C.UTF-8",
            **(environment or {}),
        },
        input=given,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Ended(done.returncode, done.stdout, done.stderr)
