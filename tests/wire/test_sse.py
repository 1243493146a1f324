"""Events cut out of streams of bytes, wherever the reads were split."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwctl.wire import sse
from dwctl.wire.sse import Cutter, EventTooLarge, data_of, events, last_events, whole_events, with_data
from tests.wire import reference_events

LINES = st.sampled_from(
    ["data: {}", "data:x", "data: ", "data", ": comment", "event: a", "id: 1", "data: ü", "x"]
)

TOKENS = [
    "\n",
    "\r",
    "\r\n",
    "\n\n",
    "\r\r",
    "data: x",
    "data:",
    "data",
    ": c",
    "event: a",
    "id: 1",
    " ",
    "ü",
    ":",
]


@st.composite
def streams(draw: st.DrawFn) -> list[bytes]:
    """Whole events, each with its own line ends."""
    found = []
    for lines in draw(st.lists(st.lists(LINES, min_size=1, max_size=3), max_size=6)):
        end = draw(st.sampled_from(["\n", "\r\n"]))
        found.append((end.join(lines) + end + end).encode())
    return found


@st.composite
def splits(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """The same bytes in any number of reads."""
    places = sorted(draw(st.lists(st.integers(0, len(data)), max_size=8)))
    bounds = [0, *places, len(data)]
    return [data[start:end] for start, end in pairwise(bounds)]


@given(st.data(), streams(), st.sampled_from([b"", b"data: begun", b"data: x\n", b"data: x\r\n"]))
def test_pieces_are_whole_events_and_together_the_stream(
    data: st.DataObject, stream: list[bytes], rest: bytes
) -> None:
    text = b"".join(stream)
    cutter = Cutter()
    pieces = [cutter.feed(read) for read in data.draw(splits(text + rest))]

    assert b"".join(pieces) == text
    assert cutter.rest() == rest
    assert cutter.rest() == b""
    assert [event for piece in pieces for event in events(piece)] == stream


@given(streams())
def test_each_read_of_one_byte(stream: list[bytes]) -> None:
    cutter = Cutter()
    text = b"".join(stream)
    pieces = [cutter.feed(text[at : at + 1]) for at in range(len(text))]

    assert [piece for piece in pieces if piece] == stream


@given(st.data(), st.lists(st.sampled_from(TOKENS), max_size=40).map("".join))
def test_any_text_in_any_pieces_is_read_as_the_standard_says(data: st.DataObject, text: str) -> None:
    """Every line end and every mixture of them; the client gets the same events, and so do we."""
    stream = text.encode()
    cutter, whole = Cutter(), Cutter()
    pieces = [cutter.feed(read) for read in data.draw(splits(stream))]
    rest = cutter.rest()
    said = b"".join(pieces)

    assert said + rest == whole.feed(stream) + whole.rest()
    expected = reference_events.read(stream)
    assert reference_events.read(said + rest) == expected
    assert [
        found for piece in (*pieces, rest) for event in events(piece) if (found := data_of(event).decode())
    ] == [event.data for event in expected if event.data] + unended(rest)
    if "\r" not in text.replace("\r\n", ""):
        assert said + rest == stream


def unended(rest: bytes) -> list[str]:
    """What is passed on of an event that has no empty line after it, though the standard drops it."""
    return [event.data for event in reference_events.read(rest + b"\n\n") if event.data][
        len([event for event in reference_events.read(rest) if event.data]) :
    ]


@given(st.lists(st.sampled_from(["data: a", "data: b", ": c", "event: x"]), min_size=1, max_size=6))
def test_a_lone_cr_ends_an_event_at_once(lines: list[str]) -> None:
    """Nothing waits for the byte behind the empty line, which comes with the next event."""
    cutter = Cutter()
    for line in lines:
        event = f"{line}\r\r".encode()
        assert b"".join(cutter.feed(event[at : at + 1]) for at in range(len(event))) == f"{line}\n\n".encode()
    assert cutter.feed(b"\ndata: z\r\n\r") == b"data: z\n\n"
    assert cutter.rest() == b""


@given(streams())
def test_last_events_are_the_last_ones_first(stream: list[bytes]) -> None:
    ends = {event.endswith(b"\r\n") for event in stream}
    if len(ends) == 1:
        text = b"".join(stream)
        wanted = [event.rstrip(b"\r\n") for event in reversed(stream)]
        assert list(last_events(text, 100)) == wanted
        assert list(last_events(text, 2)) == wanted[:2]


@given(streams())
def test_data_is_what_the_standard_says(stream: list[bytes]) -> None:
    for event in stream:
        expected = []
        for line in event.replace(b"\r\n", b"\n").split(b"\n"):
            name, _, value = line.partition(b":")
            if name == b"data":
                expected.append(value[1:] if value.startswith(b" ") else value)
        assert data_of(event).rstrip(b"\r\n") == b"\n".join(expected).rstrip(b"\r\n")


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (b"data: old\n\n", b"data: {}\n\n"),
        (b"event: a\r\ndata: o\r\ndata: ld\r\nid: 1\r\n\r\n", b"event: a\r\ndata: {}\r\nid: 1\r\n\r\n"),
        (b"data:old", b"data: {}"),
        (b": comment\n\n", b": comment\n\n"),
    ],
)
def test_data_can_be_replaced(event: bytes, expected: bytes) -> None:
    assert with_data(event, b"{}") == expected


def test_nothing_is_whole_before_an_empty_line() -> None:
    assert whole_events(b"data: x\n") == 0
    assert whole_events(b"") == 0
    assert whole_events(b"a\n\nb\r\n\r\nc") == 8


def test_an_event_without_end_is_an_error() -> None:
    cutter = Cutter()
    piece = b"x" * (1 << 20)
    for _ in range(sse.MAX_EVENT >> 20):
        assert cutter.feed(piece) == b""
    with pytest.raises(EventTooLarge):
        cutter.feed(b"x")
