"""Bodies that are read as they are sent: in pieces, anew on another connection, and not beyond their call's end."""

from dwctl.gateway.upstream.connection import SEND_SIZE, Failure
from tests.fakes.answers import HANG, json_reply
from tests.fakes.certificates import Certificate
from tests.fakes.upstream import FakeUpstream
from tests.gateway.upstream.collector import Collector
from tests.gateway.upstream.test_client import calling

SIZE = 5 * SEND_SIZE + 17
HEAD = b"POST /v1/x HTTP/1.1\r\nhost: up\r\ncontent-length: %d\r\n\r\n" % SIZE
OK = json_reply({"ok": True})


class Pieces:
    """Implements `Source` in memory; may fail at a place."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.data = bytes(range(256)) * (SIZE // 256) + bytes(SIZE % 256)
        self.at = 0
        self.rewound = 0
        self.fails_at = fails_at

    def rewind(self) -> None:
        """Begin anew."""
        self.at = 0
        self.rewound += 1

    def read(self, size: int) -> bytes:
        """The next bytes."""
        if self.fails_at is not None and self.at >= self.fails_at:
            raise OSError(5, "Input/output error")
        data = self.data[self.at : self.at + size]
        self.at += len(data)
        return data


async def test_a_body_goes_out_in_pieces_and_the_connection_is_used_again(upstream: FakeUpstream) -> None:
    upstream.push(OK, OK)
    async with calling(upstream.url) as caller:
        for _ in range(2):
            source, collector = Pieces(), Collector()
            caller.client.submit(caller.address, HEAD, collector, source)
            await collector.wait()
            assert (collector.status, source.at, source.rewound) == (200, SIZE, 1)
            await caller.until(lambda: caller.origin.open_connections == 1)

    assert upstream.connections == 1
    assert [seen.body for seen in upstream.posts] == [Pieces().data] * 2


async def test_a_disk_that_cannot_be_read_ends_the_call_and_the_connection(upstream: FakeUpstream) -> None:
    async with calling(upstream.url) as caller:
        collector = Collector()
        caller.client.submit(caller.address, HEAD, collector, Pieces(fails_at=SEND_SIZE))
        await collector.wait()
        assert (collector.failure, collector.detail) == (Failure.UNSENT, "Input/output error")
        await caller.until(lambda: caller.origin.open_connections == 0)


async def test_a_call_that_is_given_up_reads_no_more(upstream: FakeUpstream) -> None:
    upstream.push(HANG)
    async with calling(upstream.url) as caller:
        source, collector = Pieces(), Collector()
        ticket = caller.client.submit(caller.address, HEAD, collector, source)
        await caller.until(lambda: source.at > 0)
        ticket.cancel()
        seen = source.at
        await caller.until(lambda: caller.origin.open_connections == 0)
        assert (source.at, collector.endings) == (seen, 0)


async def test_through_tls() -> None:
    certificate = Certificate()
    async with (
        FakeUpstream(certificate=certificate) as secure,
        calling(secure.url, tls=certificate.client_context()) as caller,
    ):
        secure.push(OK)
        collector = Collector()
        caller.client.submit(caller.address, HEAD, collector, Pieces())
        await collector.wait()
        assert collector.status == 200
        assert secure.posts[0].body == Pieces().data
