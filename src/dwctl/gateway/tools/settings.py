"""Settings of tools that the server runs."""

from typing import Annotated

import msgspec

from dwctl.core.settings import Duration

KIB = 1024


class ToolSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds of a call whose model uses tools that the server runs."""

    max_rounds: Annotated[int, msgspec.Meta(ge=1, le=100)] = 10
    """How often the model is asked; what it calls in the last round is not run."""
    max_parallel: Annotated[int, msgspec.Meta(ge=1, le=64)] = 8
    """Tools of one response that run at a time."""
    max_calls: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 128
    """Calls of tools in one response; those beyond are not run. A client may set less, by `max_tool_calls`."""
    max_result_bytes: Annotated[int, msgspec.Meta(ge=1)] = 256 * KIB
    """A longer answer of a tool is an error."""
    total_time: Duration = Duration(600)
    """After so long no further tool is run and the model is not asked again."""
