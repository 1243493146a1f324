"""A repeated head of an answer reads as if it were the first."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from dwctl.gateway.upstream.response import HeadReader, ResponseError
from dwctl.gateway.upstream.response_head import Head
from tests.examples import examples

NAMES = st.sampled_from(
    [b"content-length: ", b"Content-Length: ", b"CONTENT-LENGTH: ", b"x-content-length: "]
)
LENGTHS = st.sampled_from([b"0", b"5", b"1234", b"05", b"5 ", b"", b"5, 5", b"5, 6", b"-1", b"1" * 19])
LINES = st.lists(
    st.sampled_from(
        [
            *(b"content-type: application/json", b"transfer-encoding: chunked", b"connection: close, x-a"),
            *(b"x-a: 1", b"content-length: 7", b"content-encoding: gzip", b"date: today", b"bad line", b""),
        ]
    ),
    max_size=4,
)


def heads(name: bytes, lengths: list[bytes], before: list[bytes], after: list[bytes]) -> list[bytes]:
    return [b"\r\n".join([b"HTTP/1.1 200 OK", *before, name + length, *after]) for length in lengths]


def read(reader: HeadReader, data: bytes) -> Head | str:
    """The head, or why it is none."""
    try:
        return reader.read(data)
    except ResponseError as error:
        return str(error)


@settings(max_examples=examples(500))
@given(st.builds(heads, NAMES, st.lists(LENGTHS, min_size=2, max_size=5), LINES, LINES))
@example([b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx: 1", b"HTTP/1.1 200 OK\r\ncontent-length: 6"])
@example([b"HTTP/1.1 200 OK\r\ncontent-length: 5", b"HTTP/1.1 500 No\r\ncontent-length: 5"])
def test_a_repeated_head_reads_as_if_it_were_the_first(answers: list[bytes]) -> None:
    reader = HeadReader()
    for data in answers:
        assert read(reader, data) == read(HeadReader(), data)


@settings(max_examples=examples(500))
@given(
    st.builds(heads, NAMES, st.lists(LENGTHS, min_size=2, max_size=5), LINES, LINES),
    st.sampled_from([b"", b"{}", b"\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"]),
)
@example([b"HTTP/1.1 200 OK\r\ncontent-length: 5"] * 2, b"hello")
@example([b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx: 1"] * 2, b"hello")
@example([b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx: 1", b"HTTP/1.1 200 OK\r\ncontent-length: 5"], b"x: 1")
def test_a_head_that_is_recognised_with_its_body_is_what_a_first_reading_finds(
    answers: list[bytes], body: bytes
) -> None:
    reader = HeadReader()
    for head in answers:
        data = b"%b\r\n\r\n%b" % (head, body)
        end = data.index(b"\r\n\r\n")
        start = reader.again(data)
        if start:
            assert (reader.head, start) == (read(HeadReader(), data[:end]), end + 4)
        read(reader, data[:end])


def test_a_head_is_recognised_once_it_has_come() -> None:
    reader = HeadReader()
    head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\nx: 1\r\n\r\n"
    assert not reader.again(head % 5)
    reader.read((head % 5)[:-4])
    assert reader.again(head % 617 + b"{}") == len(head % 617)
    assert reader.head is not None
    assert reader.head.length == 617
    assert not reader.again((head % 5)[:-1])
