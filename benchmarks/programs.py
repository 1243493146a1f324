"""The two C programs: compiled at their first use, and again when a source is newer."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.failures import Broken, Unavailable

SOURCES = Path(__file__).resolve().parent / "src"
BIN = Path(__file__).resolve().parent / "bin"
UNITS = {
    "loadgen": ("loadgen.c", "load_options.c", "reply.c"),
    "upstream": ("upstream.c", "upstream_options.c", "answers.c", "request.c"),
}
FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra")


@dataclass(frozen=True, kw_only=True)
class Programs:
    """Where the compiled programs lie."""

    loadgen: Path
    upstream: Path


def build(directory: Path = BIN) -> Programs:
    """Compile what is missing or stale.

    Raises `Unavailable` without a C compiler, `Broken` with the compiler's words when it refuses.
    """
    return Programs(loadgen=_compile("loadgen", directory), upstream=_compile("upstream", directory))


def _compile(name: str, directory: Path) -> Path:
    target = directory / name
    newest = max(source.stat().st_mtime for source in SOURCES.iterdir())
    if target.is_file() and target.stat().st_mtime > newest:
        return target
    compiler = shutil.which("cc")
    if compiler is None:
        raise Unavailable(
            "a C compiler (cc) is needed for the load generator; on Debian: apt-get install gcc libc6-dev"
        )
    directory.mkdir(parents=True, exist_ok=True)
    # Written beside and renamed: two processes may compile at the same time.
    making = directory / f".{name}.{os.getpid()}"
    sources = [str(SOURCES / unit) for unit in UNITS[name]]
    done = subprocess.run(
        [compiler, *FLAGS, "-o", str(making), *sources], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        making.unlink(missing_ok=True)
        raise Broken(f"{name} does not compile:\n{done.stderr}")
    making.rename(target)
    return target
