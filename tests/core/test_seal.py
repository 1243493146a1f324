"""What is sealed opens with its key alone, and only unharmed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwctl.core.seal import Seal, SealError

MINE = Seal("a secret key of this installation")


@given(st.text())
def test_it_opens_as_it_was(text: str) -> None:
    assert MINE.open(MINE.seal(text)) == text


@given(st.integers(min_value=0), st.integers(1, 255))
def test_a_changed_byte_is_found(place: int, change: int) -> None:
    sealed = bytearray(MINE.seal("sk-upstream"))
    sealed[place % len(sealed)] ^= change
    with pytest.raises(SealError):
        MINE.open(bytes(sealed))


@given(st.binary(max_size=40))
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(SealError):
        MINE.open(data)


def test_another_key_does_not_open_it() -> None:
    with pytest.raises(SealError, match="secret_key is not the one"):
        Seal("a secret key of another one").open(MINE.seal("sk-upstream"))


def test_the_text_is_not_in_it_and_no_two_are_equal() -> None:
    first, second = MINE.seal("sk-upstream"), MINE.seal("sk-upstream")
    assert b"sk-upstream" not in first
    assert first != second
