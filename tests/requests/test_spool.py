"""The spool: whole frames only, whatever a kill or a full disk leaves behind."""

import os
import resource
import signal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwctl.requests import frames
from dwctl.requests.frames import Kind
from dwctl.requests.spool import Position, Spool, segments, take_lock

RECORDS = st.lists(st.tuples(st.sampled_from(list(Kind)), st.binary(max_size=40), st.binary(max_size=200)))


def framed(records: list[tuple[Kind, bytes, bytes]]) -> list[bytes]:
    return [frames.head(kind, meta, body) + meta + body for kind, meta, body in records]


def read_all(data: bytes) -> list[tuple[int, bytes, bytes]]:
    return [(kind, meta, body) for kind, meta, body, _ in frames.read(data)]


@given(RECORDS)
def test_frames_are_read_as_they_were_written(records: list[tuple[Kind, bytes, bytes]]) -> None:
    assert read_all(b"".join(framed(records))) == records


@given(RECORDS, st.integers(min_value=0))
def test_a_torn_end_costs_only_the_torn_frame(records: list[tuple[Kind, bytes, bytes]], cut: int) -> None:
    pieces = framed(records)
    data = b"".join(pieces)
    cut %= len(data) + 1
    whole = 0
    while sum(map(len, pieces[: whole + 1])) <= cut and whole < len(pieces):
        whole += 1
    assert read_all(data[:cut]) == records[:whole]


@settings(max_examples=200)
@given(RECORDS.filter(bool), st.integers(min_value=0), st.integers(1, 255))
def test_a_damaged_byte_never_invents_a_record(
    records: list[tuple[Kind, bytes, bytes]], place: int, change: int
) -> None:
    data = bytearray(b"".join(framed(records)))
    data[place % len(data)] ^= change
    found = read_all(bytes(data))
    assert found == records[: len(found)]


def test_segments_rotate_and_are_trimmed_when_committed(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "a", 100)
    spool.open()
    places = []
    for _ in range(5):
        spool.write(b"x" * 60)
        places.append(spool.position)
    assert [path.name for path in segments(spool.folder)] == ["00000001.log", "00000002.log", "00000003.log"]
    assert spool.trim(places[1]) == 0
    assert spool.has_before(places[2])
    assert spool.trim(places[2]) == 1
    assert spool.size == 180
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
    data = b"".join(framed([(Kind.STARTED, b"{}", b"b" * 100)]))
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
