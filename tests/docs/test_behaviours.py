"""docs/behaviours.md: every line names a test that exists, or the decision to do otherwise."""

import re
from functools import cache

import pytest

from tests.docs.page import Page, code, rows
from tests.docs.test_decisions import functions
from tests.processes import ROOT

PAGE = Page.of("docs/behaviours.md")
LINES = [row for row in rows(PAGE.text) if row[0] != "behaviour"]
_DECISION = re.compile(r"\[(\d{4})\]\(decisions/\1-[a-z0-9-]+\.md\)")


@cache
def collected(path: str) -> set[str]:
    """Names of a module's functions that pytest collects."""
    return {name for name in functions(ROOT / path) if name.startswith("test_")}


def test_each_behaviour_stands_there_once() -> None:
    said = [line[0] for line in LINES]
    assert said
    assert sorted(set(said)) == sorted(said)


@pytest.mark.parametrize("line", LINES, ids=[line[0] for line in LINES])
def test_what_holds_a_behaviour_exists(line: list[str]) -> None:
    _, held_by = line
    named = code(held_by)
    assert named or _DECISION.search(held_by), "neither a test nor a decision is named"
    for each in named:
        path, _, function = each.partition("::")
        assert re.fullmatch(r"tests/(\w+/)*test_\w+\.py", path), f"{each} names no module of tests"
        assert (ROOT / path).is_file(), f"{path} is not there"
        assert function in collected(path), f"{each} is not there"
