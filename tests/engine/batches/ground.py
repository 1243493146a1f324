"""Files, models and batches to try things on, and a worker that does what it is told."""

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import msgspec

from dwctl.core.ids import new_uuid
from dwctl.identity.principal import NIL
from dwctl.requests.queue.lines import line_of
from dwctl.requests.queue.store import QueueStore
from dwctl.requests.queue.structs import Claimed, Settled
from dwctl.requests.record import Record, State
from tests.control.house import House, Person

BATCHES = "/ai/v1/batches"
CHAT = "/v1/chat/completions"
BODY = b'{"model":"m"}'
Verdict = Callable[[Claimed], int]


def completed(_: Claimed) -> int:
    """All is well."""
    return State.COMPLETED


def failed(_: Claimed) -> int:
    """Nothing is."""
    return State.FAILED


def later() -> datetime:
    """A deadline that is not over."""
    return datetime.now(UTC) + timedelta(days=1)


class Ground:
    """Around one house."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.database = house.database
        self.queue = QueueStore(house.database)
        self.holder = new_uuid()

    async def models(
        self, *aliases: str, throughput: float | None = None, windows: list[str] | None = None
    ) -> None:
        """Live models that everybody may use."""
        await self.house.endpoint("http://127.0.0.1:9/v1", *aliases, open_to=NIL)
        await self.database.execute(
            "update models set throughput = $1, allowed_batch_completion_windows = $2 where alias = any($3)",
            throughput,
            windows,
            list(aliases),
        )

    async def user(self) -> Person:
        """Somebody who may make batches."""
        return await self.house.person("BatchAPIUser")

    async def file(
        self, owner: Person, models: Iterable[str] = ("m",), *, purpose: str = "batch", body: bytes = BODY
    ) -> UUID:
        """A file with a line for each of these models."""
        file_id, of = new_uuid(), list(models)
        counts = {
            model: {"lines": n, "bytes": n * 100, "urls": {CHAT: n}} for model, n in Counter(of).items()
        }
        await self.database.execute(
            """insert into files (id, name, purpose, lines, models, owner_id, creator_id)
            values ($1, 'in.jsonl', $2, $3, $4, $5, $5)""",
            file_id,
            purpose,
            len(of),
            counts,
            owner.id,
        )
        await self.database.execute(
            """insert into file_lines (file_id, line, custom_id, model, url, prefix, body)
            select $1, n - 1, 'line-' || n - 1, model, $3, 0, $4
            from unnest($2::text[]) with ordinality as l (model, n)""",
            file_id,
            of,
            CHAT,
            body,
        )
        return file_id

    async def create(
        self, who: Person | dict[str, str], file_id: object, *, key: str | None = None, **fields: Any
    ) -> httpx.Response:
        """POST, with fields in place of the usual ones."""
        body = {"input_file_id": str(file_id), "endpoint": CHAT, "completion_window": "24h", **fields}
        headers = None if key is None else {"idempotency-key": key}
        return await self.house.call("POST", BATCHES, who, body, headers=headers)

    async def made(self, who: Person, models: Iterable[str] = ("m",), **fields: Any) -> UUID:
        """A batch over a fresh file."""
        answer = await self.create(who, await self.file(who, models), **fields)
        assert answer.status_code == 201, answer.text
        return UUID(answer.json()["id"])

    async def get(self, who: Person, batch_id: UUID, path: str = "") -> Any:
        """The batch, or what is below it."""
        answer = await self.house.call("GET", f"{BATCHES}/{batch_id}{path}", who)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, who: Person, batch_id: UUID, action: str, body: Any = None) -> httpx.Response:
        """A command."""
        return await self.house.call("POST", f"{BATCHES}/{batch_id}/{action}", who, body)

    async def results(self, who: Person, batch_id: UUID, **query: Any) -> list[Any]:
        """Its lines."""
        answer = await self.raw_results(who, batch_id, **query)
        assert answer.status_code == 200, answer.text
        return [msgspec.json.decode(line) for line in answer.content.splitlines()]

    async def raw_results(self, who: Person, batch_id: UUID, **query: Any) -> httpx.Response:
        """The answer with its headers."""
        asked = "&".join(f"{name}={value}" for name, value in query.items())
        return await self.house.call("GET", f"{BATCHES}/{batch_id}/results?{asked}", who)

    async def populate(self, batch_id: UUID, lines: int = 1000) -> None:
        """All of it."""
        while await self.queue.populate(batch_id, lines):
            pass

    async def claim(self, most: int = 1000) -> list[Claimed]:
        """What waits."""
        return await self.queue.claim(self.holder, {lane.id: most for lane in await self.queue.lanes()})

    async def settle(self, claimed: Iterable[Claimed], verdict: Verdict = completed) -> None:
        """Say what came of it."""
        outcomes = [await self.outcome(one, verdict(one)) for one in claimed]
        await self.queue.settle(self.holder, outcomes)

    async def run(self, batch_id: UUID, verdict: Verdict = completed, most: int = 1000) -> None:
        """Populate it, claim up to so many requests of each lane, settle them."""
        await self.populate(batch_id)
        await self.settle(await self.claim(most), verdict)

    async def cancelled(self, batch_id: UUID) -> None:
        """Let the steps of a cancellation be done."""
        while await self.queue.cancel_step(batch_id, 1000):
            pass

    async def outcome(self, claimed: Claimed, verdict: int) -> Settled:
        """A run of a tenth of a second."""
        row = await self.database.fetch_row("select * from requests where id = $1", claimed.id)
        assert row is not None
        status = 200 if verdict == State.COMPLETED else 500
        body = b'{"answer":%d}' % (claimed.line or 0)
        record = Record(
            id=str(claimed.id),
            created_at=row["created_at"].timestamp(),
            path=row["path"],
            model=row["model"],
            owner_id=str(row["owner_id"]),
            creator_id=str(row["creator_id"]),
            key_id=str(row["key_id"] or NIL),
            daemon_id=str(self.holder),
            attempt=claimed.attempt,
            state=verdict or State.FAILED,
            completed_at=datetime.now(UTC).timestamp(),
            status_code=status,
            prompt_tokens=4,
            completion_tokens=6,
            cached_tokens=3,
            reasoning_tokens=2,
            total_tokens=10,
            duration_ms=100.0,
            first_byte_ms=40.0,
        )
        line = line_of(claimed.id, claimed.custom_id, record.state, status, body, None, None)
        return Settled(record=record, verdict=verdict, body=body if verdict else None, size=len(line))
