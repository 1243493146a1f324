"""UUIDv7 as RFC 9562 lays it out, rising whatever the clock does."""

import os
import time
from uuid import RFC_4122, UUID

from hypothesis import given
from hypothesis import strategies as st

from dwctl.core.ids import IdSource, new_id, new_uuid


@given(st.lists(st.integers(-2_000_000_000, 5_000_000_000), min_size=1, max_size=60), st.integers(0, 2**62))
def test_ids_rise_and_keep_their_form_whatever_the_clock_does(steps: list[int], start: int) -> None:
    now = start
    moments: list[int] = []

    def clock() -> int:
        nonlocal now
        now = max(0, now + steps[len(moments)])
        moments.append(now)
        return now

    source = IdSource(clock)
    made = [UUID(source.next_text()).int for _ in steps]
    assert made == sorted(set(made))
    for number, moment in zip(made, moments, strict=True):
        ident = UUID(int=number)
        assert (ident.version, ident.variant) == (7, RFC_4122)
        assert number >> 80 >= moment // 1_000_000


@given(st.integers(0, 2**73 - 1))
def test_a_millisecond_that_overflows_goes_on_in_the_next(first: int) -> None:
    source = IdSource(lambda: 5_000_000, lambda bits: min(first, 2**bits - 1) | (2**bits - 1))
    made = [UUID(source.next_text()).int for _ in range(20)]
    assert made == sorted(set(made))
    assert all(UUID(int=number).version == 7 for number in made)


def test_the_time_is_now() -> None:
    before = time.time_ns() // 1_000_000
    milliseconds = new_uuid().int >> 80
    assert before <= milliseconds <= time.time_ns() // 1_000_000 + 1
    assert UUID(new_id()).version == 7


def test_many_ids_are_all_different() -> None:
    assert len({new_id() for _ in range(20_000)}) == 20_000


def test_a_forked_process_makes_other_ids() -> None:
    new_id()
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, new_id()[24:].encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 100).decode() != new_id()[24:]
    os.close(reading)
    os.close(writing)
