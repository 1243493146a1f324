"""Outputs of functions among the items of a call: each belongs to a call that stands before it. Pure.

Asked only where all items are known because they were put together here. An output without its call cannot be told to a
model: some model servers refuse it, others answer as if it meant something. What a summary or a reference stands for
is not known, so with one of those nothing is said.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw

from dwctl.wire.answers.fields import FAULTS
from dwctl.wire.errors import Problem

_OUTPUT = "function_call_output"
_MARK = _OUTPUT.encode()
_OPAQUE = frozenset({"item_reference", "compaction"})


class _Item(msgspec.Struct, gc=False):
    type: Any = None
    call_id: Any = None


_read = msgspec.json.Decoder(_Item).decode


def stray_output(items: Sequence[bytes | Raw], own: int) -> Problem | None:
    """Of an output among the last `own` items whose call is not among all of them."""
    mine = items[len(items) - own :]
    if not any(_MARK in bytes(item) for item in mine):
        return None
    known = [_item(item) for item in items]
    if any(isinstance(item.type, str) and item.type in _OPAQUE for item in known):
        return None
    called = [item.call_id for item in known if item.type == "function_call"]
    for item in known[len(items) - own :]:
        if item.type == _OUTPUT and item.call_id not in called:
            return Problem(
                status=400,
                message=f"No function call with the call_id '{str(item.call_id)[:100]}' stands before its output.",
                param="input",
                code="invalid_value",
            )
    return None


def _item(data: bytes | Raw) -> _Item:
    try:
        return _read(data)
    except FAULTS:
        return _Item()
