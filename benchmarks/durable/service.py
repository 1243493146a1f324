"""dwctl over HTTP: a file is uploaded, a batch made of it and run with charges, its output read."""

import http.client
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import msgspec

from benchmarks import cores, processes, programs
from benchmarks.contestants.contestant import Place, free_port
from benchmarks.contestants.dwctl import Dwctl
from benchmarks.contestants.filling import Filling
from benchmarks.durable.backlog import Figures
from benchmarks.durable.beside import Beside, until_told
from benchmarks.failures import Broken
from benchmarks.running import Running
from benchmarks.upstream import Upstream, UpstreamOptions

MODEL = "bench-0000"
LINE = 1_024
CONCURRENCY = 128
SETTINGS = (
    ("DWCTL_LIMITS__FILES__MAX_FILE_SIZE", str(64 * 1024**3)),
    ("DWCTL_BACKGROUND_SERVICES__BATCH_DAEMON__DEFAULT_MODEL_CONCURRENCY", str(CONCURRENCY)),
)
CONTESTANT = Dwctl(
    name="dwctl-batches", settings=SETTINGS, furnish=Filling(keys=1, models=1, priced=True), both_cores=True
)
PIECE = 1 << 20
WITHIN = 3_600.0
_BOUNDARY = "bench-boundary"
_HEAD = (
    f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
    f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="in.jsonl"\r\n\r\n'
).encode()
_TAIL = f"\r\n--{_BOUNDARY}--\r\n".encode()


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
            with Running(CONTESTANT, place, here) as running:
                if running.pid is None:
                    raise Broken("dwctl did not start")
                for each in processes.tree(running.pid):
                    cores.release(each.pid)
                beside = Beside(built.loadgen, running.door, options)
                turn = _Turn(running, running.pid, Path(scratch), beside, say)
                for name, value in turn.run(lines, copies).items():
                    figures.setdefault(name, []).append(value)
    return figures


class _Turn:
    """From the upload to the output's last line."""

    def __init__(
        self, running: Running, pid: int, scratch: Path, beside: Beside, say: Callable[[str], None]
    ) -> None:
        if running.door.keys is None:
            raise Broken("no key was made")
        self._port = running.door.port
        self._key = running.door.keys.read_text(encoding="ascii").split()[0]
        self._pid = pid
        self._scratch = scratch
        self._beside = beside
        self._say = say

    def run(self, lines: int, copies: int) -> dict[str, float]:
        """All figures of it."""
        source = self._scratch / "in.jsonl"
        _write(source, lines)
        with _Memory(self._pid) as memory:
            began, before = time.perf_counter(), processes.cpu_seconds(self._pid)
            file = self._call("POST", "/files", _form(source, copies), _size(source, copies))
            took, spent = time.perf_counter() - began, processes.cpu_seconds(self._pid).since(before)
        sent = lines * copies
        found = {
            "ingest_rate": sent / took,
            "ingest_own_us": spent.own / sent * 1e6,
            "ingest_postgres_us": spent.postgres / sent * 1e6,
            "ingest_mb": memory.added_mb,
        }
        self._say("  interactive calls alone, and beside uploads")
        found |= {"alone_p99_ms": self._beside.p99_ms()}
        found |= {
            "beside_p99_ms": self._beside.during(lambda enough: self._upload_on(source, copies, enough))
        }
        found |= {"beside_share": found["beside_p99_ms"] / found["alone_p99_ms"]}
        if copies > 1:
            self._call("DELETE", f"/files/{file['id']}")
            file = self._call("POST", "/files", _form(source, 1), _size(source, 1))
        source.unlink()
        self._say("  a batch over the file")
        began, before = time.perf_counter(), processes.cpu_seconds(self._pid)
        batch = self._call(
            "POST",
            "/batches",
            msgspec.json.encode(
                {
                    "input_file_id": file["id"],
                    "endpoint": "/v1/chat/completions",
                    "completion_window": "24h",
                }
            ),
        )
        self._until(batch["id"], lambda seen: seen["status"] != "validating")
        took, spent = time.perf_counter() - began, processes.cpu_seconds(self._pid).since(before)
        found |= {"created_s": took * 1e6 / lines, "created_postgres_us": spent.postgres / lines * 1e6}
        first = self._until(batch["id"], lambda seen: seen["request_counts"]["completed"] > 0)
        began, before = time.perf_counter(), processes.cpu_seconds(self._pid)
        last = self._until(batch["id"], lambda seen: seen["status"] not in ("in_progress", "finalizing"))
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
            read = self._read(f"/files/{last['output_file_id']}/content")
            took = time.perf_counter() - began
        if read != lines:
            raise Broken(f"the output file has {read} lines of {lines}")
        return found | {"download_mb": memory.added_mb, "download_rate": lines / took}

    def _upload_on(self, source: Path, copies: int, enough: Callable[[], bool]) -> None:
        """One file after the other until it is enough."""
        while True:
            form = until_told(_form(source, copies), enough)
            file = self._call("POST", "/files", form, _size(source, copies))
            self._call("DELETE", f"/files/{file['id']}")

    def _until(self, batch_id: str, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        deadline = time.monotonic() + WITHIN
        while time.monotonic() < deadline:
            seen = self._call("GET", f"/batches/{batch_id}")
            if condition(seen):
                return seen
            time.sleep(0.1)
        raise Broken(f"the batch did not come on within {WITHIN:g} s")

    def _call(
        self, method: str, path: str, body: bytes | Iterator[bytes] | None = None, length: int | None = None
    ) -> dict[str, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=WITHIN)
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        if length is not None:
            headers |= {
                "Content-Type": f"multipart/form-data; boundary={_BOUNDARY}",
                "Content-Length": str(length),
            }
        try:
            connection.request(method, f"/ai/v1{path}", body, headers)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if answer.status >= http.HTTPStatus.BAD_REQUEST:
            raise Broken(f"{method} {path}: {answer.status} {content[:500].decode(errors='replace')}")
        return msgspec.json.decode(content, type=dict[str, Any])

    def _read(self, path: str) -> int:
        """How many lines a download has."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=WITHIN)
        try:
            connection.request("GET", f"/ai/v1{path}", headers={"Authorization": f"Bearer {self._key}"})
            answer = connection.getresponse()
            lines = 0
            while piece := answer.read(PIECE):
                lines += piece.count(b"\n")
        finally:
            connection.close()
        return lines


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


def _write(path: Path, lines: int) -> None:
    request = {
        "custom_id": f"line-{0:09}",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {"model": MODEL, "messages": [{"role": "user", "content": ""}], "max_tokens": 64},
    }
    before, _, after = msgspec.json.encode(request).partition(b"line-000000000")
    text = b'"content":"'
    after = after.replace(text, text + b"x" * (LINE - len(before) - len(after) - 15), 1)
    with path.open("wb") as file:
        for number in range(lines):
            file.write(b"%bline-%09d%b\n" % (before, number, after))


def _form(path: Path, copies: int) -> Iterator[bytes]:
    yield _HEAD
    for _ in range(copies):
        with path.open("rb") as file:
            while piece := file.read(PIECE):
                yield piece
    yield _TAIL


def _size(path: Path, copies: int) -> int:
    return len(_HEAD) + copies * path.stat().st_size + len(_TAIL)
