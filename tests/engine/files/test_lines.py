"""The reader of lines: for any bytes it gives rows or names a line, and never anything else."""

import itertools
import json
import re
import struct
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dwctl.engine.files.lines import Fault, LineReader, Read, Terms
from tests.engine.files.house import CHAT, line
from tests.examples import examples

TERMS = Terms(file_id=UUID(int=1), urls=(CHAT, "/v1/embeddings"), max_body_bytes=10_000)
TEXTS = st.text(max_size=8)
BASIC = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
VALUES = st.recursive(
    BASIC, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=4
)  # fmt: skip
BODIES = st.dictionaries(
    st.sampled_from(["stream", "priority", "messages", "input", "instructions", "prompt", "x", "url"]), VALUES
).map(lambda fields: {"model": "chat"} | {key: value for key, value in fields.items() if key != "stream"})
LINES = st.builds(
    lambda body, number: json.dumps(line(number, body=body)).encode(), BODIES, st.integers(0, 10**9)
)
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
BLANK = st.sampled_from([b"", b" ", b"\t\r", b"\r"])


def read(data: bytes, cuts: list[int] | None = None, terms: Terms = TERMS) -> tuple[list[Read], LineReader]:
    """All parts of a file, as far as it is read."""
    reader = LineReader(terms)
    parts: list[Read] = []
    borders = [0, *sorted(cuts or ()), len(data)]
    for start, end in itertools.pairwise(borders):
        parts.append(reader.feed(data[start:end]))
        if parts[-1].fault is not None:
            return parts, reader
    parts.append(reader.end())
    return parts, reader


def fault_of(data: bytes, cuts: list[int] | None = None, terms: Terms = TERMS) -> Fault | None:
    """What is wrong with a file."""
    return read(data, cuts, terms)[0][-1].fault


def rows_of(parts: list[Read]) -> list[dict[str, Any]]:
    """What PostgreSQL reads."""
    data = b"".join(part.rows for part in parts)
    found, at = [], 0
    while at < len(data):
        (count,) = struct.unpack_from(">h", data, at)
        at += 2
        fields = []
        for _ in range(count):
            (size,) = struct.unpack_from(">i", data, at)
            fields.append(data[at + 4 : at + 4 + size])
            at += 4 + size
        found.append(
            {
                "file_id": UUID(bytes=fields[0]),
                "line": int.from_bytes(fields[1], "big"),
                "prefix": int.from_bytes(fields[2], "big"),
                "custom_id": fields[3].decode(),
                "model": fields[4].decode(),
                "url": fields[5].decode(),
                "body": fields[6],
            }
        )
    return found


@PATIENT
@given(st.lists(LINES | BLANK, max_size=8), st.data())
def test_good_lines_become_rows_wherever_they_are_cut(lines: list[bytes], data: st.DataObject) -> None:
    text = b"\n".join(lines)
    cuts = data.draw(st.lists(st.integers(0, len(text)), max_size=6))
    wanted = [json.loads(each) for each in lines if each.strip()]
    parts, reader = read(text, cuts)
    if not wanted:
        assert parts[-1].fault == Fault(0, "The file has no requests: expected a JSON object on each line.")
        return
    assert parts[-1].fault is None
    rows = rows_of(parts)
    assert [row["line"] for row in rows] == list(range(len(wanted)))
    assert [row["custom_id"] for row in rows] == [each["custom_id"] for each in wanted]
    for each in wanted:
        each["body"].pop("priority", None)
    assert [json.loads(row["body"]) for row in rows] == [each["body"] for each in wanted]
    assert all(row["prefix"] <= row["line"] for row in rows)
    assert reader.sums.lines == len(rows)
    assert reader.sums.models["chat"].bytes == sum(len(row["body"]) for row in rows)


@PATIENT
@given(st.lists(LINES, max_size=4), st.binary(), st.data())
def test_any_bytes_are_read_or_refused(before: list[bytes], noise: bytes, data: st.DataObject) -> None:
    text = b"\n".join([*before, noise])
    cuts = data.draw(st.lists(st.integers(0, len(text)), max_size=4))
    fault = fault_of(text, cuts)
    if fault is not None and fault.line:
        assert len(before) < fault.line <= len(before) + noise.count(b"\n") + 1


@PATIENT
@given(st.lists(LINES | BLANK, min_size=1, max_size=6), VALUES, st.data())
def test_the_fault_names_the_line(lines: list[bytes], value: Any, data: st.DataObject) -> None:
    good = [each for each in lines if each.strip()] or [json.dumps(line(1)).encode()]
    field = data.draw(st.sampled_from(["custom_id", "method", "url", "body"]))
    broken = json.loads(data.draw(st.sampled_from(good)))
    broken[field] = value if not isinstance(value, dict | str) else 5
    at = data.draw(st.integers(0, len(lines)))
    text = b"\r\n".join([*lines[:at], json.dumps(broken).encode(), *lines[at:]])
    cuts = data.draw(st.lists(st.integers(0, len(text)), max_size=6))
    fault = fault_of(text, cuts)
    assert fault is not None
    assert fault.line == at + 1
    assert fault.message.startswith(f"{field}: expected")


PIECES = st.sampled_from(
    (
        *('"model":', '"model":"b"', '"stream":null', '"stream":true', '"priority":1', '"custom_id":"z"'),
        *('"body":{}', "}", "{", "\\u006d", '"', ",", " ", "\r", "\0", "é", "[[", "\\", "\n", "x" * 200),
    )
)


@st.composite
def _near_lines(draw: st.DrawFn) -> bytes:
    """A line as most are, and what is close to one."""
    given = line(draw(st.integers(0, 3)), body=draw(BODIES | st.builds(dict, model=TEXTS)))
    keys = draw(st.permutations(list(given))) if draw(st.booleans()) else list(given)
    tight = draw(st.booleans())
    text = json.dumps(
        {key: given[key] for key in keys},
        separators=(",", ":") if tight else None,
        ensure_ascii=draw(st.booleans()),
    )
    for _ in range(draw(st.integers(0, 2))):
        start = draw(st.integers(0, len(text)))
        text = text[:start] + draw(PIECES) + text[start + draw(st.integers(0, 3)) :]
    return text.encode("utf-8", "replace")


@settings(PATIENT, max_examples=examples(400))
@given(st.lists(_near_lines(), max_size=5), st.booleans(), st.integers(0, 3))
def test_the_short_way_reads_as_the_long_way_does(lines: list[bytes], unique: bool, most: int) -> None:
    terms = msgspec.structs.replace(
        TERMS, unique_custom_ids=unique, max_requests=most, max_body_bytes=300, urls=(CHAT, "/v1/embeddings")
    )
    # What begins with a blank is never read in the short way.
    texts = [b"\n".join(lines), b"\n".join(b" " + each.replace(b"\n", b"\n ") for each in lines)]
    (short, one), (long, other) = (read(text, terms=terms) for text in texts)
    assert rows_of(short) == rows_of(long)
    assert one.sums == other.sums
    assert [part.targets for part in short] == [part.targets for part in long]
    assert _told(short[-1].fault) == _told(long[-1].fault)


def _told(fault: Fault | None) -> tuple[int, str] | None:
    """A fault, but for where in its line something is no JSON."""
    return None if fault is None else (fault.line, re.sub(r"byte \d+", "", fault.message))


@pytest.mark.parametrize("cuts", [None, [1, 2, 3], [40]])
def test_bytes_that_are_no_text_are_named_by_their_place(cuts: list[int] | None) -> None:
    first = json.dumps(line(1)).encode() + b"\n"
    fault = fault_of(first + b'{"a":"\xc3(', cuts)
    assert fault == Fault(2, f"invalid UTF-8 at byte 7 of the line, byte {len(first) + 7} of the file")


def test_a_mark_of_byte_order_counts_as_bytes() -> None:
    assert fault_of(b"\xef\xbb\xbf\xff\n") == Fault(
        1, "invalid UTF-8 at byte 1 of the line, byte 4 of the file"
    )


def test_a_line_without_end_is_not_gathered() -> None:
    fault = fault_of(b"x" * 20_000, [10_000])
    assert fault == Fault(1, "body: expected at most 10000 bytes")


@pytest.mark.parametrize(
    "opening", [b'{"a":', b"[", b'{"custom_id":"a","method":"POST","url":"/v1/x","body":{"a":']
)
def test_depth_is_refused(opening: bytes) -> None:
    terms = Terms(file_id=UUID(int=1), urls=(CHAT,), max_body_bytes=10_000_000)
    fault = fault_of(opening * 100_000, terms=terms)
    assert fault is not None
    assert (fault.line, fault.message) == (1, "invalid JSON: nested too deeply")


def test_deep_values_that_are_not_read_pass() -> None:
    deep = b'{"custom_id":"a","method":"POST","url":"%b","body":{"model":"chat","x":%b}}' % (
        CHAT.encode(),
        b"[" * 100 + b"]" * 100,
    )
    assert fault_of(deep) is None


def test_groups_are_forgotten_when_there_are_too_many() -> None:
    count = 50_010
    text = b"".join(
        b'{"custom_id":"a","method":"POST","url":"%b","body":{"model":"chat","input":"%d"}}\n' % (CHAT.encode(), n)
        for n in (*range(count), 0)
    )  # fmt: skip
    rows = rows_of(read(text)[0])
    assert rows[-1]["prefix"] == count
    assert rows[49_999]["prefix"] == 49_999
