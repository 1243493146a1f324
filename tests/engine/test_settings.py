"""Settings of durable work."""

from pathlib import Path

import msgspec
import pytest

from dwctl.core.errors import SetupError
from dwctl.engine.worker_settings import BatchDaemonSettings
from dwctl.requests.queue.windows import LONGEST, seconds_of
from dwctl.routing.snapshot import Timeouts
from dwctl.server.settings import read


def loaded(tmp_path: Path, text: str) -> object:
    file = tmp_path / "config.yaml"
    file.write_text(f"batches:\n  {text}\n", encoding="utf-8")
    settings, _ = read(file, {}, {})
    return settings.batches


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("allowed_completion_windows: []", "allowed_completion_windows"),
        ("allowed_completion_windows: [24h, soon]", "allowed_completion_windows"),
        ("window_relaxation_factors: {24h: -0.1}", "window_relaxation_factors"),
        ("window_relaxation_factors: {24h: .nan}", "window_relaxation_factors"),
        ("allowed_url_paths: []", "allowed_url_paths"),
        ("default_throughput: -1", "default_throughput"),
        ("default_throughput: .nan", "default_throughput"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, text: str, name: str) -> None:
    with pytest.raises(SetupError, match=f"batches.{name}: expected"):
        loaded(tmp_path, text)


def test_factors_by_window(tmp_path: Path) -> None:
    settings = loaded(tmp_path, "window_relaxation_factors: {1h: 1, 24h: 1.25}")
    assert getattr(settings, "window_relaxation_factors", None) == {"1h": 1.0, "24h": 1.25}


@pytest.mark.parametrize(
    ("window", "seconds"),
    [
        ("1s", 1), ("90m", 5400), ("24h", 86_400), ("7d", 604_800), (f"{LONGEST}s", LONGEST), (f"{LONGEST + 1}s", None),
        ("0h", None), ("-1h", None), ("1.5h", None), ("1h30m", None), ("h", None), ("24", None), ("24H", None),
        (" 24h", None), ("24h\n", None), ("\u0661h", None), ("", None),
    ],
)  # fmt: skip
def test_windows(window: str, seconds: int | None) -> None:
    assert seconds_of(window) == seconds


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("floor: 0", "floor"), ("decrease: 1.5", "decrease"), ("margin: 0", "margin"), ("pause: -1", "pause"),
        ("tolerance: 0.9", "tolerance"), ("alarm: .nan", "alarm"),
        ("alarm: .inf", "adaptive: expected numbers"), ("ceiling: 4", "ceiling"),
    ],
)  # fmt: skip
def test_a_limit_that_cannot_move_is_refused(tmp_path: Path, text: str, field: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(f"background_services: {{batch_daemon: {{adaptive: {{{text}}}}}}}\n", encoding="utf-8")
    with pytest.raises(SetupError, match=field):
        read(file, {}, {})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, Timeouts(first_byte=86_400, idle=86_400, total=172_800)),
        (
            {"first_chunk_timeout_ms": 500, "chunk_timeout_ms": 250, "body_timeout_ms": 1500},
            Timeouts(first_byte=0.5, idle=0.25, total=2.0),
        ),
        (
            {"first_chunk_timeout_ms": 500, "chunk_timeout_ms": 250, "timeout_ms": 900},
            Timeouts(idle=0.25, total=0.9),
        ),
    ],
)
def test_limits_of_time_of_a_try(given: dict[str, int], expected: Timeouts) -> None:
    assert msgspec.convert(given, BatchDaemonSettings).timeouts == expected
