"""Limits across processes: what a table promises, with real processes and with several views in one."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwctl.routing.limit_book import LimitBook, Slot
from dwctl.routing.limit_table import LOOK_EVERY, PROBES, SharedTable, born, tag_of
from dwctl.routing.limits import Limits
from dwctl.routing.tally import IDLE
from tests.fakes.clock import FakeClock
from tests.processes import ROOT
from tests.routing.hammer import Found
from tests.waiting import until

PATIENCE = 60.0


def limits(ident: str = "key:a", **values: float) -> Limits:
    """Limits of one thing."""
    return msgspec.convert({"id": ident, **values}, Limits)


class Books:
    """Several processes' books on one table, in this process and with a clock of the test's."""

    def __init__(self, path: Path, workers: int, slots: int = 64) -> None:
        self._path = path
        SharedTable.create(path, workers, slots)
        self.clock = FakeClock(time.monotonic())
        self._opened: list[SharedTable] = []
        self.books = [self.open(worker) for worker in range(workers)]

    def open(self, worker: int) -> LimitBook:
        """A process of this number starts."""
        table = SharedTable(self._path, worker)
        self._opened.append(table)
        return LimitBook(table, self.clock.monotonic)

    def close(self) -> None:
        """Let go of the file."""
        for table in self._opened:
            table.close()


@contextmanager
def books(path: Path, workers: int, slots: int = 64) -> Iterator[Books]:
    """Books that are closed at the end."""
    opened = Books(path / "limits", workers, slots)
    try:
        yield opened
    finally:
        opened.close()


def passes(book: LimitBook, limit: Limits, times: int = 1) -> int:
    """How many of so many calls pass; they do not end."""
    return sum(isinstance(book.admit(None, limit), Slot) for _ in range(times))


def run_hammers(path: Path, limit: Limits, workers: int, seconds: float, hold: float = 0.0) -> list[Found]:
    """What processes find that all ask for the same limit for so long."""
    table = path / "limits"
    SharedTable.create(table, workers)
    command = [sys.executable, "-m", "tests.routing.hammer", str(table)]
    given = msgspec.json.encode(limit).decode()
    environment = {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    with ExitStack() as stack:
        running = [
            stack.enter_context(
                subprocess.Popen(
                    [*command, str(worker), given, "--hold", str(hold)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    env=environment,
                    cwd=ROOT,
                )
            )
            for worker in range(workers)
        ]
        for process in running:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
        end = b"%r\n" % (time.monotonic() + seconds)
        for process in running:
            assert process.stdin is not None
            process.stdin.write(end)
            process.stdin.flush()
        return [
            msgspec.json.decode(process.communicate(timeout=PATIENCE)[0], type=Found) for process in running
        ]


def most_above(passed: list[tuple[float, float]], rate: float) -> float:
    """By how much the fullest window exceeds its rate: the largest count - rate * length.

    When exactly a call was let through, only the book knows: some time between before and after.
    """
    worst = 0.0
    by_end = sorted(passed, key=lambda call: call[1])
    for start, _ in passed:
        count = 0
        for before, after in by_end:
            if before >= start:
                count += 1
                worst = max(worst, count - rate * (after - start))
    return worst


@pytest.mark.parametrize("workers", [2, 4])
def test_a_rate_holds_across_processes_and_is_used_up(tmp_path: Path, workers: int) -> None:
    rate, burst, seconds = 400.0, 20, 1.5
    found = run_hammers(tmp_path, limits(requests_per_second=rate, burst_size=burst), workers, seconds)
    passed = [call for each in found for call in each.passed]
    assert all(each.asked > 1000 for each in found)
    # Calls are whole, so the fullest window misses a part of a unit, and when a call passed is known only about.
    assert burst - 1 < most_above(passed, rate) <= burst + (workers - 1) + 1e-3
    length = max(after for _, after in passed) - min(before for before, _ in passed)
    assert length > 0.8 * seconds
    assert len(passed) >= 0.95 * (burst + rate * length)
    # Not one process alone has had everything.
    assert sum(bool(each.passed) for each in found) == workers


@pytest.mark.parametrize("workers", [2, 4])
def test_slots_hold_across_processes_and_are_used_up(tmp_path: Path, workers: int) -> None:
    most = 10
    found = run_hammers(tmp_path, limits(max_concurrent=most), workers, 1.0, hold=0.01)
    changes = [(after, 1) for each in found for _, after in each.passed]
    changes += [(moment, -1) for each in found for moment in each.ended]
    running = list(accumulate(step for _, step in sorted(changes)))
    assert most <= max(running) <= most + workers - 1
    assert sum(len(each.passed) for each in found) > 200
    assert running[-1] == 0


def test_a_call_at_one_process_counts_at_all(tmp_path: Path) -> None:
    with books(tmp_path, 3) as running:
        one, two, three = running.books
        assert passes(one, limits(requests_per_minute=6), 2) == 2
        assert passes(two, limits(requests_per_minute=6), 3) == 3
        assert passes(three, limits(requests_per_minute=6), 3) == 1
        assert passes(one, limits(requests_per_minute=6)) == 0
        running.clock.advance(20)
        assert passes(two, limits(requests_per_minute=6), 3) == 2
        running.clock.advance(600)
        assert passes(three, limits(requests_per_minute=6), 9) == 6


STEPS = st.lists(
    st.tuples(
        st.integers(0, 2), st.sampled_from(["ask", "ask", "end", "undo"]), st.sampled_from([0, 0.1, 1, 7])
    ),
    max_size=60,
)


@given(steps=STEPS, second=st.sampled_from([0.5, 3]), burst=st.integers(1, 4), tokens=st.integers(20, 200))
def test_processes_that_take_turns_decide_as_one_would(
    steps: list[tuple[int, str, float]], second: float, burst: int, tokens: int
) -> None:
    limit = limits(
        requests_per_second=second,
        burst_size=burst,
        requests_per_minute=20,
        tokens_per_minute=tokens,
        max_concurrent=3,
    )
    with TemporaryDirectory() as folder, books(Path(folder), 3) as running:
        alone = LimitBook(clock=running.clock.monotonic)
        held: list[tuple[Slot, Slot]] = []
        for which, step, pause in steps:
            running.clock.advance(pause)
            if step == "ask":
                pair = running.books[which].admit(None, limit), alone.admit(None, limit)
                assert isinstance(pair[0], Slot) == isinstance(pair[1], Slot)
                if isinstance(pair[0], Slot) and isinstance(pair[1], Slot):
                    held.append((pair[0], pair[1]))
            elif held:
                for slot in held.pop(0):
                    if step == "end":
                        slot.release(17)
                    else:
                        slot.undo()


def test_tokens_and_slots_of_one_process_count_at_all(tmp_path: Path) -> None:
    with books(tmp_path, 2) as running:
        one, two = running.books
        held = one.admit(None, limits(tokens_per_minute=60, max_concurrent=1))
        assert isinstance(held, Slot)
        assert passes(two, limits(tokens_per_minute=60, max_concurrent=1)) == 0
        held.release(70)
        assert passes(two, limits(tokens_per_minute=60, max_concurrent=1)) == 0
        running.clock.advance(11.5)
        assert passes(two, limits(tokens_per_minute=60, max_concurrent=1), 2) == 1


def test_a_change_reaches_the_processes_one_after_another_and_refills_nothing(tmp_path: Path) -> None:
    with books(tmp_path, 2) as running:
        one, two = running.books
        old, new = limits(requests_per_minute=4), limits(requests_per_minute=6)
        assert passes(one, old, 3) == 3
        assert passes(two, old) == 1
        assert passes(one, new, 3) == 2
        assert passes(two, old) == 0
        assert passes(two, new) == 0
        running.clock.advance(10)
        assert passes(two, new, 2) == 1
        assert passes(one, new) == 0


def test_the_slots_of_a_process_that_died_come_back(tmp_path: Path) -> None:
    """A process that is killed while it holds every slot; another asks on."""
    table = tmp_path / "limits"
    SharedTable.create(table, 2)
    limit = limits(max_concurrent=3)
    command = [sys.executable, "-m", "tests.routing.hammer", str(table), "1"]
    given = [msgspec.json.encode(limit).decode(), "--hold", "1000"]
    environment = {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    mine = SharedTable(table, 0)
    clock = FakeClock(time.monotonic())
    book = LimitBook(mine, clock.monotonic)
    with subprocess.Popen(
        [*command, *given], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == b"ready\n"
        process.stdin.write(b"%r\n" % (time.monotonic() + PATIENCE))
        process.stdin.flush()
        until(lambda: not taken_or_given_back(book, limit), "the other process has every slot")
        clock.advance(2 * LOOK_EVERY)
        assert passes(book, limit) == 0
        process.kill()
        process.wait()
    assert born(process.pid) == 0
    assert passes(book, limit) == 0, "it was looked at a moment ago"
    clock.advance(2 * LOOK_EVERY)
    assert passes(book, limit) == 1
    # Whoever takes the dead one's place is seen at once.
    theirs = SharedTable(table, 1)
    assert passes(LimitBook(theirs, clock.monotonic), limit, 5) == 2
    assert passes(book, limit) == 0
    theirs.close()
    mine.close()


def taken_or_given_back(book: LimitBook, limit: Limits) -> bool:
    """Whether one more call would pass."""
    answer = book.admit(None, limit)
    if isinstance(answer, Slot):
        answer.undo()
        return True
    return False


def test_a_process_that_comes_back_goes_on_counting_without_its_old_slots(tmp_path: Path) -> None:
    with books(tmp_path, 2) as running:
        limit = limits(requests_per_minute=10, max_concurrent=4)
        assert passes(running.books[1], limit, 3) == 3
        assert passes(running.books[0], limit, 3) == 1
        again = running.open(1)
        assert passes(again, limit, 9) == 3
        assert passes(again, limits(requests_per_minute=10), 9) == 3
        assert passes(running.books[0], limits(requests_per_minute=10)) == 0


def test_a_full_table_leaves_each_process_its_part(tmp_path: Path) -> None:
    with books(tmp_path, 4, slots=1) as running:
        one, two, *_ = running.books
        assert passes(one, limits("key:first", max_concurrent=1)) == 1
        assert (one.unshared, two.unshared) == (0, 0)
        crowded = limits("key:second", requests_per_minute=40, max_concurrent=100)
        assert passes(one, crowded, 20) == 10
        assert one.unshared == 1
        # A change keeps it to its part.
        assert passes(one, limits("key:second", max_concurrent=8), 20) == 0
        assert passes(two, limits("key:third", max_concurrent=8), 9) == 8


def test_places_of_idle_limits_are_used_again(tmp_path: Path) -> None:
    with books(tmp_path, 2, slots=4 * PROBES) as running:
        one, two = running.books
        for number in range(20 * PROBES):
            running.clock.advance(IDLE / 5)
            for book in (one, two):
                answer = book.admit(None, limits(f"key:{number}", requests_per_second=1, max_concurrent=1))
                if isinstance(answer, Slot):
                    answer.release()
        assert one.unshared == 0
        assert len(one) <= 2 * PROBES


def test_a_limit_that_another_process_uses_is_not_forgotten_here(tmp_path: Path) -> None:
    with books(tmp_path, 2) as running:
        one, two = running.books
        slow = limits("key:slow", requests_per_second=0.01, burst_size=2)
        assert passes(one, slow) == 1
        for number in range(30):
            running.clock.advance(5)
            passes(one, limits(f"key:{number}", max_concurrent=1))
            if number == 20:
                assert passes(two, slow, 3) == 2
        assert passes(one, slow) == 0


def test_a_table_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "limits"
    path.write_bytes(bytes(8192))
    with pytest.raises(ValueError, match="is not a table of limits for process 0"):
        SharedTable(path, 0)
    SharedTable.create(path, 2)
    with pytest.raises(ValueError, match="is not a table of limits for process 2"):
        SharedTable(path, 2)
    with pytest.raises(ValueError, match="a power of two of slots"):
        SharedTable.create(path, 2, 100)
    with pytest.raises(ValueError, match="expected 1 to"):
        SharedTable.create(path, 0)


def test_tags_are_the_same_in_every_process_and_never_none() -> None:
    tags = {tag_of(f"key:{number}") for number in range(1000)}
    assert len(tags) == 1000
    assert 0 not in tags
    assert tag_of("key:a") == int.from_bytes(bytes.fromhex("9f113f116d4e73bc"), signed=True)
