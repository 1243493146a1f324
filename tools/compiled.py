"""Compile the modules on the path of a call: `python -m tools.compiled`; with `--remove` they are gone again.

mypyc makes one C extension of them, with a small one beside each module that Python finds before the source (ADR 0043).
It needs `mypy[mypyc]`, a C compiler and Python's headers. Nothing is put in place before all is built; what a killed
build leaves behind is refused at the next start (src/dwctl/core/compiled.py), and mended by either command.
"""

import argparse
import ast
import fcntl
import hashlib
import importlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
NOTE = "compiled.json"
GROUP = "dwctl.compiled"
LIBRARY = "compiled__mypyc"
"""The extension that all the others load, as mypyc names it by the group."""
MODULES = (
    "core/distribution",
    "core/ids",
    "gateway/admit",
    "gateway/bodies",
    "gateway/bounds",
    "gateway/caller",
    "gateway/choose",
    "gateway/counts",
    "gateway/flight",
    "gateway/funds",
    "gateway/gate",
    "gateway/keeping",
    "gateway/known",
    "gateway/peek",
    "gateway/pipeline",
    "gateway/prepare",
    "gateway/record",
    "gateway/relay",
    "gateway/reply",
    "gateway/strict",
    "gateway/tools/client",
    "gateway/upstream/client",
    "gateway/upstream/connection",
    "gateway/upstream/origin",
    "gateway/upstream/proxied",
    "gateway/upstream/response",
    "requests/backlog",
    "requests/entry",
    "requests/frames",
    "requests/merging",
    "requests/packing",
    "requests/recorder",
    "requests/spool",
    "requests/states",
    "routing/access",
    "server/connection",
    "server/exchange",
    "server/head",
    "usage/charging",
    "usage/credit/book",
    "usage/credit/limited",
    "usage/credit/pockets",
    "usage/meter",
    "wire/chunks",
    "wire/heads",
    "wire/repeats",
    "wire/splice",
    "wire/sse",
)
"""What is compiled: what each call goes through, and what inherits from it. None may have a class of `msgspec.Struct`,
or one that inherits from several."""
INLINE_CACHE = Path(__file__).resolve().with_name("inline_cache.h")
"""How generated code reads what is not compiled."""
BUILT = (LIBRARY, *MODULES)
ENDING = str(sysconfig.get_config_var("EXT_SUFFIX"))
OPTIONS = (
    "--config-file=",
    "--strict",
    "--ignore-missing-imports",
    "--follow-imports=silent",
    "--namespace-packages",
    "--explicit-package-bases",
    "--cache-dir=mypy",
)
LAST_WORDS = 30


class NotCompiled(Exception):
    """Why there are no extensions, for whoever asked for them."""


def package_of(root: Path) -> Path:
    """The package's folder in the tree."""
    return root / "src" / "dwctl"


def sources(root: Path) -> list[Path]:
    """All modules of the package that the compiled ones have types from, near or far."""
    package = package_of(root)
    found: set[Path] = set()
    todo = [package / f"{name}.py" for name in MODULES]
    while todo:
        path = todo.pop()
        if path not in found:
            found.add(path)
            todo += _imported(path, package.parent)
    return sorted(found)


def _imported(path: Path, source: Path) -> Iterator[Path]:
    for node in ast.walk(ast.parse(path.read_bytes())):
        if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("dwctl"):
            continue
        for name in (f"{node.module}", *(f"{node.module}.{alias.name}" for alias in node.names)):
            place = source.joinpath(*name.split("."))
            yield from (each for each in (place.with_suffix(".py"), place / "__init__.py") if each.is_file())


def extensions(root: Path, place: Path) -> Path:
    """The folder that has the extensions and their note: the package itself when it is compiled, or one below `place`.

    Raises NotCompiled.
    """
    package = package_of(root)
    try:
        noted = json.loads((package / NOTE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        noted = None
    whole = all((package / f"{name}{ENDING}").is_file() for name in BUILT)
    return package if whole and noted == note_of(root) else build(root, place)


def note_of(root: Path, header: Path = INLINE_CACHE) -> dict[str, object]:
    """What extensions of the sources and the header as they are would be known by."""
    package = package_of(root)
    digests = {
        path.relative_to(package).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sources(root)
    }
    headers = hashlib.sha256(header.read_bytes()).hexdigest()
    return {"ending": ENDING, "modules": list(BUILT), "header": headers, "sources": digests}


def build(root: Path, place: Path) -> Path:
    """Compile the tree's modules; the folder below `place` that has extensions and note. Raises NotCompiled."""
    # Before the build: what is changed while it runs is refused afterwards.
    note = note_of(root)
    command = (
        *("env", f"PYTHONPATH={root}", f"MYPYPATH={root / 'src'}"),
        *(sys.executable, "-m", "tools.compiled", "--root", str(root), "--extensions"),
    )
    told = subprocess.run(
        command,
        cwd=place,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if told.returncode:
        last = "\n".join(told.stdout.splitlines()[-LAST_WORDS:])
        raise NotCompiled(f"the build ended with status {told.returncode}\n{last}".rstrip())
    made = place / "lib" / "dwctl"
    missing = [name for name in BUILT if not (made / f"{name}{ENDING}").is_file()]
    if missing:
        raise NotCompiled(f"the build made no extension of {', '.join(missing)}")
    (made / NOTE).write_text(json.dumps(note, indent=1) + "\n", encoding="utf-8")
    return made


def make_extensions(root: Path) -> None:
    """The build itself, into the current folder: a process of its own, for it changes what setuptools is."""
    setuptools = importlib.import_module("setuptools")
    mypycify = importlib.import_module("mypyc.build").mypycify
    paths = [str(package_of(root) / f"{name}.py") for name in MODULES]
    extensions = mypycify(
        [*OPTIONS, *paths], opt_level="3", debug_level="0", group_name=GROUP, target_dir="c"
    )
    # All others only hand over what is in this one.
    remember_places(next(each for each in extensions if each.name.endswith(LIBRARY)))
    steps = ["--quiet", "build_ext", "--build-lib", "lib", "--build-temp", "temp"]
    setuptools.setup(name="dwctl", packages=[], ext_modules=extensions, script_args=steps)


def remember_places(extension: Any) -> None:
    """Let what mypyc generated remember where it finds attributes of what is not compiled (inline_cache.h)."""
    extension.extra_compile_args = [*extension.extra_compile_args, "-include", str(INLINE_CACHE)]


def install(root: Path) -> None:
    """Build, and put what was built beside the sources. Raises NotCompiled."""
    package = package_of(root)
    with _alone(root), tempfile.TemporaryDirectory(prefix="dwctl-compiled-") as place:
        made = build(root, Path(place))
        remove(root)
        for path in [made / NOTE, *sorted(made.rglob("*.so"))]:
            goal = package / path.relative_to(made)
            half = goal.with_name(f"{goal.name}.half")
            shutil.copyfile(path, half)
            half.replace(goal)


def remove(root: Path) -> None:
    """Everything that a build has put beside the sources, and the note last."""
    package = package_of(root)
    for path in [*package.rglob("*.so"), *package.rglob("*.so.half"), package / NOTE]:
        path.unlink(missing_ok=True)


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """No two builds in one tree."""
    descriptor = os.open(package_of(root), os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def main(arguments: list[str] | None = None) -> int:
    """Build or remove, and say so; the exit status is 1 when there are no extensions though they were asked for."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.compiled", description="Compile the path of a call."
    )
    parser.add_argument("--remove", action="store_true", help="remove what was built: the sources run again")
    parser.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
    parser.add_argument("--extensions", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.extensions:
        make_extensions(given.root)
        return 0
    if given.remove:
        with _alone(given.root):
            remove(given.root)
        return 0
    try:
        install(given.root)
    except (NotCompiled, OSError) as error:
        print(f"The modules could not be compiled: {error}", file=sys.stderr)
        return 1
    print(f"{len(MODULES)} modules are compiled. 'make pure' removes the extensions.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
