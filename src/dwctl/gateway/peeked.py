"""What a body says of what the gateway decides on."""

from typing import Any

import msgspec

from dwctl.wire.stateful import Expanded


class Caps(msgspec.Struct, frozen=True, gc=False):
    """What limits the output of a call, as the body has it; None where it does not."""

    max_completion_tokens: Any = None
    max_output_tokens: Any = None
    max_tokens: Any = None
    n: Any = None
    best_of: Any = None


NO_CAPS = Caps()


class Peek(msgspec.Struct, frozen=True, gc=False):
    """What the body says."""

    model: str | None
    stream: bool
    includes_usage: bool
    """Whether the client itself asks for usage in the stream."""
    has_stream_options: bool
    """Whether the key is there at all, be it null."""
    caps: Caps = NO_CAPS
    tier: str | None = None
    """What `service_tier` says, if it is a text."""
    background: bool | None = False
    """What `background` says; None if that is no boolean."""
    store: bool | None = True
    """What `store` says, true where it says nothing; None if that is no boolean."""
    continues: bool = False
    """Whether there is a `previous_response_id` or a `conversation`, be it a wrong one."""
    expanded: Expanded | None = None
    """The call with what it refers to, once that has been found."""
