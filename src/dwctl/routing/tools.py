"""Tools that the gateway runs for models, as calls see them (decision 0042). Pure.

A call has the tools that are attached to the model it asks for and to one of its account's own groups. Everyone does
not count: nobody gets a tool unless somebody has given it to them.
"""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import msgspec

from dwctl.core.seal import Seal, SealError


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """One tool of a model."""

    id: str
    name: str
    """By which models call it."""
    description: str | None
    parameters: dict[str, Any] | None
    """JSON Schema of its arguments."""
    url: str
    secret: str | None
    """Sent as a bearer token; None sends none."""
    timeout: float
    """Seconds for one call."""
    groups: frozenset[str]
    """Groups whose accounts have it."""


def tools_of(rows: Iterable[Any], seal: Seal) -> tuple[dict[UUID, tuple[Tool, ...]], list[str]]:
    """Tools by model, and the names of those that are left out, for their secret cannot be opened."""
    found: dict[UUID, list[Tool]] = {}
    known: dict[UUID, Tool | None] = {}
    for row in rows:
        ident = row["id"]
        if ident not in known:
            known[ident] = _tool(row, seal)
        tool = known[ident]
        if tool is not None:
            found.setdefault(row["model_id"], []).append(tool)
    bad = sorted({row["name"] for row in rows if known[row["id"]] is None})
    return {model: tuple(tools) for model, tools in found.items()}, bad


def _tool(row: Any, seal: Seal) -> Tool | None:
    sealed: bytes | None = row["api_key_sealed"]
    try:
        secret = None if sealed is None else seal.open(sealed)
    except SealError:
        return None
    return Tool(
        id=str(row["id"]),
        name=row["name"],
        description=row["description"],
        parameters=row["parameters"],
        url=row["url"],
        secret=secret,
        timeout=float(row["timeout_secs"]),
        groups=frozenset(map(str, row["groups"])),
    )
