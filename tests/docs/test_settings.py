"""config.example.yaml and the operating guide know every setting, with its default."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import yaml

from dwctl.server.contract_keys import NOT_YET
from dwctl.server.settings import Settings, read
from tests.docs.page import Page, code, rows
from tests.processes import ROOT

EXAMPLE = ROOT / "config.example.yaml"
Tree = dict[str, Any]


def keys(kind: type[msgspec.Struct], at: str = "") -> Iterator[str]:
    """Dotted keys of every setting that holds a value."""
    for field in msgspec.structs.fields(kind):
        inner = field.type
        if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
            yield from keys(inner, f"{at}{field.encode_name}.")
        else:
            yield f"{at}{field.encode_name}"


def leaves(tree: Tree, at: str = "") -> Iterator[tuple[str, object]]:
    """Dotted keys and values of a configuration."""
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{at}{key}.")
        else:
            yield f"{at}{key}", value


KEYS = tuple(keys(Settings))
SHOWN = dict(leaves(yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))))
GUIDE = Page.of("docs/operating.md")
DOCUMENTED = {
    names[0]: row for row in rows(GUIDE.section("Settings")) if len(row) == 4 and (names := code(row[0]))
}


def test_the_example_holds_every_default() -> None:
    settings, ignored = read(EXAMPLE, {}, {})
    assert settings == Settings()
    assert ignored == ()


def test_the_example_has_every_key_and_no_other() -> None:
    assert set(SHOWN) == set(KEYS)


def test_the_example_and_the_program_agree_on_what_is_not_used_yet() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    _, _, listed = text.partition("a start warns of those that are set:\n")
    names = [name.strip("#, ") for name in listed.replace("\n", " ").split(",")]
    assert names == [pattern.removesuffix(".*") for pattern in NOT_YET]


def test_the_guide_has_every_key_and_no_other() -> None:
    assert set(DOCUMENTED) == set(KEYS)


@pytest.mark.parametrize("key", KEYS)
def test_the_guide_has_the_default(key: str) -> None:
    assert yaml.safe_load(code(DOCUMENTED[key][2])[0]) == SHOWN[key]
