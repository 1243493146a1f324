"""What a call under way needs of the gateway."""

from typing import Protocol

from dwctl.gateway.counts import ModelCounts
from dwctl.gateway.upstream.address import Address
from dwctl.gateway.upstream.connection import Failure, Receiver, Source
from dwctl.gateway.upstream.origin import Ticket
from dwctl.requests.onlooker import Onlooker
from dwctl.requests.record import Record, Recording
from dwctl.routing.snapshot import Target


class Surroundings(Protocol):
    """Implemented by the gateway of this process."""

    recording: Recording
    max_reply_bytes: int
    max_record_bytes: int
    overhead_header: bool
    stream_keep_alive: float
    onlooker: Onlooker | None

    def submit(
        self, address: Address, request: bytes, receiver: Receiver, source: Source | None = None
    ) -> Ticket:
        """Send a request upstream."""
        ...

    def perf(self) -> float:
        """`time.perf_counter()`."""
        ...

    def now(self) -> float:
        """Unix seconds."""
        ...

    def cap(self, record: Record) -> None:
        """The record's cost is made of an estimate."""
        ...

    def ended(self, record: Record, units: int | None = None, counts: ModelCounts | None = None) -> None:
        """The call has been recorded; `units` is its cost, where that is known."""
        ...

    def failed(self, model: str, target: Target, failure: Failure, detail: str) -> None:
        """The target gave no whole answer."""
        ...

    def again(self, ident: str, reason: str, status: int, pause: float) -> None:
        """The call of this record is sent to another target in so many seconds; what failed answered `status`, or 0."""
        ...
