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
from dwctl.requests.spool import AHEAD, Spool, delete, segments, take_lock
from tests.examples import examples

Written = tuple[Kind, bytes, bytes]
IDS = st.uuids().map(lambda ident: b'{"id":"%b"}' % str(ident).encode())
WRITES = st.lists(
    st.lists(st.tuples(st.sampled_from(list(Kind)), IDS, st.binary(max_size=200)), min_size=1, max_size=4)
)


SEGMENT = 7


def block(frames_of_it: bytes, segment: int = SEGMENT) -> bytes:
    return frames.block_head(frames_of_it, segment) + frames_of_it


def blocks_of(writes: list[list[Written]], segment: int = SEGMENT) -> list[bytes]:
    return [block(b"".join(frames.frame(*record) for record in records), segment) for records in writes]


def read_all(data: bytes, segment: int = SEGMENT) -> list[list[Written]]:
    return [
        [(Kind(e.kind), e.meta, e.request or e.response) for e in entries]
        for entries, _ in frames.blocks(data, segment)
    ]


def left_in(folder: Path) -> list[list[Written]]:
    """What whoever inherits a folder reads in it."""
    return [found for number, path in segments(folder) for found in read_all(path.read_bytes(), number)]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != "lock")


def framed(size: int) -> bytes:
    """A record whose frame has so many bytes."""
    return frames.frame(Kind.STARTED, b'{"id":"a"}', bytes(size - frames.FRAME_HEAD - 10))


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


@given(WRITES.filter(bool), st.integers(0, 1 << 32), st.integers(0, 1 << 32))
def test_blocks_of_another_segment_are_never_read(writes: list[list[Written]], one: int, other: int) -> None:
    data = b"".join(blocks_of(writes, one))
    assert read_all(data, other) == (writes if one % (1 << 32) == other % (1 << 32) else [])


@given(WRITES, WRITES, st.integers(0, 200))
def test_what_a_segment_held_before_ends_the_new_one(
    new: list[list[Written]], old: list[list[Written]], space: int
) -> None:
    fresh = b"".join(blocks_of(new, SEGMENT))
    before = b"".join(blocks_of(old, SEGMENT - 1))
    assert read_all(fresh + bytes(space)) == new
    assert read_all(fresh + before) == new
    assert read_all(fresh + before[len(fresh) :]) == new


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
    found = read_all(good + block(b"\x01\xff\xff\xff\x00" + inside) + good)
    assert found == [[(Kind.STARTED, b'{"id":"a"}', b"")]]


def test_segments_rotate_and_are_trimmed_when_committed(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "a", 100)
    spool.open()
    places = []
    for _ in range(5):
        spool.write(framed(52))
        places.append(spool.position)
    assert [path.name for _, path in segments(spool.folder)] == [
        "00000001.seg",
        "00000002.seg",
        "00000003.seg",
    ]
    assert [number for number, _ in segments(spool.folder)] == [1, 2, 3]
    assert spool.let_go(places[1]) == []
    assert spool.has_before(places[2])
    gone = spool.let_go(places[2])
    assert [path.name for path in gone] == ["00000001.seg"]
    assert not spool.has_before(places[2])
    assert spool.size == 180
    for _ in range(2):
        delete(gone)
    assert names(spool.folder) == ["00000002.seg", "00000003.seg"]
    assert places == sorted(places)
    spool.close(delete=True)
    assert not spool.folder.exists()


def filled(tmp_path: Path, segments_: int, *, spare: int) -> Spool:
    """A spool with so many segments, all let go but the last; each block has 60 bytes, each segment two of them."""
    spool = Spool(tmp_path / "a", 100, spare)
    spool.open()
    for _ in range(2 * segments_ - 1):
        spool.write(framed(52))
    delete(spool.let_go(spool.position))
    return spool


@pytest.mark.parametrize(("spare", "kept"), [(0, 0), (1, 1), (2, 2), (3, 3), (4, 3)])
def test_so_many_files_are_kept_for_later_segments(tmp_path: Path, spare: int, kept: int) -> None:
    spool = filled(tmp_path, 4, spare=spare)
    spares = [f"{number:08d}.spare" for number in range(1, kept + 1)]
    assert names(spool.folder) == sorted([*spares, "00000004.seg"])
    assert spool.size == 60
    files = {(spool.folder / name).stat().st_ino for name in spares}
    for _ in range(1 + 2 * kept):
        spool.write(framed(52))
    later = {path.stat().st_ino for number, path in segments(spool.folder) if number > 4}
    assert later == files
    spool.close(delete=True)
    assert not spool.folder.exists()


def test_a_segment_in_a_spare_is_read_up_to_where_it_was_written(tmp_path: Path) -> None:
    spool = filled(tmp_path, 2, spare=1)
    one, other = ((Kind.STARTED, b'{"id":"%b"}' % ident, b"kept") for ident in (b"one", b"other"))
    spool.turn_page()
    assert names(spool.folder) == ["00000002.seg", "00000003.seg"]
    assert len(left_in(spool.folder)) == 1, "a new segment has nothing of the old one"
    spool.write(frames.frame(*one))
    spool.write(frames.frame(*other))
    assert left_in(spool.folder)[1:] == [[one], [other]]
    assert len(spool.read(3, 0, 1 << 20)) == spool.segment_end(3)
    assert read_all(spool.read(3, 0, 1 << 20), 3) == [[one], [other]]
    spool.close(delete=True)


def test_nobody_inherits_what_is_in_a_spare(tmp_path: Path) -> None:
    """It is committed, and may have been deleted since: whoever replayed it would bring it back."""
    spool = filled(tmp_path, 3, spare=2)
    spool.close(delete=False)
    assert names(spool.folder) == ["00000001.spare", "00000002.spare", "00000003.seg"]
    assert len(left_in(spool.folder)) == 1


def test_spares_that_are_not_needed_for_a_while_go(tmp_path: Path) -> None:
    spool = filled(tmp_path, 5, spare=4)
    assert spool.tidy() == [], "they have just come"
    spool.turn_page()
    gone = spool.tidy()
    assert [path.name for path in gone] == ["00000001.spare", "00000002.spare", "00000003.spare"]
    delete(gone)
    assert spool.tidy() == []
    assert names(spool.folder) == ["00000005.seg", "00000006.seg"]
    for _ in range(4):
        spool.write(framed(52))
    assert spool.position.segment == 7
    delete(spool.let_go(spool.position))
    assert spool.tidy() == []
    delete(spool.tidy())
    assert names(spool.folder) == ["00000007.seg"]
    spool.close(delete=True)


def test_a_spare_that_somebody_removed_is_not_missed(tmp_path: Path) -> None:
    spool = filled(tmp_path, 2, spare=1)
    (spool.folder / "00000001.spare").unlink()
    for _ in range(3):
        spool.write(framed(52))
    assert names(spool.folder) == ["00000002.seg", "00000003.seg"]
    assert len(left_in(spool.folder)) == 4
    for _, path in segments(spool.folder):
        path.unlink()
    delete(spool.let_go(Position(4, 0)))
    spool.close(delete=True)


@given(st.lists(st.integers(frames.FRAME_HEAD + 10, 200_000), min_size=1, max_size=6))
@settings(max_examples=examples(60))
def test_space_is_laid_out_ahead(tmp_path_factory: pytest.TempPathFactory, sizes: list[int]) -> None:
    spool = Spool(tmp_path_factory.mktemp("s") / "a", 1 << 30)
    spool.open()
    for size in sizes:
        spool.write(framed(size))
    length = segments(spool.folder)[0][1].stat().st_size
    assert spool.position.offset <= length < spool.position.offset + AHEAD
    assert [
        [len(meta) + len(body) + frames.FRAME_HEAD for _, meta, body in found]
        for found in left_in(spool.folder)
    ] == [[size] for size in sizes]
    spool.close(delete=True)


def test_segments_of_earlier_versions_are_read(tmp_path: Path) -> None:
    record = (Kind.STARTED, b'{"id":"a"}', b"ask")
    for name in ("00000009.log", "00000010.log"):
        (tmp_path / name).write_bytes(blocks_of([[record]], 0)[0])
    assert left_in(tmp_path) == [[record], [record]]


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


@pytest.mark.parametrize(("body", "room"), [(100, 0), (100, 50), (AHEAD, 0), (AHEAD, 5), (AHEAD, 50)])
def test_a_full_disk_leaves_whole_frames_only(tmp_path: Path, body: int, room: int) -> None:
    """The limit of file sizes fails a write in its middle, as a full disk does."""
    spool = Spool(tmp_path / "a", 1_000_000)
    spool.open()
    record = (Kind.STARTED, b'{"id":"a"}', b"b" * body)
    data = frames.frame(*record)
    spool.write(data)
    size = spool.size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + room, before[1]))
        with pytest.raises(OSError, match="too large"):
            spool.write(data)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert spool.position == Position(1, size)
    assert left_in(spool.folder) == [[record]]
    spool.write(data)
    assert left_in(spool.folder) == [[record], [record]]
    spool.close(delete=True)


def test_a_spool_is_abandoned_only_while_nothing_is_in_it(tmp_path: Path) -> None:
    unused, used = Spool(tmp_path / "unused", 1 << 20), Spool(tmp_path / "used", 1 << 20)
    for spool in (unused, used):
        spool.open()
    used.write(frames.frame(Kind.STARTED, b'{"id":"a"}', b""))
    for spool in (unused, used):
        spool.abandon()
        spool.abandon()
    assert [path.name for path in tmp_path.iterdir()] == ["used"]
    used.close(delete=True)
    used.abandon()
