"""An upstream's bytes read by the protocol object, without a network: what becomes of them, however they are split."""

import asyncio
from collections.abc import Iterable

import msgspec

from dwctl.gateway.upstream.connection import Failure, UpstreamConnection
from dwctl.gateway.upstream.response import HeadReader
from tests.gateway.upstream.collector import Collector


class Line(asyncio.Transport):
    """The way to a server that takes everything at once."""

    def __init__(self) -> None:
        super().__init__()
        self.cut = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Sent."""

    def get_write_buffer_size(self) -> int:
        """Nothing waits."""
        return 0

    def is_closing(self) -> bool:
        """Whether it was cut."""
        return self.cut

    def abort(self) -> None:
        """Cut it."""
        self.cut = True


class Keeper:
    """Implements `Owner` for one connection: notes whether another request may follow."""

    def __init__(self, max_head_bytes: int = 65536) -> None:
        self.reader = HeadReader()
        self.max_head_bytes = max_head_bytes
        self.reusable = False

    def released(self, connection: UpstreamConnection, *, reusable: bool) -> None:
        """Answered."""
        del connection
        self.reusable = reusable

    def lost(self, connection: UpstreamConnection) -> None:
        """Closed."""

    def retry(self, connection: UpstreamConnection) -> None:
        """Nothing here is sent on a used connection."""
        raise AssertionError


class Outcome(msgspec.Struct, frozen=True):
    """What a caller was told of an answer."""

    status: int | None
    lines: bytes
    body: bytes
    failure: Failure | None
    whole: bool
    """Whether it had an end before the connection's."""
    reusable: bool


def answered(pieces: Iterable[bytes]) -> Outcome:
    """Ask, hear these bytes, then the end of the connection."""
    keeper, line, collector = Keeper(), Line(), Collector()
    connection = UpstreamConnection(keeper, lambda: 0.0)
    connection.connection_made(line)
    connection.send(b"", collector, reused=False)
    for piece in pieces:
        if collector.endings:
            # Bytes behind the answer: they end a connection that was kept.
            break
        connection.data_received(piece)
    whole = collector.endings > 0
    if not whole:
        connection.connection_lost(None)
    assert collector.endings == 1
    head = collector.head
    return Outcome(
        None if head is None else head.status,
        b"" if head is None else head.lines,
        collector.body,
        collector.failure,
        whole,
        keeper.reusable,
    )
