"""Extensions of other sources than are there are refused, and those of another Python are none."""

import json
import re
from hashlib import sha256
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest
from tools.compiled import NOTE, remove

from dwctl.core.compiled import check, is_compiled

SOURCE = b"answer = 42\n"


def package(root: Path, ending: str = EXTENSION_SUFFIXES[0]) -> Path:
    """A package with one compiled module."""
    folder = root / "src" / "dwctl"
    folder.mkdir(parents=True)
    (folder / "one.py").write_bytes(SOURCE)
    (folder / f"one{ending}").write_bytes(b"")
    note = {"ending": ending, "modules": ["one"], "sources": {"one.py": sha256(SOURCE).hexdigest()}}
    (folder / NOTE).write_text(json.dumps(note), encoding="utf-8")
    return folder


def test_extensions_of_these_sources_are_taken(tmp_path: Path) -> None:
    folder = package(tmp_path)
    check(folder)
    assert is_compiled(folder)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("one.py", lambda path: path.write_bytes(b"answer = 43\n")),
        ("one.py", Path.unlink),
        (f"one{EXTENSION_SUFFIXES[0]}", Path.unlink),
    ],
    ids=["changed", "gone", "not built"],
)
def test_others_are_refused(tmp_path: Path, name: str, change: object) -> None:
    folder = package(tmp_path)
    assert callable(change)
    change(folder / name)
    with pytest.raises(ImportError, match=re.escape("run 'make compiled'")):
        check(folder)


def test_those_of_another_python_are_none(tmp_path: Path) -> None:
    folder = package(tmp_path, ".cpython-20-riscv.so")
    (folder / "one.py").write_bytes(b"answer = 43\n")
    check(folder)
    assert not is_compiled(folder)


def test_without_any_there_is_nothing_to_refuse(tmp_path: Path) -> None:
    folder = package(tmp_path)
    remove(tmp_path)
    assert [path.name for path in folder.iterdir()] == ["one.py"]
    check(folder)
    assert not is_compiled(folder)
