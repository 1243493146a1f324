"""The map of the code has every room, layer, service and file that it names."""

import tomllib

from tests.docs import source
from tests.docs.page import Page, code, rows
from tests.processes import ROOT

ARCHITECTURE = Page.of("ARCHITECTURE.md")
AGENTS = Page.of("AGENTS.md")
MOST_LINES = 120


def first_words(text: str) -> list[str]:
    """What stands in back-ticks in the first cell of each line of a table."""
    return [code(row[0])[0] for row in rows(text) if code(row[0])]


def test_every_room_is_in_the_architecture_and_on_the_map() -> None:
    names = [folder.name for folder in source.rooms()]
    assert sorted(first_words(ARCHITECTURE.section("Rooms"))) == names
    assert sorted(first_words(AGENTS.section("Rooms"))) == [f"src/dwctl/{name}" for name in names]


def test_where_to_start_reading_is_there() -> None:
    for page, above in ((ARCHITECTURE, source.PACKAGE), (AGENTS, ROOT)):
        for room, _, starts in rows(page.section("Rooms")):
            for name in code(room) and code(starts):
                assert (above / code(room)[0] / name).exists(), f"{page.path.name}: {room} {name}"


def test_layers_are_those_that_are_checked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    layers = next(each["layers"] for each in contracts if each["type"] == "layers")
    shown = ARCHITECTURE.section("Layers").partition("```\n")[2].partition("```")[0]
    assert shown.splitlines() == [layer for layer in layers if not layer.startswith("__")]


def test_every_service_is_described() -> None:
    assert set(first_words(ARCHITECTURE.section("Services"))) == source.services()


def test_the_map_is_short() -> None:
    assert len(AGENTS.text.splitlines()) < MOST_LINES
