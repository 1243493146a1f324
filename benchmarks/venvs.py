"""Virtual environments for contestants from PyPI: made once in the cache, one for each pinned version."""

import re
import subprocess
import sys
from pathlib import Path

from benchmarks.failures import Unavailable


def folder(cache: Path, requirement: str) -> Path:
    """Where the environment of `name[extra]==version` lies."""
    return cache / re.sub(r"\[[^]]*\]|[^\w.]+", "-", requirement).replace("--", "-")


def install(cache: Path, requirement: str) -> None:
    """Make the environment unless it is complete; raises `Unavailable` when pip cannot."""
    place = folder(cache, requirement)
    stamp = place / "complete"
    if stamp.is_file():
        return
    print(f"installing {requirement} into {place} ...", file=sys.stderr)
    place.parent.mkdir(parents=True, exist_ok=True)
    python = str(place / "bin" / "python")
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(place)],
        [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", requirement],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            told = (done.stderr or done.stdout).strip().splitlines()
            raise Unavailable(f"{requirement} cannot be installed: {' '.join(told[-2:])}")
    stamp.touch()
