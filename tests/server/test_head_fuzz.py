"""Our grammar against llhttp: what we accept, it accepts, and both read the same."""

from collections.abc import Callable
from typing import Any

import httptools
import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dwctl.server.head import HeadError, KnownLines, RepeatedHeads, parse
from dwctl.server.request_head import RequestHead
from dwctl.wire.exchange import Memo
from tests.examples import examples


class Reading:
    """What llhttp finds."""

    parser: Any
    keep_alive: bool

    def __init__(self) -> None:
        self.url = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.complete = False

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self.complete = True
        # Asked here because llhttp forgets it once the message has ended.
        self.keep_alive = self.parser.should_keep_alive()


def llhttp(data: bytes) -> tuple[Reading, Any] | None:
    reading = Reading()
    parser = reading.parser = httptools.HttpRequestParser(reading)
    try:
        parser.feed_data(data + b"\r\n\r\n")
    except httptools.HttpParserUpgrade:
        pass
    except httptools.HttpParserError:
        return None
    return (reading, parser) if reading.complete else None


def ours(data: bytes) -> RequestHead | None:
    try:
        return parse(data, 100, 1000)
    except HeadError:
        return None


KNOWN = (b"GET", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"HEAD", b"PATCH")
"""llhttp has a list of methods; we leave the list to the application."""
METHODS = st.sampled_from(KNOWN)
TARGETS = st.sampled_from([b"/", b"/ai/v1/models", b"/a?b=c", b"/%41?x", b"http://h/p?q", b"/a%20b", b"*"])
NAMES = st.sampled_from(
    [b"Host", b"content-length", b"Transfer-Encoding", b"Connection", b"x-a", b"Expect", b"X_b", b"accept"]
)
VALUES = st.one_of(
    st.sampled_from(
        [b"h", b"0", b"5", b"05", b"+5", b"5, 5", b"chunked", b"Chunked", b"close", b"keep-alive", b""]
    ),
    st.binary(max_size=8),
)
LINES = st.lists(
    st.tuples(NAMES, st.sampled_from([b": ", b":", b" :", b":\t", b":  "]), VALUES).map(b"".join), max_size=6
)
NOISE = st.lists(st.tuples(st.integers(0, 400), st.binary(min_size=1, max_size=2)), max_size=2)


def damaged(head: bytes, noise: list[tuple[int, bytes]]) -> bytes:
    for place, inserted in noise:
        at = place % (len(head) + 1)
        head = head[:at] + inserted + head[at:]
    return head


HEADS = st.builds(
    lambda method, target, lines, noise: damaged(
        b"\r\n".join([method + b" " + target + b" HTTP/1.1", b"Host: h", *lines]), noise
    ),
    METHODS,
    TARGETS,
    LINES,
    NOISE,
)


@settings(max_examples=examples(1500))
@given(HEADS)
@example(b"GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 5")
@example(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 6")
@example(b"GET / HTTP/1.1\r\nHost: h\r\n folded")
@example(b"GET / HTTP/1.1\nHost: h")
@example(b"GET http://<h/p HTTP/1.1\r\nHost: h")
@example(b"GET http:///p HTTP/1.1\r\nHost: h")
@example(b"GET http://u@h/p HTTP/1.1\r\nHost: h")
@example(b"GET http://h#f HTTP/1.1\r\nHost: h")
def test_what_we_accept_llhttp_reads_the_same(head: bytes) -> None:
    mine = ours(head)
    if mine is None or b"\r\n\r\n" in head or mine.method not in KNOWN:
        return
    other = llhttp(head)
    assert other is not None, "we accept what llhttp refuses"
    reading, parser = other
    assert reading.url == mine.target
    # llhttp leaves white space behind some values, which RFC 9110 section 5.5 keeps out of them.
    assert [(name, value.rstrip(b" \t")) for name, value in reading.headers] == mine.headers
    assert parser.get_method() == mine.method
    assert parser.get_http_version() == f"1.{mine.minor}"
    if mine.length == 0 and b"upgrade" not in head.lower():
        assert reading.keep_alive == mine.keep_alive


LENGTHS = st.sampled_from(
    [b"0", b"5", b"17", b"05", b"5 ", b" 5", b"", b"+5", b"5,5", b"1" * 19, b"\xb2", b"5\r\n"]
)
REPEATED = st.builds(
    lambda name, lines, lengths, noise: [
        damaged(b"\r\n".join([b"POST /p HTTP/1.1", b"Host: h", name + length, *lines]), one)
        for length, one in zip(lengths, noise, strict=False)
    ],
    st.sampled_from([b"Content-Length: ", b"content-length: ", b"CONTENT-LENGTH:", b"X-Content-Length: "]),
    LINES,
    st.lists(LENGTHS, min_size=2, max_size=5),
    st.lists(st.one_of(st.just([]), NOISE), min_size=5, max_size=5),
)


KEYED = st.builds(
    lambda names, lines, after, heads: [
        damaged(
            b"\r\n".join(
                [b"POST /p HTTP/1.1", b"Host: h"]
                + ([] if after else [each + key for each in names])
                + [*lines, b"Content-Length: " + length]
                + ([each + key for each in names] if after else [])
            ),
            noise,
        )
        for key, length, noise in heads
    ],
    st.lists(
        st.sampled_from([b"authorization: ", b"Authorization: ", b"AUTHORIZATION: ", b"authorization:"]),
        min_size=1,
        max_size=2,
    ),
    LINES,
    st.booleans(),
    st.lists(
        st.tuples(
            st.sampled_from(
                [
                    b"Bearer a",
                    b"Bearer b",
                    b"Bearer  ",
                    b" earer c",
                    b"Bea\tr d",
                    b"Bea\r\nx:",
                    b"\xff" * 8,
                    b"k",
                ]
            ),
            st.sampled_from([b"0", b"5", b"17", b"05"]),
            st.one_of(st.just([]), NOISE),
        ),
        min_size=2,
        max_size=5,
    ),
)
"""Heads that differ in what stands after their `authorization`."""


def read(parsing: Callable[[bytes], RequestHead], data: bytes) -> object:
    """Everything that a head says, or how it is refused."""
    try:
        head = parsing(data)
    except HeadError as error:
        return error.status, error.message
    return said(head)


def said(head: RequestHead) -> object:
    """What a head says; not what others have found out from it."""
    return {name: value for name, value in msgspec.structs.asdict(head).items() if name != "memo"}


@settings(max_examples=examples(1500))
@given(REPEATED)
@example([b"POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 5"] * 2)
@example(
    [
        b"POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nx: 1",
        b"POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 6",
    ]
)
@example([b"POST /p HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5"] * 2)
def test_a_repeated_head_reads_as_if_it_were_the_first(heads: list[bytes]) -> None:
    repeats = RepeatedHeads()
    for head in heads:
        assert read(lambda data: repeats.parse(data, 100, 1000, KnownLines()), head) == read(
            lambda data: parse(data, 100, 1000), head
        )


@settings(max_examples=examples(1500))
@given(
    st.one_of(REPEATED, KEYED),
    st.sampled_from([b"", b"{}", b"\r\n\r\n", b"POST /p HTTP/1.1\r\nHost: h\r\n\r\n"]),
)
@example([b"POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 5"] * 2, b"hello")
@example([b"POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: %b" % n for n in (b"1", b"007", b"0", b"00")], b"")
@example([b"POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: %b" % (b"9" * n) for n in (1, 18, 19)], b"")
@example([b"POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nx: 1"] * 2, b"hello")
@example(
    [
        b"POST /p HTTP/1.1\r\nHost: h\r\nAuthorization: %b\r\nauthorization: %b\r\nContent-Length: 5"
        % (key, key)
        for key in (b"a", b"b")
    ],
    b"hello",
)
@example(
    [
        b"POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nx: 1",
        b"POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 5",
    ],
    b"x: 1",
)
def test_a_head_that_is_recognised_with_its_body_is_what_a_first_reading_finds(
    heads: list[bytes], body: bytes
) -> None:
    repeats = RepeatedHeads()
    for head in heads:
        data = b"%b\r\n\r\n%b" % (head, body)
        end = data.index(b"\r\n\r\n")
        start = repeats.again(data)
        if start:
            assert repeats.head is not None
            repeats.head.fields()
            assert said(repeats.head) == read(lambda data: parse(data, 100, 1000), data[:end])
            assert start == end + 4
        read(lambda data: repeats.parse(data, 100, 1000, KnownLines()), data[:end])


def test_a_head_is_recognised_once_it_has_come() -> None:
    repeats = RepeatedHeads()
    head = b"POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\nAuthorization: a\r\n\r\n"
    assert not repeats.again(head % 5)
    first = repeats.parse((head % 5)[:-4], 100, 1000, KnownLines())
    given = first.headers
    assert repeats.again(head % 617 + b"{}") == len(head % 617)
    assert repeats.head is first
    assert first.length == 617
    assert first.fields() == parse((head % 617)[:-4], 100, 1000).headers
    assert given == parse((head % 5)[:-4], 100, 1000).headers
    assert not repeats.again((head % 5)[:-1])


def test_a_head_with_another_key_is_recognised_too() -> None:
    repeats = RepeatedHeads()
    head = b"POST /p HTTP/1.1\r\nHost: h\r\nAuthorization: %b\r\nx: 1\r\nContent-Length: %d\r\n\r\n"
    first = repeats.parse((head % (b"Bearer a", 5))[:-4], 100, 1000, KnownLines())
    first.memo.facts = facts = object()
    given = list(first.headers)
    assert repeats.again(head % (b"Bearer b", 617) + b"{}") == len(head % (b"Bearer b", 617))
    second = repeats.head
    assert second is not None
    assert second.fields() == parse((head % (b"Bearer b", 617))[:-4], 100, 1000).headers
    assert (second.memo.facts, second.memo.like, second.memo.authorization) == (None, facts, b"Bearer b")
    assert first.headers == given
    # The key that came before is another key again, and so is one that is longer.
    assert repeats.again(head % (b"Bearer a", 5))
    assert repeats.head is not first
    assert not repeats.again(head % (b"Bearer aa", 5))
    assert not repeats.again((head % (b"Bearer b", 5)).replace(b"x: 1", b"x: 2"))


def test_what_was_worked_out_from_a_head_is_kept_for_its_repetition_alone() -> None:
    repeats = RepeatedHeads()

    def memo(data: bytes) -> Memo:
        return repeats.parse(data, 100, 1000, KnownLines()).memo

    first = memo(b"POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nAuthorization: a")
    assert memo(b"POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 617\r\nAuthorization: a") is first
    other = memo(b"POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 617\r\nAuthorization: b")
    assert other is not first
    assert memo(b"POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nAuthorization: a") is not first
