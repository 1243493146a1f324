"""What a realtime session needs of the gateway."""

from typing import Protocol

from dwctl.gateway.admission import Admission, Caller
from dwctl.gateway.funds import Funds
from dwctl.gateway.pools import Plan, Pools, Render
from dwctl.gateway.rendered import Rendered, Upstream
from dwctl.gateway.routes import Route
from dwctl.gateway.upstream.connection import Failure
from dwctl.requests.record import Record, Recording
from dwctl.routing.snapshot import Key, Snapshot, Target
from dwctl.wire.exchange import Exchange


class Calls(Protocol):
    """Implemented by the gateway."""

    recording: Recording
    pools: Pools
    funds: Funds
    reserves: bool
    """Whether sessions of priced models reserve what they may cost."""

    def perf(self) -> float:
        """`time.perf_counter()`."""
        ...

    def now(self) -> float:
        """Unix seconds."""
        ...

    def key(self, snapshot: Snapshot, exchange: Exchange, caller: Caller) -> Key:
        """The live key of a request, used from where it may be; raises `Refused`."""
        ...

    def traced(self, exchange: Exchange, caller: Caller) -> Caller:
        """The caller in the course of the call that begins."""
        ...

    def headers(self, caller: Caller, target: Target) -> bytes:
        """The client's headers as a target gets them."""
        ...

    def upstream(self, alias: str, target: Target, route: Route) -> Upstream:
        """What a target and a route fix; raises `Refused` for a target whose settings are wrong."""
        ...

    def enter(self, admission: Admission, render: Render) -> tuple[Rendered, Plan | None, bytes]:
        """Take the limits and the first target; raises `Refused`."""
        ...

    def undo(self) -> None:
        """Give back what `enter` took for a call that did not begin."""
        ...

    def began(self, record: Record) -> None:
        """A call has been admitted."""
        ...

    def again(self, ident: str, reason: str, status: int, pause: float) -> None:
        """The call of this record goes to another target in so many seconds."""
        ...

    def ended(self, record: Record) -> None:
        """The call has been recorded."""
        ...

    def refused(self, method: str, path: str, status: int, seconds: float) -> None:
        """A request was no call."""
        ...

    def failed(self, model: str, target: Target, failure: Failure, detail: str) -> None:
        """The target gave no whole answer."""
        ...
