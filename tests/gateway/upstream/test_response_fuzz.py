"""Answers of model servers against llhttp: what we accept, it accepts, and both read the same."""

import re
from typing import Any

import httptools
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.gateway.upstream.wire import answered

LONG = 60_000


class Reading:
    """What llhttp finds up to the end of the first final answer."""

    parser: Any
    keep_alive: bool
    status: int

    def __init__(self) -> None:
        self.fields: list[tuple[bytes, bytes]] = []
        self.body = b""
        self.headed = False
        self.ended = False

    def on_message_begin(self) -> None:
        self.fields = []

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.headed:
            self.fields.append((name.lower(), value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        if not self.headed and self.parser.get_status_code() >= 200:
            self.headed = True
            self.status = self.parser.get_status_code()
            self.keep_alive = self.parser.should_keep_alive()

    def on_body(self, data: bytes) -> None:
        if not self.ended:
            self.body += data

    def on_message_complete(self) -> None:
        self.ended = self.headed


def llhttp(data: bytes) -> Reading | None:
    """None for what it refuses before the first final answer's end."""
    reading = Reading()
    parser = reading.parser = httptools.HttpResponseParser(reading)
    # Byte by byte, as an error behind the answer must not hide that the answer was read.
    for place in range(len(data)):
        try:
            parser.feed_data(data[place : place + 1])
        except httptools.HttpParserUpgrade:
            return None
        except httptools.HttpParserError:
            return reading if reading.ended else None
        if reading.ended:
            break
    return reading


def fields(lines: bytes) -> list[tuple[bytes, bytes]]:
    found = (line.partition(b":") for line in lines.split(b"\r\n") if line)
    return [(name.lower(), value.strip(b" \t")) for name, _, value in found]


VERSIONS = st.sampled_from([b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"http/1.1"])
STATUSES = st.sampled_from(
    [
        b"200 OK",
        b"200",
        b"200 ",
        b"404 Not Found",
        b"503 x",
        b"204 No Content",
        b"304 -",
        b"100 Continue",
        b"103 Early Hints",
        b"101 Switching",
        b"599 \xff",
        b"099 x",
        b"600 x",
        b"20 x",
        b"2000 x",
    ]
)
NAMES = st.sampled_from(
    [
        b"Content-Length",
        b"content-length",
        b"Transfer-Encoding",
        b"Connection",
        b"content-type",
        b"x-a",
        b"X_b",
        b"Content-Encoding",
        b"Trailer",
        b"",
        b"x a",
        b"x\xff",
    ]
)
VALUES = st.one_of(
    st.sampled_from(
        [
            b"0",
            b"5",
            b"05",
            b"+5",
            b"5, 5",
            b"5,6",
            b"-1",
            b"0x5",
            b"1" * 19,
            b"18446744073709551621",
            b"",
            b"chunked",
            b"Chunked",
            b"gzip, chunked",
            b"chunked, chunked",
            b"identity",
            b"chunked;a",
            b",chunked",
            b"close",
            b"keep-alive",
            b"close, x-a",
            b"Upgrade",
            b"\tx\t",
            b"text/event-stream",
            b"a\x7fb",
            b"a\x01b",
        ]
    ),
    st.binary(max_size=8),
)
LINES = st.lists(
    st.tuples(NAMES, st.sampled_from([b": ", b":", b" :", b":\t", b"", b":  "]), VALUES).map(b"".join),
    max_size=5,
)
SIZE = st.sampled_from(
    [
        b"0",
        b"5",
        b"A",
        b"a",
        b"005",
        b"5;x=1",
        b"5;a\x01",
        b"5;a b",
        b"5;",
        b"5 ;x",
        b"5 ",
        b" 5",
        b"0x5",
        b"+5",
        b"",
        b"-1",
    ]
)
CHUNKED = st.lists(
    st.tuples(
        SIZE,
        st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r"]),
        st.sampled_from([b"hello\r\n"] * 3 + [b"hello\n", b"hell\r\n", b"hello", b"0123456789\r\n"]),
    ).map(b"".join),
    max_size=3,
).map(b"".join)
ENDS = st.sampled_from(
    [
        b"0\r\n\r\n",
        b"0\r\n\r\n",
        b"0\r\nx: 1\r\n\r\n",
        b"0\r\nx\r\n\r\n",
        b"0\r\n\n",
        b"0;a\r\n\r\n",
        b"0\r\n y\r\n\r\n",
        b"0\r\nx:\n1\r\n\r\n",
        b"",
    ]
)
BODIES = st.one_of(
    st.sampled_from([b"", b"hello", b"hello HTTP/1.1 200 OK\r\n\r\n", b"hell"]),
    st.tuples(CHUNKED, ENDS).map(b"".join),
)
NOISE = st.lists(
    st.tuples(
        st.integers(0, 400),
        st.one_of(
            st.sampled_from([b"\r", b"\n", b"\0", b" ", b"\t", b":"]), st.binary(min_size=1, max_size=2)
        ),
    ),
    max_size=2,
)


def damaged(data: bytes, noise: list[tuple[int, bytes]]) -> bytes:
    for place, inserted in noise:
        at = place % (len(data) + 1)
        data = data[:at] + inserted + data[at:]
    return data


def head(version: bytes, status: bytes, lines: list[bytes]) -> bytes:
    return b"\r\n".join([version + b" " + status, *lines, b"", b""])


INTERIM = st.sampled_from(
    [
        b"",
        b"",
        b"",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 103 Early\r\nlink: </a>\r\ncontent-length: 9\r\n\r\n",
    ]
)
FRAMES = st.sampled_from([[], [b"Content-Length: 5"], [b"Transfer-Encoding: chunked"]])
ANSWERS = st.builds(
    lambda interim, version, status, frame, lines, body, noise: damaged(
        interim + head(version, status, frame + lines) + body, noise
    ),
    INTERIM,
    VERSIONS,
    STATUSES,
    FRAMES,
    LINES,
    BODIES,
    NOISE,
)


TOLERATED = (
    # A length that is said twice is still the same number (RFC 9112 section 6.3).
    rb"\ncontent-length:[^\n]*,",
    rb"\ncontent-length:[^\n]*\n(.*\n)*content-length:",
    # Chunked with a length too: read by its chunks, and the connection's last answer (section 6.3).
    rb"\n(content-length:(.*\n)+transfer-encoding|transfer-encoding:(.*\n)+content-length):",
    # Blanks behind a chunk's size, and extensions that are no names and values: nobody reads them (section 7.1.1).
    rb"\n[0-9a-f]+(?=[ \t;])[ \t]*(;[\t -~\x80-\xff]*)?\r\n",
)
"""Where we are less strict than llhttp, as the RFC lets a client be."""
DARING = re.compile(b"|".join(TOLERATED), re.IGNORECASE)
OTHERWISE = re.compile(rb"\ntransfer-encoding:[^\n]*\t\r?\n", re.IGNORECASE)
"""To llhttp a tab at the end belongs to the coding's name; it is whitespace (RFC 9110 section 5.6.3)."""


def compare(data: bytes) -> None:
    mine = answered([data])
    if mine.status is None or mine.failure is not None:
        return
    other = llhttp(data)
    if other is None and DARING.search(data):
        return
    assert other is not None, "we accept what llhttp refuses"
    if OTHERWISE.search(data):
        return
    assert other.headed
    assert mine.status == other.status
    assert mine.body == other.body
    assert set(fields(mine.lines)) <= set(other.fields)
    if mine.whole:
        assert other.ended
    if mine.reusable:
        assert other.keep_alive


@settings(max_examples=examples(1500))
@given(ANSWERS)
@example(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\t\r\n\r\n0 \r\n\r\n")
@example(b"HTTP/1.1 200 OK\r\nx-a: a\x01b\r\ncontent-length: 0\r\n\r\n")
@example(b"HTTP/1.1 200 O\x7fK\r\ncontent-length: 0\r\n\r\n")
@example(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;a\x01\r\nhello\r\n0\r\n\r\n")
@example(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx\r\n\r\n")
@example(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx: 1\ny: 2\r\n\r\n")
def test_what_we_accept_llhttp_reads_the_same(answer: bytes) -> None:
    compare(answer)


@pytest.mark.long
@settings(max_examples=examples(LONG), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ANSWERS)
def test_what_we_accept_llhttp_reads_the_same_for_long(answer: bytes) -> None:
    compare(answer)


@settings(max_examples=examples(500))
@given(ANSWERS, st.lists(st.integers(1, 12), min_size=1, max_size=6))
def test_an_answer_is_the_same_however_it_was_split(answer: bytes, sizes: list[int]) -> None:
    whole = answered([answer])
    pieces, place, turn = [], 0, 0
    while place < len(answer):
        size = sizes[turn % len(sizes)]
        pieces.append(answer[place : place + size])
        place += size
        turn += 1
    split = answered(pieces)
    assert (split.status, split.failure) == (whole.status, whole.failure)
    if whole.failure is None:
        assert split.body == whole.body
