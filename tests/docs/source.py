"""The package's source as syntax trees: what is registered, named and said in it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.processes import ROOT

PACKAGE = ROOT / "src" / "dwctl"
FAMILIES = {
    "CounterMetricFamily": "_total",
    "GaugeMetricFamily": "",
    "HistogramMetricFamily": "",
}
MADE_BY = {"counter", "gauge", "histogram"}
_FILLED_IN = re.compile(r"%(?:\.\d+)?[sdgf]")


def nodes() -> Iterator[ast.AST]:
    """Every node of every module."""
    for path in sorted(PACKAGE.rglob("*.py")):
        yield from ast.walk(ast.parse(path.read_text(encoding="utf-8")))


def rooms() -> list[Path]:
    """The folders of the package."""
    return [folder for folder in sorted(PACKAGE.iterdir()) if (folder / "__init__.py").is_file()]


def metrics() -> set[str]:
    """Names of all metrics, as they are shown."""
    return {name for node in nodes() if isinstance(node, ast.Call) and (name := _metric(node))}


def services() -> set[str]:
    """Names of all classes that are a `Service`: a name, and start, run and stop, of their own or of such a class."""
    found, kinds = set(), set()
    classes = [node for node in nodes() if isinstance(node, ast.ClassDef)]
    for node in classes:
        if any(_is_protocol(base) for base in node.bases):
            continue
        steps = {part.name for part in node.body if isinstance(part, ast.AsyncFunctionDef)}
        if {"start", "run", "stop"} <= steps:
            kinds.add(node.name)
    for node in classes:
        if node.name in kinds or any(isinstance(base, ast.Name) and base.id in kinds for base in node.bases):
            found |= {name for part in node.body if (name := _own_name(part))}
    return found


def said() -> str:
    """Every text of the source, one a line, what is filled in replaced by an ellipsis."""
    texts = []
    for node in nodes():
        if isinstance(node, ast.JoinedStr):
            texts.append("".join(map(_shown, node.values)))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            texts.append(_FILLED_IN.sub("…", node.value))
    return "\n".join(texts)


def _shown(part: ast.expr) -> str:
    return str(part.value) if isinstance(part, ast.Constant) else "…"


def _metric(call: ast.Call) -> str | None:
    first = call.args[0] if call.args else None
    if not isinstance(first, ast.Constant) or not isinstance(first.value, str):
        return None
    if isinstance(call.func, ast.Attribute) and call.func.attr in MADE_BY:
        return first.value
    if isinstance(call.func, ast.Name) and call.func.id in FAMILIES:
        return first.value + FAMILIES[call.func.id]
    return None


def _is_protocol(base: ast.expr) -> bool:
    return isinstance(base, ast.Name) and base.id == "Protocol"


def _own_name(part: ast.stmt) -> str | None:
    if isinstance(part, ast.Assign) and isinstance(part.value, ast.Constant):
        target = part.targets[0]
        if isinstance(target, ast.Name) and target.id == "name":
            return str(part.value.value)
    return None
