"""dwctl over HTTP: a file is uploaded, a batch made of it and run with charges, its output read."""

import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from benchmarks import cores, processes, programs
from benchmarks.contestants.contestant import Place, free_port
from benchmarks.contestants.dwctl import Dwctl
from benchmarks.contestants.filling import Filling
from benchmarks.durable.api import Api, write
from benchmarks.durable.backlog import Figures
from benchmarks.durable.uploading import BesideUploads
from benchmarks.failures import Broken
from benchmarks.running import Running
from benchmarks.upstream import Upstream, UpstreamOptions

MODEL = "bench-0000"
CONCURRENCY = 128
SETTINGS = (
    ("DWCTL_LIMITS__FILES__MAX_FILE_SIZE", str(64 * 1024**3)),
    ("DWCTL_BACKGROUND_SERVICES__BATCH_DAEMON__DEFAULT_MODEL_CONCURRENCY", str(CONCURRENCY)),
)
CONTESTANT = Dwctl(
    name="dwctl-batches", settings=SETTINGS, furnish=Filling(keys=1, models=1, priced=True), both_cores=True
)


def measure(*, lines: int, rounds: int, say: Callable[[str], None], copies: int = 1) -> Figures:
    """Figures of each round; a round is a new start with an empty database.

    With several `copies` the upload that is measured is so many times as long as the batch's file.
    """
    figures: Figures = {}
    here = cores.choose()
    built = programs.build()
    for number in range(rounds):
        say(f"round {number + 1}: HTTP: {lines:,} lines")
        options = UpstreamOptions()
        with (
            Upstream(built.upstream, options) as upstream,
            tempfile.TemporaryDirectory(prefix="dwctl-bench-") as scratch,
        ):
            Path(scratch).chmod(0o755)  # a database server that runs as another user must get in
            place = Place(
                port=free_port(), upstream_port=upstream.port, scratch=Path(scratch), cache=Path(scratch)
            )
            cores.go_first(upstream.pid)
            with Running(CONTESTANT, place, here) as running:
                if running.pid is None:
                    raise Broken("dwctl did not start")
                for each in processes.tree(running.pid):
                    cores.release(each.pid)
                beside = BesideUploads(built.loadgen, running.door, options)
                turn = _Turn(running, running.pid, Path(scratch), beside, say)
                for name, value in turn.run(lines, copies).items():
                    figures.setdefault(name, []).append(value)
    return figures


class _Turn:
    """From the upload to the output's last line."""

    def __init__(
        self, running: Running, pid: int, scratch: Path, beside: BesideUploads, say: Callable[[str], None]
    ) -> None:
        if running.door.keys is None:
            raise Broken("no key was made")
        self._api = Api(running.door.port, running.door.keys.read_text(encoding="ascii").split()[0])
        self._pid = pid
        self._scratch = scratch
        self._beside = beside
        self._say = say

    def run(self, lines: int, copies: int) -> dict[str, float]:
        """All figures of it."""
        api = self._api
        source = self._scratch / "in.jsonl"
        write(source, lines, MODEL)
        with _Memory(self._pid) as memory:
            began, before = time.perf_counter(), processes.cpu_seconds(self._pid)
            file_id = api.upload(source, copies)
            took, spent = time.perf_counter() - began, processes.cpu_seconds(self._pid).since(before)
        sent = lines * copies
        found = {
            "ingest_rate": sent / took,
            "ingest_own_us": spent.own / sent * 1e6,
            "ingest_postgres_us": spent.postgres / sent * 1e6,
            "ingest_mb": memory.added_mb,
        }
        self._say("  interactive calls alone, and beside uploads")
        found |= self._beside.compare(lambda enough: self._upload_on(source, copies, enough))
        if copies > 1:
            api.delete(file_id)
            file_id = api.upload(source)
        source.unlink()
        self._say("  a batch over the file")
        began, before = time.perf_counter(), processes.cpu_seconds(self._pid)
        batch_id = api.batch(file_id)
        api.until(batch_id, lambda seen: seen["status"] != "validating")
        took, spent = time.perf_counter() - began, processes.cpu_seconds(self._pid).since(before)
        found |= {"created_s": took * 1e6 / lines, "created_postgres_us": spent.postgres / lines * 1e6}
        first = api.until(batch_id, lambda seen: seen["request_counts"]["completed"] > 0)
        began, before = time.perf_counter(), processes.cpu_seconds(self._pid)
        last = api.until(batch_id, lambda seen: seen["status"] not in ("in_progress", "finalizing"))
        took, spent = time.perf_counter() - began, processes.cpu_seconds(self._pid).since(before)
        ended = last["request_counts"]["completed"]
        if ended != lines:
            raise Broken(f"{ended} of {lines} lines were completed: {last['status']}")
        done = ended - first["request_counts"]["completed"]
        found |= {
            "http_rate": done / took,
            "http_own_us": spent.own / done * 1e6,
            "http_postgres_us": spent.postgres / done * 1e6,
        }
        with _Memory(self._pid) as memory:
            began = time.perf_counter()
            read = api.lines(last["output_file_id"])
            took = time.perf_counter() - began
        if read != lines:
            raise Broken(f"the output file has {read} lines of {lines}")
        return found | {"download_mb": memory.added_mb, "download_rate": lines / took}

    def _upload_on(self, source: Path, copies: int, enough: Callable[[], bool]) -> None:
        """One file after the other until it is enough."""
        while True:
            self._api.delete(self._api.upload(source, copies, enough))


class _Memory:
    """By how much the processes but PostgreSQL's grow in the meantime, at most."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._over = threading.Event()
        self._watching = threading.Thread(target=self._watch)
        self._before = self._most = 0.0

    @property
    def added_mb(self) -> float:
        """Megabytes."""
        return max(0.0, self._most - self._before) / 1e6

    def __enter__(self) -> Self:
        self._before = processes.memory_bytes(self._pid).own
        self._watching.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self._over.set()
        self._watching.join()

    def _watch(self) -> None:
        while not self._over.wait(0.1):
            self._most = max(self._most, processes.memory_bytes(self._pid).own)
