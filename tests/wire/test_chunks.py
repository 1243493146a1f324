"""The chunked coding: every split reads the same, and what is malformed is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwctl.wire.chunks import MAX_CHUNK_LINE, MAX_TRAILER_LINES, ChunkError, Chunks
from tests.wire.test_sse import splits

END = st.sampled_from([b"0\r\n\r\n", b"000\r\n\r\n", b"0;last\r\n\r\n", b"0\r\nx-sum: 1\r\ny: 2\r\n\r\n"])


@st.composite
def framed(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """(coded, decoded)."""
    coded = b""
    plain = b""
    for part in draw(st.lists(st.binary(min_size=1, max_size=40), max_size=6)):
        size = b"%x" % len(part)
        size = draw(st.sampled_from([size, size.upper(), b"00" + size, size + b" ", size + b';name="v"']))
        coded += size + b"\r\n" + part + b"\r\n"
        plain += part
    return coded + draw(END), plain


@given(st.data(), framed(), st.binary(max_size=10))
def test_any_split_gives_the_body_and_what_follows(
    data: st.DataObject, case: tuple[bytes, bytes], surplus: bytes
) -> None:
    coded, plain = case
    chunks = Chunks()
    body = b""
    after = b""
    for read in data.draw(splits(coded + surplus)):
        if chunks.ended:
            after += read
            continue
        found, rest = chunks.feed(read)
        body += found
        after += rest

    assert chunks.ended
    assert (body, after) == (plain, surplus)


PARTS = st.sampled_from(
    [b"x", b"\r\n", b"a\r\n", b"\r\nb", b"0\r\n\r\n", b"data: 1\n\n", b"3\r\nabc\r\n", b"y" * 300]
)


@st.composite
def nearly_plain(draw: st.DrawFn) -> bytes:
    """Chunks as servers write them, with the last one or without, and perhaps a byte of them wrong."""
    parts = draw(st.lists(PARTS, max_size=4))
    coded = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    coded += draw(
        st.sampled_from([b"", b"0\r\n\r\n", b"0\r\n", b"0\r\n\r\n\r\n", b"0\r\nx: 1\r\n\r\n", b"1"])
    )
    at = draw(st.integers(0, len(coded)))
    cut = draw(st.sampled_from([0, 0, 0, 1, 2]))
    return coded[:at] + draw(st.sampled_from([b"", b"", b"", b"0", b"\r\n", b"\n"])) + coded[at + cut :]


@given(nearly_plain())
def test_a_read_of_many_chunks_is_read_as_its_bytes_one_by_one(coded: bytes) -> None:
    assert _outcome([coded]) == _outcome([coded[at : at + 1] for at in range(len(coded))])


def _outcome(reads: list[bytes]) -> tuple[bytes, bytes, bool] | None:
    """(body, what follows it, whether it has ended), None for what is no chunks."""
    chunks = Chunks()
    body = after = b""
    try:
        for read in reads:
            found, rest = (b"", read) if chunks.ended else chunks.feed(read)
            body += found
            after += rest
    except ChunkError:
        return None
    return body, after, chunks.ended


@pytest.mark.parametrize(
    "coded",
    [
        b"x\r\n",
        b"-1\r\nx\r\n",
        b"+1\r\nx\r\n",
        b"0x1\r\nx\r\n",
        b"1_0\r\n",
        b"\r\n",
        b"5\nhello\r\n",
        b"3\r\nhello\r\n",
        b"3\r\nabc\n",
        b"3\r\nabcX",
        b"ffffffffffffffff\r\n",
        b" 3\r\nabc\r\n",
        b"3;" + b"x" * MAX_CHUNK_LINE,
        b"0\r\n" + b"a: b\r\n" * (MAX_TRAILER_LINES + 1),
        b"3;\x01\r\nabc\r\n",
        b"3;a=\x7f\r\nabc\r\n",
        b"0\r\nx\r\n",
        b"0\r\n y: 1\r\n",
        b"0\r\nx: 1\ny: 2\r\n",
        b"0\r\n" + b"a" * (MAX_CHUNK_LINE + 1),
    ],
)
def test_what_is_malformed_is_refused_at_once_and_byte_by_byte(coded: bytes) -> None:
    with pytest.raises(ChunkError):
        Chunks().feed(coded)
    slow = Chunks()
    with pytest.raises(ChunkError):
        byte_by_byte(slow, coded)


def byte_by_byte(chunks: Chunks, coded: bytes) -> None:
    """Feed it as slowly as a network can."""
    for at in range(len(coded)):
        chunks.feed(coded[at : at + 1])


def test_an_unfinished_body_has_not_ended() -> None:
    chunks = Chunks()
    assert chunks.feed(b"5\r\nhel") == (b"hel", b"")
    assert chunks.feed(b"lo\r\n0\r\n") == (b"lo", b"")
    assert not chunks.ended
    assert chunks.feed(b"\r\n") == (b"", b"")
    assert chunks.ended
