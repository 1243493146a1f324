"""Virtual environments for model servers: made once, kept in `.cache/models`, apart from the one that runs tests.

`chat.lock` and `embeddings.lock` pin everything by hash except torch. The public torch wheels for Linux bring
gigabytes of CUDA with them, and a machine for tests may offer a small CPU build through pip's own configuration:
the same version, another file, other dependencies. One lock cannot hold both, so torch is installed in a step of its
own by exact version; what every build of it needs is in the locks. They are written from the `.in` files by

    uv pip compile tests/models/chat.in --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
        --no-emit-find-links --no-annotate --no-header --overrides tests/models/overrides.txt \
        --output-file tests/models/chat.lock

and the same with `embeddings`. The overrides leave torch out, and lift the embedding server's numpy below its own
bound, since numpy 1 has no wheels for newer Pythons; a long test shows that it works.
"""

import fcntl
import hashlib
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.processes import ROOT

CACHE = ROOT / ".cache" / "models"
TORCH = "torch==2.13.0"
INSTALL_DEADLINE = 1800.0
_HERE = Path(__file__).resolve().parent


def environment(name: str) -> Path:
    """The `bin` folder of the environment `chat` or `embeddings`; installed when missing or when its lock changed."""
    lock = _HERE / f"{name}.lock"
    stamp = hashlib.sha256(b"\0".join([lock.read_bytes(), TORCH.encode(), sys.version.encode()]))
    home = CACHE / f"{name}-{stamp.hexdigest()[:16]}"
    with _alone(name):
        if not (home / "installed").exists():
            for old in CACHE.glob(f"{name}-*"):
                shutil.rmtree(old)
            _install(home, lock)
            (home / "installed").touch()
    return home / "bin"


@contextmanager
def _alone(name: str) -> Iterator[None]:
    """One process at a time, since test workers may ask at once."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.busy").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _install(home: Path, lock: Path) -> None:
    venv.create(home, with_pip=True, symlinks=True)
    _pip(home, "--require-hashes", "--no-deps", "--requirement", str(lock))
    _pip(home, TORCH)


def _pip(home: Path, *words: str) -> None:
    """`pip install`, as it is configured on this machine."""
    command = [str(home / "bin" / "python"), "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
    done = subprocess.run(
        [*command, *words],
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=INSTALL_DEADLINE,
    )
    if done.returncode != 0:
        raise RuntimeError(f"pip install {' '.join(words)} failed:\n{done.stdout}")
