"""Scenarios that are more than one load, small, against the fake upstream and a real dwctl."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from benchmarks.contestants.contestant import Contestant, Place, free_port
from benchmarks.contestants.direct import Direct
from benchmarks.contestants.dwctl import Dwctl, data_dir
from benchmarks.contestants.filling import Filling
from benchmarks.load import Load
from benchmarks.programs import Programs
from benchmarks.running import Running
from benchmarks.scenarios.beside import BESIDE_1MB, LARGE
from benchmarks.scenarios.cancel import CANCEL
from benchmarks.scenarios.key_effect import KEY_EFFECT, quantile
from benchmarks.scenarios.recorded import RECORDED_2K
from benchmarks.scenarios.streams import IdleStreams, paced
from benchmarks.stage import Stage
from benchmarks.upstream import Upstream, UpstreamOptions

from benchmarks import cores

# They say whether the instruments are right, and run for as long as a measure takes.
pytestmark = pytest.mark.long


@contextmanager
def stage(
    programs: Programs, contestant: Contestant, options: UpstreamOptions, seconds: float = 0.5
) -> Iterator[Stage]:
    with (
        tempfile.TemporaryDirectory(prefix="dwctl-bench-") as scratch,
        Upstream(programs.upstream, options) as upstream,
    ):
        folder = Path(scratch)
        folder.chmod(0o755)  # a database server that runs as another user must get in
        place = Place(port=free_port(), upstream_port=upstream.port, scratch=folder, cache=folder)
        with Running(contestant, place, cores.choose()) as running:
            yield Stage(
                running,
                upstream,
                programs,
                cores.choose(),
                seconds=seconds,
                warm_up=0.1,
                rows_in=data_dir(place) if contestant.kind == "ours" else None,
            )


def test_paced_streams_tell_how_long_each_chunk_was_on_its_way(programs: Programs) -> None:
    scenario = paced(1, streams=20, ramp=0.2)
    with stage(programs, Direct(), scenario.upstream) as direct:
        figures = scenario.measure(direct)
    assert figures["errors"] == figures["unexplained"] == 0
    assert figures["requests"] == 20
    assert 0 < (figures["chunk_delay_p50_ms"] or 0) <= (figures["chunk_delay_p99_ms"] or 0)


def test_idle_streams_cost_memory_and_are_all_right_in_the_end(programs: Programs) -> None:
    scenario = IdleStreams(streams=50, ramp=1)
    with stage(programs, Dwctl(), scenario.upstream) as ours:
        figures = scenario.measure(ours)
    assert figures["errors"] == figures["unexplained"] == 0
    assert (figures["before_mb"] or 0) > 10
    assert figures["stream_kb"] is not None


def test_large_prompts_beside_small_ones_are_counted_apart(programs: Programs) -> None:
    with stage(programs, Direct(), BESIDE_1MB.upstream, seconds=1) as direct:
        figures = BESIDE_1MB.measure(direct)
    assert figures["errors"] == figures["unexplained"] == 0
    assert figures["upstream_requests"] == (figures["requests"] or 0) + LARGE / 2
    assert (figures["p99_ratio"] or 0) > 0


def test_all_keys_and_models_of_a_filled_gateway_are_used(programs: Programs) -> None:
    filled = Dwctl(furnish=Filling(keys=30, models=10))
    with stage(programs, filled, UpstreamOptions()) as ours:
        report = ours.send(Load(seconds=30, count=60, connections=4, stay=2))
        door = ours.running.door
    assert report.failures == {}
    assert report.right == 60
    assert door.keys is not None
    assert len(door.models) == 10
    assert door.headers == ()


def test_a_key_that_is_made_and_revoked_reaches_every_worker(programs: Programs) -> None:
    two = Dwctl(workers=2, both_cores=True)
    with stage(programs, two, KEY_EFFECT.upstream) as ours:
        figures = KEY_EFFECT.measure(ours)
    assert (figures["keys"] or 0) >= 1
    assert (figures["effect_p99_ms"] or 0) > 0


def test_calls_of_a_priced_model_are_charged(programs: Programs) -> None:
    with stage(programs, Dwctl(furnish=Filling(keys=1, models=1, priced=True)), UpstreamOptions()) as ours:
        seen = ours.observe(Load(seconds=30, count=20, connections=2))
        place = ours.running.door
    assert (seen.report.failures, seen.rows_missing, place.models) == ({}, 0, ("bench-0000",))


def test_streams_are_left_until_the_upstream_has_seen_it(programs: Programs) -> None:
    with stage(programs, Dwctl(), CANCEL.upstream) as ours:
        figures = CANCEL.measure(ours)
    assert figures["errors"] == figures["unexplained"] == 0
    assert (figures["left"] or 0) >= 1
    assert 0 < (figures["cancel_p50_ms"] or 0) <= (figures["cancel_p99_ms"] or 0)


def test_recorded_bodies_are_measured_below_the_limit_that_was_found(programs: Programs) -> None:
    with stage(programs, Dwctl(), RECORDED_2K.upstream) as ours:
        figures = RECORDED_2K.measure(ours)
    assert figures["shed"] == 0
    assert (figures["limit_per_second"] or 0) > 0
    assert (figures["upstream_requests"] or 0) <= (figures["limit_per_second"] or 0)


@pytest.mark.parametrize(("share", "value"), [(0.0, 1), (0.5, 5), (0.9, 9), (0.99, 10), (1.0, 10)])
def test_a_quantile_is_one_of_the_values(share: float, value: float) -> None:
    assert quantile(list(range(10, 0, -1)), share) == value
