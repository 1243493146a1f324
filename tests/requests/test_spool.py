"""The spool: whole frames only, whatever a kill or a full disk leaves behind."""

import os
import resource
import signal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwctl.requests import frames
from dwctl.requests.entries import Position
from dwctl.requests.frames import Kind
from dwctl.requests.spool import Spool, delete, segments, take_lock
from tests.examples import examples

Written = tuple[Kind, bytes, bytes]
IDS = st.uuids().map(lambda ident: b'{"id":"%b"}' % str(ident).encode())
WRITES = st.lists(
    st.lists(st.tuples(st.sampled_from(list(Kind)), IDS, st.binary(max_size=200)), min_size=1, max_size=4)
)


def blocks_of(writes: list[list[Written]]) -> list[bytes]:
    return [b"".join(frames.block([frames.frame(*record) for record in records])) for records in writes]


def read_all(data: bytes) -> list[list[Written]]:
    return [
        [(Kind(e.kind), e.meta, e.request or e.response) for e in entries]
        for entries, _ in frames.blocks(data)
    ]


@given(WRITES)
def test_blocks_are_read_as_they_were_written(writes: list[list[Written]]) -> None:
    assert read_all(b"".join(blocks_of(writes))) == writes


@given(WRITES, st.integers(min_value=0))
def test_a_torn_end_costs_only_the_torn_block(writes: list[list[Written]], cut: int) -> None:
    pieces = blocks_of(writes)
    data = b"".join(pieces)
    cut %= len(data) + 1
    whole = 0
    while sum(map(len, pieces[: whole + 1])) <= cut and whole < len(pieces):
        whole += 1
    assert read_all(data[:cut]) == writes[:whole]


@settings(max_examples=examples(200))
@given(WRITES.filter(bool), st.integers(min_value=0), st.integers(1, 255))
def test_a_damaged_byte_never_invents_a_record(writes: list[list[Written]], place: int, change: int) -> None:
    data = bytearray(b"".join(blocks_of(writes)))
    data[place % len(data)] ^= change
    found = read_all(bytes(data))
    assert found == writes[: len(found)]


@given(st.binary(max_size=60))
def test_a_block_that_holds_no_frames_of_ours_ends_the_file(inside: bytes) -> None:
    good = blocks_of([[(Kind.STARTED, b'{"id":"a"}', b"")]])[0]
    found = read_all(good + b"".join(frames.block([b"\x01\xff\xff\xff\x00" + inside])) + good)
    assert found == [[(Kind.STARTED, b'{"id":"a"}', b"")]]


def test_segments_rotate_and_are_trimmed_when_committed(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "a", 100)
    spool.open()
    places = []
    for _ in range(5):
        spool.write(b"x" * 60)
        places.append(spool.position)
    assert [path.name for path in segments(spool.folder)] == ["00000001.log", "00000002.log", "00000003.log"]
    assert spool.let_go(places[1]) == []
    assert spool.has_before(places[2])
    gone = spool.let_go(places[2])
    assert [path.name for path in gone] == ["00000001.log"]
    assert not spool.has_before(places[2])
    assert spool.size == 180
    for _ in range(2):
        delete(gone)
    assert [path.name for path in segments(spool.folder)] == ["00000002.log", "00000003.log"]
    assert places == sorted(places)
    spool.close(delete=True)
    assert not spool.folder.exists()


def test_a_folder_belongs_to_one_living_process(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "a", 100)
    spool.open()
    assert take_lock(spool.folder) == -1
    with pytest.raises(BlockingIOError):
        Spool(tmp_path / "a", 100).open()
    spool.close(delete=False)
    descriptor = take_lock(spool.folder)
    assert descriptor >= 0
    os.close(descriptor)


def test_a_full_disk_leaves_whole_frames_only(tmp_path: Path) -> None:
    """The limit of file sizes fails a write in its middle, as a full disk does."""
    spool = Spool(tmp_path / "a", 1_000_000)
    spool.open()
    data = blocks_of([[(Kind.STARTED, b'{"id":"a"}', b"b" * 100)]])[0]
    spool.write(data)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(data) + 50, before[1]))
        with pytest.raises(OSError, match="too large"):
            spool.write(data)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert spool.position == Position(1, len(data))
    spool.write(data)
    assert len(read_all(segments(spool.folder)[0].read_bytes())) == 2
    spool.close(delete=True)


def test_a_spool_is_abandoned_only_while_nothing_is_in_it(tmp_path: Path) -> None:
    unused, used = Spool(tmp_path / "unused", 1 << 20), Spool(tmp_path / "used", 1 << 20)
    for spool in (unused, used):
        spool.open()
    used.write(*frames.block([frames.frame(Kind.STARTED, b'{"id":"a"}', b"")]))
    for spool in (unused, used):
        spool.abandon()
        spool.abandon()
    assert [path.name for path in tmp_path.iterdir()] == ["used"]
    used.close(delete=True)
    used.abandon()
