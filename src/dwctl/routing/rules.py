"""Traffic rules: what becomes of calls to a model by the purpose of the key (spec/gateway A1.6). Pure."""

from collections.abc import Iterable
from typing import Any

import msgspec


class Rule(msgspec.Struct, frozen=True):
    """Calls with keys of one purpose are turned away, or led to another model."""

    redirect: bool
    target: str | None = None
    """Alias of the model that answers; None when calls are denied, or when the target is no more."""


Rules = dict[str, Rule]
"""By purpose. A purpose without a rule passes."""
BATCH = "batch"
"""The purpose of the keys as which lines of batches and flex calls run."""


def denied(alias: str, purpose: str) -> str:
    """What a client is told whose calls are turned away."""
    return f"The model '{alias}' takes no calls with keys of the purpose '{purpose}'."


def by_model(rows: Iterable[Any]) -> dict[str, Rules]:
    """The rules of models by their id, from rows with `model_id`, `purpose`, `action` and `target`."""
    found: dict[str, Rules] = {}
    for row in rows:
        rule = Rule(row["action"] == "redirect", row["target"])
        found.setdefault(str(row["model_id"]), {})[row["purpose"]] = rule
    return found
