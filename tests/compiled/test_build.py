"""A compiled copy of the tree passes the quick tests of what is compiled, and does not start after a change."""

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from tools.check import tracked
from tools.compiled import MODULES, NOTE

from dwctl.core.settings import environment
from tests.processes import ROOT

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("compiled")]
FOLDERS = (
    "tests/compiled",
    "tests/core",
    "tests/wire",
    "tests/server",
    "tests/requests",
    "tests/usage",
    "tests/gateway",
)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree as it lies here, compiled."""
    if not Path(sysconfig.get_path("include"), "Python.h").is_file():
        pytest.skip("this Python has no headers to compile against")
    place = tmp_path_factory.mktemp("compiled")
    for path in tracked():
        goal = place / path.relative_to(ROOT)
        goal.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, goal)
    built = run(place, "-m", "tools.compiled")
    assert built.returncode == 0, built.stdout
    return place


def run(place: Path, *words: str, timeout: float = 1100) -> "subprocess.CompletedProcess[str]":
    """Python in a copy of the tree."""
    environ = {**environment(), "PYTHONPATH": f"{place / 'src'}{os.pathsep}{place}"}
    return subprocess.run(
        [sys.executable, *words],
        cwd=place,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )


def origins(place: Path, names: Sequence[str]) -> list[str]:
    """Where Python has modules from."""
    text = f"import importlib; [print(importlib.import_module(name).__file__) for name in {list(names)!r}]"
    return run(place, "-c", text).stdout.splitlines()


def test_every_module_is_an_extension(copy: Path) -> None:
    names = [f"dwctl.{name.replace('/', '.')}" for name in MODULES]
    assert all(origin.endswith(".so") and str(copy) in origin for origin in origins(copy, names))
    assert run(copy, "-m", "dwctl", "--version").stdout.endswith(", compiled\n")


def test_the_quick_tests_pass(copy: Path) -> None:
    done = run(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not long and not soak", *FOLDERS)
    assert done.returncode == 0, done.stdout[-20_000:]


def test_a_changed_source_is_refused_until_it_is_compiled_or_pure(copy: Path) -> None:
    changed = copy / "src" / "dwctl" / "gateway" / "admission.py"
    before = changed.read_text(encoding="utf-8")
    try:
        changed.write_text(f"{before}\n", encoding="utf-8")
        refused = run(copy, "-m", "dwctl", "--version")
        assert refused.returncode == 1
        assert "gateway/admission.py" in refused.stdout
        assert "make compiled" in refused.stdout
    finally:
        changed.write_text(before, encoding="utf-8")
    assert run(copy, "-m", "dwctl", "--version").returncode == 0


def test_a_wheel_has_them_when_it_is_asked_for(copy: Path, tmp_path: Path) -> None:
    command = [
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        str(tmp_path),
    ]
    for asked, ending in (("1", ".so"), ("", "")):
        environ = {**environment(), "DWCTL_COMPILED": asked}
        subprocess.run([sys.executable, *command, str(copy)], env=environ, check=True, timeout=1100)
        (wheel,) = tmp_path.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            names = archive.namelist()
        extensions = [name for name in names if name.endswith(".so")]
        assert len(extensions) == (len(MODULES) + 1 if ending else 0)
        assert (f"dwctl/{NOTE}" in names) is bool(ending)
        assert wheel.name.endswith("-py3-none-any.whl") is not bool(ending)
        wheel.unlink()
