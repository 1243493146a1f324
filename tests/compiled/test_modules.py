"""The compiled modules keep the rules of their compiler, which it does not tell of itself."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tools.compiled import INLINE_CACHE, MODULES, note_of, package_of, sources

from tests.processes import ROOT

PACKAGE = package_of(ROOT)
OPEN = "mypyc_attr(allow_interpreted_subclasses=True)"


def classes(path: Path) -> Iterator[ast.ClassDef]:
    """Of one module."""
    return (node for node in ast.walk(ast.parse(path.read_bytes())) if isinstance(node, ast.ClassDef))


def bases(node: ast.ClassDef) -> set[str]:
    """Names of what a class inherits from."""
    return {ast.unparse(base).partition("[")[0] for base in node.bases}


COMPILED = [PACKAGE / f"{name}.py" for name in MODULES]
THEIRS = {node.name: node for path in COMPILED for node in classes(path)}


def test_every_module_is_there_and_is_watched() -> None:
    assert set(COMPILED) <= set(sources(ROOT))
    assert PACKAGE / "gateway" / "admission.py" in sources(ROOT)


def test_extensions_with_another_header_have_another_note(tmp_path: Path) -> None:
    """A start need not know of it, for it is no source; a wheel would have what was built with the old one."""
    same, other = tmp_path / "same.h", tmp_path / "other.h"
    same.write_bytes(INLINE_CACHE.read_bytes())
    other.write_bytes(INLINE_CACHE.read_bytes() + b"\n")
    assert note_of(ROOT) == note_of(ROOT, same) != note_of(ROOT, other)


def test_no_structs_of_msgspec() -> None:
    """mypyc drops the keywords of a class, such as `frozen`."""
    assert [name for name, node in THEIRS.items() if "msgspec.Struct" in bases(node) or node.keywords] == []


def test_what_inherits_from_a_compiled_class_is_compiled_or_allowed() -> None:
    allowed = {name for name, node in THEIRS.items() if OPEN in map(ast.unparse, node.decorator_list)}
    others = [path for path in sorted(PACKAGE.rglob("*.py")) if path not in COMPILED]
    found = [
        f"{path.relative_to(PACKAGE)}: {node.name}"
        for path in others
        for node in classes(path)
        if (taken := bases(node) & THEIRS.keys() - allowed)
        and any(isinstance(each, ast.ImportFrom) and _brings(each, taken) for each in _nodes(path))
    ]
    assert found == []


def _nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_bytes()))


def _brings(imported: ast.ImportFrom, names: set[str]) -> bool:
    """Whether it is from a compiled module that one of these comes."""
    module = (imported.module or "").removeprefix("dwctl.").replace(".", "/")
    return module in MODULES and any(alias.name in names for alias in imported.names)
