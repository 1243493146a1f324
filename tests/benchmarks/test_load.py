"""Load generator and fake upstream against each other: both count the same, and nothing wrong goes unseen."""

import http.server
import json
import threading
from pathlib import Path
from typing import ClassVar

import pytest
from benchmarks.contestants.contestant import free_port
from benchmarks.load import Door, Load, LoadReport, run_load
from benchmarks.programs import Programs
from benchmarks.upstream import Upstream, UpstreamCounts, UpstreamOptions

pytestmark = pytest.mark.long


def exchange(
    programs: Programs, load: Load, options: UpstreamOptions, path: str = "/v1/chat/completions"
) -> tuple[LoadReport, UpstreamCounts]:
    with Upstream(programs.upstream, options) as upstream:
        report = run_load(programs.loadgen, load, Door(port=upstream.port, path=path), options)
        return report, upstream.counts()


def test_both_sides_count_the_same_plain_replies(programs: Programs) -> None:
    report, counts = exchange(programs, Load(seconds=0.5, connections=16), UpstreamOptions())
    assert report.failures == {}
    assert report.requests == report.right == counts.served == counts.endpoints["chat"] > 100
    assert report.connections_opened == counts.connections == 16
    assert report.latency_us is not None
    assert 0 < report.latency_us.p50 <= report.latency_us.p99 <= report.latency_us.max
    assert report.latency_us.count == report.right


def test_both_sides_count_the_same_chunks(programs: Programs) -> None:
    load = Load(mode="sse", seconds=0.5, connections=16, ask_usage=True)
    report, counts = exchange(programs, load, UpstreamOptions(chunks=20))
    assert report.failures == {}
    assert report.requests == report.right == counts.served == counts.streams > 10
    assert report.chunks == counts.chunks == 20 * report.right
    assert report.first_chunk_us is not None
    assert report.chunk_gap_us is not None
    assert report.first_chunk_us.count == report.right
    assert report.chunk_gap_us.count == 19 * report.right


@pytest.mark.parametrize(
    ("mode", "damage", "seen_as"),
    [
        ("json", "content", "content"),
        ("json", "status", "status"),
        ("json", "truncate", "closed"),
        ("sse", "content", "content"),
        ("sse", "status", "status"),
        ("sse", "truncate", "closed"),
        ("sse", "event", "events"),
        ("sse", "done", "events"),
    ],
)
def test_every_spoiled_reply_is_found(programs: Programs, mode: str, damage: str, seen_as: str) -> None:
    load = Load(mode="sse" if mode == "sse" else "json", seconds=10, count=200, connections=8)
    report, counts = exchange(programs, load, UpstreamOptions(damage_every=10, damage=damage))
    assert counts.inference == report.requests == 200
    assert counts.damaged == 20
    assert report.failures == {seen_as: 20}
    assert report.right == 180


@pytest.mark.parametrize("size", [1, 5_000, 70_000, 1_000_000])
def test_bodies_of_any_size_arrive(programs: Programs, size: int) -> None:
    load = Load(seconds=10, count=20, connections=4, body_bytes=size)
    report, counts = exchange(programs, load, UpstreamOptions(content=min(size, 60_000)))
    assert report.failures == {}
    assert report.right == counts.served == 20


def test_a_wrong_address_is_an_error_of_status(programs: Programs) -> None:
    report, counts = exchange(programs, Load(seconds=5, count=10), UpstreamOptions(), path="/v1/nothing")
    assert report.failures == {"status": 10}
    assert report.first_wrong_status == 404
    assert counts.endpoints["unknown"] == 10


def test_a_longer_reply_than_expected_is_an_error(programs: Programs) -> None:
    with Upstream(programs.upstream, UpstreamOptions(content=700)) as upstream:
        load = Load(seconds=5, count=10)
        report = run_load(programs.loadgen, load, Door(port=upstream.port), UpstreamOptions(content=600))
    assert report.failures == {"content": 10}


def test_nobody_listening_is_an_error_and_ends_in_time(programs: Programs) -> None:
    # It is ended and raises when it lasts much longer.
    load = Load(seconds=0.3, connections=4, timeout=1)
    report = run_load(programs.loadgen, load, Door(port=free_port()), UpstreamOptions())
    assert set(report.failures) == {"connect"}
    assert report.right == 0


def test_an_open_loop_counts_latency_from_when_a_request_was_due(programs: Programs) -> None:
    """One connection serves 50 a second while 200 a second are due: the last waits for all before it."""
    load = Load(seconds=0.25, rate=200, connections=1)
    report, counts = exchange(programs, load, UpstreamOptions(delay_ms=20))
    assert report.failures == {}
    assert report.right == counts.served == 50
    assert report.latency_us is not None
    assert report.latency_us.max > 700_000
    assert report.latency_us.p50 > 300_000
    assert report.per_second < 100


def test_an_open_loop_keeps_its_rate_when_it_can(programs: Programs) -> None:
    load = Load(seconds=0.5, rate=400, connections=64)
    report, counts = exchange(programs, load, UpstreamOptions(delay_ms=5))
    assert report.requests == report.right == counts.served == 200
    assert report.latency_us is not None
    assert report.latency_us.p50 >= 5_000


def test_replies_that_do_not_come_are_given_up(programs: Programs) -> None:
    load = Load(seconds=0.2, rate=50, connections=2, timeout=0.3)
    report, counts = exchange(programs, load, UpstreamOptions(delay_ms=60_000))
    assert report.failures == {"timeout": 10}
    assert counts.served == 0
    assert counts.aborted == counts.received


def test_a_paced_stream_arrives_at_its_pace(programs: Programs) -> None:
    load = Load(mode="sse", seconds=0.1, connections=10)
    report, _ = exchange(programs, load, UpstreamOptions(chunks=10, pace_ms=20))
    assert report.failures == {}
    assert report.latency_us is not None
    assert report.chunk_gap_us is not None
    assert report.latency_us.p50 >= 200_000
    assert report.chunk_gap_us.p50 >= 15_000


def test_a_stamped_chunk_tells_its_time_and_a_stamp_that_is_missing_is_found(programs: Programs) -> None:
    load = Load(mode="sse", seconds=10, count=10, connections=2)
    report, _ = exchange(programs, load, UpstreamOptions(chunks=10, stamp=True))
    assert report.failures == {}
    assert report.chunk_delay_us is not None
    assert report.chunk_delay_us.count == 100
    assert 0 < report.chunk_delay_us.p50 < report.chunk_delay_us.max
    with Upstream(programs.upstream, UpstreamOptions(chunks=10)) as upstream:
        door, options = Door(port=upstream.port), UpstreamOptions(chunks=10, stamp=True)
        unstamped = run_load(programs.loadgen, load, door, options)
    assert unstamped.failures == {"content": 10}


def test_a_ramp_lets_connections_begin_one_after_the_other(programs: Programs) -> None:
    load = Load(seconds=10, count=10, connections=10, ramp=0.5)
    report, counts = exchange(programs, load, UpstreamOptions())
    assert report.failures == {}
    assert counts.served == 10
    assert report.elapsed >= 0.45


class Recorder(http.server.BaseHTTPRequestHandler):
    """Another server's view of the requests."""

    protocol_version = "HTTP/1.1"
    seen: ClassVar[list[tuple[str, str | None, int]]] = []

    def setup(self) -> None:
        super().setup()
        self.seen.clear()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.seen.append((json.loads(body)["model"], self.headers["authorization"], len(body)))
        self.send_response(204)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing is printed."""


def test_requests_are_spread_over_models_and_carry_headers_and_sizes(programs: Programs) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Recorder) as server:
        threading.Thread(target=server.serve_forever).start()
        door = Door(port=server.server_port, headers=("Authorization: Bearer sk-x",))
        load = Load(seconds=5, count=30, connections=1, models=("one", "two", "three"), body_bytes=2_000)
        report = run_load(programs.loadgen, load, door, UpstreamOptions())
        server.shutdown()
    assert report.failures == {"status": 30}
    assert Recorder.seen == [(model, "Bearer sk-x", 2_000) for model in load.models] * 10


def test_models_and_keys_are_taken_in_turn_and_kept_for_a_while(programs: Programs, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("\n".join(f"sk-{number}" for number in range(4)), encoding="ascii")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Recorder) as server:
        threading.Thread(target=server.serve_forever).start()
        door = Door(port=server.server_port, keys=keys, models=("one", "two"))
        load = Load(seconds=20, count=16, connections=1, stay=2)
        run_load(programs.loadgen, load, door, UpstreamOptions())
        server.shutdown()
    pairs = [("one", "sk-0"), ("two", "sk-1"), ("one", "sk-2"), ("two", "sk-3")] * 2
    assert [(model, key) for model, key, _ in Recorder.seen] == [
        (model, f"Bearer {key}") for model, key in pairs for _ in range(2)
    ]
