"""Settings of reservations."""

from typing import Annotated

import msgspec

from dwctl.core.settings import Duration
from dwctl.usage.credit.leases import Terms
from dwctl.usage.credit.reservation import Ahead


class ReservationSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How credit is reserved for calls of priced models before they run."""

    wait: Duration = Duration(2)
    """A call waits so long for credit that others may give back; then 402, or 503 when nobody can tell."""
    lease: Duration = Duration(60)
    """How long a process may spend what it was given without hearing from the database."""
    abandon_after: Duration = Duration(3600)
    """So long after its end a lease of a process elsewhere that nobody hears of is given to others."""
    ahead: Duration = Duration(2)
    """What was used in so long is kept ahead of the calls, where there is enough."""
    idle: Duration = Duration(10)
    """A process gives back the credit of an account that has not called for so long."""
    bytes_per_token: Annotated[float, msgspec.Meta(ge=0.1, le=1000)] = 1.0
    """A token of the input is taken to have so many bytes of the request at least."""
    output_tokens: Annotated[int, msgspec.Meta(ge=1, le=10_000_000)] = 4096
    """Tokens of the answer to a request that does not limit them."""
    session_tokens: Annotated[int, msgspec.Meta(ge=1, le=10_000_000)] = 32768
    """Tokens that a response of a realtime session reads at most: its context."""

    @property
    def terms(self) -> Terms:
        """What all processes agree on."""
        return Terms(lasts=self.lease, abandon_after=self.abandon_after)

    @property
    def kept(self) -> Ahead:
        """How much this process keeps ahead."""
        return Ahead(seconds=self.ahead, idle=self.idle)
