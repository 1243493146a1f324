"""Settings of Responses over a WebSocket."""

from typing import Annotated

import msgspec

from dwctl.core.settings import Duration

MIB = 1024 * 1024


class SocketSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`response_sockets`."""

    lifetime: Duration = Duration(3600)
    """How long a connection may be used; a turn that runs by then ends first."""
    max_memory: Annotated[int, msgspec.Meta(ge=0)] = 16 * MIB
    """Bytes of a conversation that a connection remembers while its turns say `store: false`."""
    max_waiting: Annotated[int, msgspec.Meta(ge=1)] = 16
    """Turns that may wait for the one that runs; one more ends the connection."""
