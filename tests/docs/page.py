"""A Markdown page as the tests read it: sections, tables, links, anchors. Code blocks count as text only."""

import re
from collections.abc import Iterator
from pathlib import Path

from tools.check import tracked

from tests.processes import ROOT

_FENCE = re.compile(r"^(`{3,}).*?^\1`*$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]+`")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.+)$", re.MULTILINE)
_CELL = re.compile(r"(?<!\\)\|")


class Page:
    """One file of the repository."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.text = path.read_text(encoding="utf-8")
        self._prose = _FENCE.sub("", self.text)

    @classmethod
    def of(cls, name: str) -> "Page":
        """By its path in the repository."""
        return cls(ROOT / name)

    @property
    def links(self) -> list[str]:
        """Targets of its links."""
        return _LINK.findall(_CODE.sub("", self._prose))

    @property
    def anchors(self) -> set[str]:
        """Names of its headings, as code hosts make them."""
        headings = (re.sub(r"[^\w\- ]", "", found.lower()) for found in _HEADING.findall(self._prose))
        return {heading.strip().replace(" ", "-") for heading in headings}

    def section(self, heading: str) -> str:
        """The text below a heading, up to the next one of its level."""
        found = re.search(rf"^(#+) {re.escape(heading)}$", self.text, re.MULTILINE)
        assert found is not None, f"{self.path.name} has no section {heading!r}"
        rest = self.text[found.end() :]
        end = re.search(rf"^#{{1,{len(found[1])}}} ", _blanked(rest), re.MULTILINE)
        return rest[: end.start()] if end else rest


def pages() -> list[Page]:
    """Every Markdown file that git knows."""
    return [Page(path) for path in tracked() if path.suffix == ".md"]


def rows(text: str) -> Iterator[list[str]]:
    """The cells of every line of its tables, without headings' rulers."""
    for line in text.splitlines():
        if line.startswith("|") and not re.fullmatch(r"[|:\- ]+", line):
            yield [cell.strip() for cell in _CELL.split(line.strip().strip("|"))]


def code(text: str) -> list[str]:
    """What stands in back-ticks."""
    return [found.strip("`") for found in _CODE.findall(text)]


def _blanked(text: str) -> str:
    """The same with code blocks as blanks: a comment in a shell block is no heading."""
    return _FENCE.sub(lambda found: " " * len(found[0]), text)
