"""Background streams in numbers: each ends as its client was promised, whatever is killed. Decision 0039."""

import sys
from pathlib import Path

import pytest

from dwctl.requests.record import State
from tests.chaos.background import WORDS, Found, measure, overrun

pytestmark = pytest.mark.xdist_group("chaos")

UNFINISHED = ("queued", "in_progress")


def check(found: Found) -> None:
    """Each call has ended as its client was promised."""
    for call in found.calls:
        row = found.rows[call.name or ""]
        if row["state"] == State.COMPLETED:
            assert (call.end, call.status) == ("response.completed", "completed")
            assert sum(b'"response.output_text.delta"' in line for line in call.seen) == len(WORDS)
        elif row["state"] == State.CANCELED:
            assert call.canceled is not None
            assert (call.end, call.status) == ("response.incomplete", "cancelled")
        else:
            # Only what had been shown when its process was killed.
            assert (row["state"], row["error_code"], call.end) == (
                State.FAILED, "interrupted", "response.failed"
            )  # fmt: skip
            assert len(call.seen) > 3
        if call.canceled is not None:
            assert call.canceled.said == call.status, f"{call.name}: its cancellation told another end"
        ends = [status for status in call.polled if status not in UNFINISHED]
        assert set(ends) == {call.status}, f"{call.name}: polled {call.polled}"
        assert call.polled == sorted(call.polled, key=_order), f"{call.name}: went back, {call.polled}"


def _order(status: str) -> int:
    return UNFINISHED.index(status) if status in UNFINISHED else len(UNFINISHED)


def judge(found: Found, streams: int) -> None:
    """The figures are those of the measure."""
    sys.stdout.write(f"{found.figures()}\n")
    check(found)
    ends = [call.end for call in found.calls]
    assert ends.count("response.failed") > 0
    assert len(ends) - ends.count("response.failed") >= streams
    assert ends.count("response.completed") >= streams * 3 // 4
    late = list(overrun(found))
    assert len(late) >= streams // 20
    assert max(late) <= 1.0
    assert found.house.counts["left"] >= streams // 10


@pytest.mark.long
async def test_every_stream_ends_and_no_reader_misses_anything(data_dir: Path) -> None:
    judge(await measure(data_dir, 300, 10.0, 240.0), 300)


@pytest.mark.soak
async def test_two_thousand_streams_at_a_time(data_dir: Path) -> None:
    judge(await measure(data_dir, 2000, 40.0, 600.0), 2000)
