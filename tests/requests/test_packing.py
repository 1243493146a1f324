"""What is kept of an answer is what came back from it, whatever its bytes are."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwctl.requests import packing
from dwctl.requests.packing import MAGIC, Packer, unpacked

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LEAST, MOST = 64, 4096


@given(
    st.one_of(st.binary(max_size=200), st.binary(max_size=8).map(lambda tail: MAGIC + tail)),
    st.integers(1, 40),
)
def test_what_is_kept_is_read_back(body: bytes, times: int) -> None:
    packer = Packer(LEAST, MOST)
    body *= times
    kept = packer.pack(body)
    assert unpacked(kept) == body
    assert kept.startswith(MAGIC) or kept == body
    # A frame is a body like any other.
    assert unpacked(unpacked(packer.pack(kept))) == unpacked(kept)


@pytest.mark.parametrize(
    ("size", "packed"), [(LEAST - 1, False), (LEAST, True), (MOST, True), (MOST + 1, False)]
)
def test_bodies_of_both_bounds_are_packed(size: int, packed: bool) -> None:
    body = b"x" * size
    kept = Packer(LEAST, MOST).pack(body)
    assert (len(kept) < 32) is packed
    assert (kept == body) is not packed


def test_nothing_is_packed_where_nothing_is_to_be() -> None:
    assert Packer(4096, 0).pack(b"x" * 5000) == b"x" * 5000


def test_a_frame_of_somebody_else_is_read_if_it_says_its_size() -> None:
    told, streamed = zstd.ZstdCompressor(), zstd.ZstdCompressor()
    assert unpacked(told.compress(b"x" * 1000, zstd.ZstdCompressor.FLUSH_FRAME)) == b"x" * 1000
    parts = [streamed.compress(b"x" * 1000, zstd.ZstdCompressor.FLUSH_BLOCK), streamed.flush()]
    assert unpacked(b"".join(parts)) == b"".join(parts)


def test_what_follows_a_frame_is_not_lost() -> None:
    frame = zstd.compress(b"x" * 1000)
    assert unpacked(frame + b"rest") == frame + b"rest"
    assert unpacked(frame + frame) == frame + frame


def test_a_frame_that_would_fill_the_memory_is_left_as_it_is() -> None:
    frame = zstd.compress(bytes(packing.MOST + 1), level=1)
    assert len(frame) < packing.MOST // 1000
    assert unpacked(frame) == frame


def test_what_only_looks_like_a_frame_is_left_as_it_is() -> None:
    body = MAGIC + b"as an earlier version kept it"
    assert unpacked(body) == body
