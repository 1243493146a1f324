"""Decisions say what enforces them, and what they name exists."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

from tests.docs.page import Page, code
from tests.processes import ROOT

FOLDER = ROOT / "docs" / "decisions"
DECISIONS = sorted(path.name for path in FOLDER.glob("[0-9]*.md"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
_NAME = re.compile(r"[\w.-]+")


def enforced_by(name: str) -> str:
    """The line that says so."""
    found = re.search(r"^\W*Enforced by\W*:\W* *(.+)$", Page(FOLDER / name).text, re.MULTILINE)
    assert found is not None, f"{name} has no line 'Enforced by: …'"
    return found[1]


def functions(path: Path) -> set[str]:
    """Names of the functions of a module."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("name", DECISIONS)
def test_what_enforces_a_decision_exists(name: str) -> None:
    line = enforced_by(name)
    for named in code(line):
        path, _, function = named.partition("::")
        if path.startswith("tests/"):
            assert (ROOT / path).exists(), f"{name}: {path} is not there"
            assert not function or function in functions(ROOT / path), f"{name}: {named} is not there"
    contracts = {each["name"] for each in PROJECT["tool"]["importlinter"]["contracts"]}
    quoted = re.findall(r'import contract "([^"]+)"', line)
    assert set(quoted) <= contracts, f"{name}: no such import contract"


@pytest.mark.parametrize("name", DECISIONS)
def test_a_decision_has_its_number_status_and_place_in_the_index(name: str) -> None:
    text = Page(FOLDER / name).text
    assert text.startswith(f"# {name[:4]} ")
    assert re.search(r"^\W*Status\W*:", text, re.MULTILINE), f"{name} has no line 'Status: …'"
    assert name[:4] in Page(FOLDER / "README.md").section("Index")


def test_every_dependency_is_named() -> None:
    groups = PROJECT["dependency-groups"]
    extras = [each for extra in PROJECT["project"]["optional-dependencies"].values() for each in extra]
    listed = [*PROJECT["project"]["dependencies"], *extras, *groups["build"], *groups["dev"]]
    names = {found[0] for each in listed if isinstance(each, str) and (found := _NAME.match(each))}
    text = Page(FOLDER / "0019-dependencies.md").text
    assert set(re.findall(r"^- `([^`]+)`:", text, re.MULTILINE)) == names
