"""Messages read out of frames that pass by, however they are cut; our own frames as a client reads them."""

from hypothesis import given
from hypothesis import strategies as st
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage

from dwctl.wire.websocket_frames import MessageReader, close_frame, text_frame

PIECES = st.lists(st.text(max_size=300) | st.binary(max_size=300) | st.just(None), max_size=8)


def sent(pieces: list[str | bytes | None], *, parts: int) -> bytes:
    """As a server frames them: texts in so many parts, bytes whole, None as a ping, which may come between parts."""
    server = Connection(ConnectionType.SERVER)
    data = b""
    for piece in pieces:
        if piece is None:
            data += server.send(Ping(b"?"))
        elif isinstance(piece, bytes):
            data += server.send(BytesMessage(piece))
        else:
            size = len(piece) // parts
            for number in range(parts - 1):
                part = piece[number * size : (number + 1) * size]
                data += server.send(TextMessage(part, message_finished=False))
                data += server.send(Ping(b"between"))
            data += server.send(TextMessage(piece[(parts - 1) * size :]))
    return data


@given(pieces=PIECES, parts=st.integers(1, 3), cuts=st.lists(st.integers(0, 5000), max_size=20))
def test_texts_are_read_however_they_are_cut(
    pieces: list[str | bytes | None], parts: int, cuts: list[int]
) -> None:
    data = sent(pieces, parts=parts)
    reader, read, last = MessageReader(10_000), [], 0
    for cut in sorted({min(cut, len(data)) for cut in cuts} | {len(data)}):
        read += reader.feed(data[last:cut])
        if reader.boundary >= 0:
            # What stands before a boundary are whole messages: a client has understood all of it.
            client = Connection(ConnectionType.CLIENT)
            client.receive_data(data[: last + reader.boundary])
            ends = [
                event.message_finished
                for event in client.events()
                if isinstance(event, TextMessage | BytesMessage)
            ]
            assert all(ends[-1:])
        last = cut
    assert [text.decode() for text in read] == [piece for piece in pieces if isinstance(piece, str)]
    assert reader.whole


@given(st.lists(st.binary(max_size=50)))
def test_nothing_that_comes_is_too_odd(pieces: list[bytes]) -> None:
    reader = MessageReader(100)
    for piece in pieces:
        assert all(len(text) <= 100 for text in reader.feed(piece))
        assert -1 <= reader.boundary <= len(piece)


def test_what_is_too_long_or_compressed_is_passed_over() -> None:
    reader = MessageReader(10)
    compressed = bytes((0xC1, 3)) + b"xyz"
    assert reader.feed(text_frame(b"x" * 11) + compressed + text_frame(b"short")) == [b"short"]


def test_our_frames_are_understood() -> None:
    client = Connection(ConnectionType.CLIENT)
    texts = ["", "ü" * 60, "x" * 126, "y" * 70_000]
    for text in texts:
        client.receive_data(text_frame(text.encode()))
    client.receive_data(close_frame(1008, "ä" * 100))
    events = list(client.events())
    read = [""]
    for event in events[:-1]:
        assert isinstance(event, TextMessage)
        read[-1] += event.data
        if event.message_finished:
            read.append("")
    assert read == [*texts, ""]
    assert isinstance(events[-1], CloseConnection)
    assert (events[-1].code, events[-1].reason) == (1008, "ä" * 61)
