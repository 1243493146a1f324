"""How soon a key that is made works everywhere, and one that is revoked nowhere."""

import http
import http.client
import itertools
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks import processes, sockets
from benchmarks.bars import Bar
from benchmarks.contestants.contestant import Contestant
from benchmarks.contestants.dwctl import PASSWORD, Dwctl
from benchmarks.failures import Broken
from benchmarks.load import Load
from benchmarks.scenarios.load_scenario import figures
from benchmarks.scenarios.scenario import Column, Figures
from benchmarks.stage import Stage
from benchmarks.upstream import UpstreamOptions

RATE = 500
"""Calls a second meanwhile."""
WITHIN = 10.0
ONE = Dwctl(both_cores=True, name="dwctl-1-worker")
FOUR = Dwctl(both_cores=True, name="dwctl-4-workers", workers=4)


def quantile(values: Sequence[float], share: float) -> float:
    """The value that this share of all does not exceed."""
    ranked = sorted(values)
    return ranked[max(0, -(-len(ranked) * round(share * 1000) // 1000) - 1)]


class KeyEffect:
    """Make a key, ask every worker with it, revoke it, ask every worker again."""

    name = "key-effect"
    title = (
        f"a key is made and revoked beside {RATE} calls a second: from the request until every worker obeys"
    )
    upstream = UpstreamOptions()
    contestants: tuple[Contestant, ...] = (ONE, FOUR)
    columns = (
        Column(figure="effect_p99_ms", heading="p99 ms", digits=1),
        Column(figure="created_p50_ms", heading="created p50 ms", digits=1),
        Column(figure="created_p99_ms", heading="created p99 ms", digits=1),
        Column(figure="revoked_p50_ms", heading="revoked p50 ms", digits=1),
        Column(figure="revoked_p99_ms", heading="revoked p99 ms", digits=1),
        Column(figure="keys", heading="keys"),
    )
    bars = tuple(
        Bar(
            what=f"key made or revoked, until every worker obeys, p99, {workers}",
            figure="effect_p99_ms",
            contestant=name,
            must=250,
            aim=80,
            unit=" ms",
            digits=1,
        )
        for name, workers in ((ONE.name, "1 worker"), (FOUR.name, "4 workers"))
    )

    def measure(self, stage: Stage) -> Figures:
        """Keys as many as fit into the time."""
        created: list[float] = []
        revoked: list[float] = []
        workers = getattr(stage.running.contestant, "workers", 1)
        admin = _Admin(stage.running.door.port)
        doors = _one_for_each_worker(stage, workers)

        def change() -> None:
            until = time.monotonic() + stage.seconds
            for number in itertools.count():
                if time.monotonic() > until:
                    break
                began = time.monotonic()
                key, secret = admin.create(f"bench {number}")
                created.append(_until(doors, secret, http.HTTPStatus.OK) - began)
                began = time.monotonic()
                admin.revoke(key)
                revoked.append(_until(doors, secret, http.HTTPStatus.UNAUTHORIZED) - began)

        seen = stage.observe(Load(seconds=stage.seconds, connections=256, rate=RATE), meanwhile=change)
        admin.close()
        for each in doors:
            each.close()
        return figures(seen) | {
            "keys": len(created),
            "effect_p99_ms": quantile(created + revoked, 0.99) * 1e3,
            "created_p50_ms": quantile(created, 0.5) * 1e3,
            "created_p99_ms": quantile(created, 0.99) * 1e3,
            "revoked_p50_ms": quantile(revoked, 0.5) * 1e3,
            "revoked_p99_ms": quantile(revoked, 0.99) * 1e3,
        }


@dataclass
class _Admin:
    """The administrator, signed in."""

    port: int

    def __post_init__(self) -> None:
        self._line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WITHIN)
        self._cookie = ""
        self._ask("POST", "/authentication/login", {"email": "admin@localhost", "password": PASSWORD})

    def create(self, name: str) -> tuple[str, str]:
        """(id, secret) of a new key."""
        made = self._ask("POST", "/admin/api/v1/users/current/api-keys", {"name": name})
        return made["id"], made["key"]

    def revoke(self, ident: str) -> None:
        """End a key."""
        self._ask("DELETE", f"/admin/api/v1/users/current/api-keys/{ident}", None)

    def close(self) -> None:
        """Leave."""
        self._line.close()

    def _ask(self, method: str, path: str, body: dict[str, str] | None) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "Cookie": self._cookie}
        self._line.request(method, path, None if body is None else json.dumps(body), headers)
        answer = self._line.getresponse()
        text = answer.read()
        if answer.status >= http.HTTPStatus.BAD_REQUEST:
            raise Broken(f"{method} {path} was answered with {answer.status}: {text[:200]!r}")
        cookie = answer.getheader("set-cookie")
        if cookie is not None:
            self._cookie = cookie.partition(";")[0]
        found: dict[str, str] = json.loads(text) if text else {}
        return found


def _one_for_each_worker(stage: Stage, workers: int) -> list[http.client.HTTPConnection]:
    """Connections that different processes have accepted, as many as there are workers."""
    running = stage.running
    if running.pid is None:
        raise Broken("there is no program")
    own = [each.pid for each in processes.tree(running.pid) if not each.is_postgres]
    by_worker: dict[int, http.client.HTTPConnection] = {}
    opened: list[http.client.HTTPConnection] = []
    deadline = time.monotonic() + WITHIN
    while len(by_worker) < workers:
        if time.monotonic() > deadline:
            raise Broken(f"connections reach {len(by_worker)} workers of {workers}")
        line = http.client.HTTPConnection("127.0.0.1", running.door.port, timeout=WITHIN)
        _status(line, "none")
        opened.append(line)
        owner = sockets.owner(own, port=line.sock.getsockname()[1], peer=running.door.port)
        if owner is not None:
            by_worker.setdefault(owner, line)
    for line in opened:
        if line not in by_worker.values():
            line.close()
    return list(by_worker.values())


def _until(doors: Sequence[http.client.HTTPConnection], secret: str, status: int) -> float:
    """The moment at which every worker has answered with this status."""
    deadline = time.monotonic() + WITHIN
    for door in doors:
        while _status(door, secret) != status:
            if time.monotonic() > deadline:
                raise Broken(f"a worker does not answer with {status} within {WITHIN:g} s")
    return time.monotonic()


def _status(door: http.client.HTTPConnection, secret: str) -> int:
    door.request("GET", "/ai/v1/models", headers={"Authorization": f"Bearer {secret}"})
    answer = door.getresponse()
    answer.read()
    return answer.status


KEY_EFFECT = KeyEffect()
