"""Texts of JSON as strange as the grammar allows, and what a reader that keeps everything makes of them."""

import json
from typing import Any

from hypothesis import strategies as st

GAPS = st.sampled_from(["", "", " ", "\n", "\t \r\n"])


def scalar() -> st.SearchStrategy[Any]:
    """Values without members."""
    text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    return st.none() | st.booleans() | st.integers(-(2**31), 2**31) | st.sampled_from([1.5, -2e30]) | text


def values(*keys: str) -> st.SearchStrategy[Any]:
    """Any value; its objects often have one of these keys."""
    names = st.sampled_from(keys) | st.text(max_size=4)
    return st.recursive(
        scalar() | st.sampled_from([f'"{key}":"x"' for key in keys] + ["\\", '"', '\\"model": "y']),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
        max_leaves=8,
    )


@st.composite
def written(draw: st.DrawFn, value: Any) -> str:
    """One of the ways to write a value."""
    if isinstance(value, dict):
        members = [
            draw(written(name)) + draw(GAPS) + ":" + draw(GAPS) + draw(written(inner))
            for name, inner in value.items()
        ]
        return "{" + draw(GAPS) + (draw(GAPS) + "," + draw(GAPS)).join(members) + draw(GAPS) + "}"
    if isinstance(value, list):
        items = [draw(written(inner)) for inner in value]
        return "[" + draw(GAPS) + (draw(GAPS) + "," + draw(GAPS)).join(items) + "]"
    if isinstance(value, str):
        return _quoted(value, draw(st.sampled_from(["plain", "ascii", "escaped"])))
    return json.dumps(value)


def _quoted(text: str, how: str) -> str:
    if how == "escaped":
        units = text.encode("utf-16-be")
        return '"' + "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2)) + '"'
    return json.dumps(text, ensure_ascii=how == "ascii")


@st.composite
def objects(draw: st.DrawFn, *keys: str, repeats: bool = False) -> tuple[str, list[tuple[str, Any]]]:
    """An object as text, and its members in order; `repeats`: a key may stand there twice."""
    names = st.sampled_from(keys) | st.text(max_size=4)
    members = draw(
        st.lists(
            st.tuples(names, values(*keys)),
            max_size=5,
            unique_by=None if repeats else (lambda member: member[0]),
        )
    )
    parts = [
        draw(written(name)) + draw(GAPS) + ":" + draw(GAPS) + draw(written(value)) + draw(GAPS)
        for name, value in members
    ]
    text = draw(GAPS) + "{" + draw(GAPS) + ("," + draw(GAPS)).join(parts) + "}" + draw(GAPS)
    return text, members


def members_of(text: str | bytes) -> list[tuple[str, Any]]:
    """The top-level members of an object, repeated ones too."""
    outermost: list[tuple[str, Any]] = []

    def remember(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal outermost
        outermost = pairs
        return dict(pairs)

    json.loads(text, object_pairs_hook=remember)
    return outermost
