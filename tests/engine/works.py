"""The engine on a real database, with a real gateway and a model server of the test's choosing."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from hashlib import sha256
from typing import Any, Self
from uuid import UUID

import msgspec

from dwctl.core.clock import SystemClock
from dwctl.core.ids import new_uuid
from dwctl.core.metrics import Metrics
from dwctl.core.services import Supervisor
from dwctl.db.listen import Listener
from dwctl.db.postgres import Database
from dwctl.engine.worker_settings import BatchDaemonSettings
from dwctl.requests.queue.store import QueueStore
from dwctl.requests.queue.structs import Single
from dwctl.requests.queue.windows import deadline_of
from dwctl.routing.snapshot import EVERYONE, Key, Model, Routing
from dwctl.server.engine import Engine, build_engine
from dwctl.server.streams import streams_of
from tests.gateway.house import House, chat

DEADLINE = 20.0
QUICK = BatchDaemonSettings(
    claim_interval_ms=50, cancellation_poll_interval_ms=50, backoff_ms=10, max_backoff_ms=50
)


class Account:
    """A person with a key of their own and the hidden one as which their batches run."""

    def __init__(self) -> None:
        self.id, self.key_id, self.run_key_id = new_uuid(), new_uuid(), new_uuid()
        self.own_secret = f"sk-own-{self.id}"
        self.secret = f"sk-hidden-{self.id}"
        self.digest = sha256(self.secret.encode()).digest()
        self.run_key = Key(
            id=str(self.run_key_id),
            owner_id=str(self.id),
            creator_id=str(self.id),
            purpose="batch",
            groups=frozenset({EVERYONE}),
        )


class Works:
    """The processes of one installation, each with its engine; keys and models are the same for all."""

    def __init__(self, database: Database, *models: Model) -> None:
        self.database = database
        self.store = QueueStore(database)
        self.models = models
        self.accounts: list[Account] = []

    async def account(self) -> Account:
        """A new account."""
        account = Account()
        await self.database.execute(
            "insert into users (id, username, email) values ($1, $2, $3)",
            account.id,
            str(account.id),
            f"{account.id}@example.com",
        )
        for key_id, purpose, digest, hidden in (
            (account.key_id, "realtime", sha256(account.own_secret.encode()).digest(), False),
            (account.run_key_id, "batch", account.digest, True),
        ):
            await self.database.execute(
                """insert into api_keys (id, secret_hash, secret_prefix, name, purpose, user_id, created_by, hidden)
                values ($1, $2, 'sk-', $3, $4, $5, $5, $6)""",
                key_id,
                digest,
                purpose,
                purpose,
                account.id,
                hidden,
            )
        self.accounts.append(account)
        return account

    async def batch(
        self,
        account: Account,
        count: int,
        *,
        window: timedelta = timedelta(hours=24),
        metadata: dict[str, str] | None = None,
        path: str = "/v1/chat/completions",
    ) -> UUID:
        """A batch of so many lines for the models in turn; nobody has populated it."""
        file_id, batch_id = new_uuid(), new_uuid()
        names = [model.alias for model in self.models]
        await self.database.execute(
            "insert into files (id, name, purpose, lines, owner_id, creator_id) values ($1, 'in', 'batch', $2, $3, $3)",
            file_id,
            count,
            account.id,
        )
        await self.database.execute_many(
            """insert into file_lines (file_id, line, custom_id, model, url, prefix, body)
            values ($1, $2, $3, $4, $5, 0, $6)""",
            [
                (file_id, n, f"line-{n}", name, path, msgspec.json.encode(chat(name, user=f"{batch_id}/{n}")))
                for n in range(count)
                for name in [names[n % len(names)]]
            ],
        )
        label = f"{int(window.total_seconds())}s"
        async with self.database.transaction() as connection:
            await connection.execute(
                """insert into batches (
                    id, owner_id, creator_id, key_id, run_key_id, file_id, endpoint, completion_window, output_file_id,
                    error_file_id, expires_at, total, metadata, first_id, last_id
                )
                select $1, $2, $2, $3, $4, $5, $6, $7, gen_random_uuid(), gen_random_uuid(), now() + $8, $9, $10,
                    uuidv7_floor(now() - interval '1 ms'), uuidv7_floor(now() + interval '2 ms')""",
                batch_id,
                account.id,
                account.key_id,
                account.run_key_id,
                file_id,
                path,
                label,
                window,
                count,
                metadata or {},
            )
            await connection.execute(
                """insert into lanes (
                    tier, model, owner_id, creator_id, key_id, run_key_id, batch_id, completion_window, deadline, closed
                )
                select 'batch', name, $2, $2, $3, $4, $1, $5, now() + $6, true from unnest($7::text[]) name""",
                batch_id,
                account.id,
                account.key_id,
                account.run_key_id,
                label,
                window,
                names[:count],
            )
        return batch_id

    async def cancel(self, batch_id: UUID) -> None:
        """As whoever made it would."""
        async with self.database.transaction() as connection:
            await connection.execute(
                "update batches set cancelling_at = now() where id = $1 and cancelling_at is null", batch_id
            )
            await connection.execute("update lanes set closed = true where batch_id = $1", batch_id)

    async def row(self, batch_id: UUID) -> dict[str, Any]:
        """The row of a batch."""
        row = await self.database.fetch_row("select * from batches where id = $1", batch_id)
        assert row is not None
        return dict(row)

    async def requests(self, batch_id: UUID) -> list[dict[str, Any]]:
        """The rows of its requests, in the order of its lines."""
        rows = await self.database.fetch(
            """select r.*, k.response, k.size from requests r left join contents k on k.id = r.id
            where r.batch_id = $1 order by r.line""",
            batch_id,
        )
        return [dict(row) for row in rows]

    async def ended(self, batch_id: UUID, deadline: float = DEADLINE) -> dict[str, Any]:
        """Wait until a batch has ended."""
        row: dict[str, Any] = {}

        async def over() -> bool:
            nonlocal row
            row = await self.row(batch_id)
            return any(row[name] is not None for name in ("completed_at", "failed_at", "cancelled_at"))

        await self.until(over, "the batch has ended", deadline)
        return row

    async def until(self, condition: Callable[[], Any], what: str, deadline: float = DEADLINE) -> None:
        """Wait until something holds, told at once or to be waited for."""
        try:
            async with asyncio.timeout(deadline):
                while True:
                    found = condition()
                    if await found if asyncio.iscoroutine(found) else found:
                        return
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise AssertionError(f"waited in vain until {what}") from None

    def process(
        self, settings: BatchDaemonSettings = QUICK, drain: float = 5.0, *, most: int = 1 << 20, **house: Any
    ) -> "Process":
        """One more process; `most` bytes of a call's events are kept."""
        return Process(self, settings, drain, most, house)

    async def background(self, account: Account, path: str = "/v1/responses", **fields: Any) -> UUID:
        """A call in the background that streams, of the first model."""
        request_id = new_uuid()
        single = Single(
            id=request_id,
            group_id=new_uuid(),
            tier="background",
            path=path,
            model=self.models[0].alias,
            owner_id=account.id,
            creator_id=account.id,
            key_id=account.key_id,
            run_key_id=account.run_key_id,
            completion_window="1h",
            deadline=deadline_of("1h"),
            body=msgspec.json.encode({"model": self.models[0].alias, "input": "Hello."} | fields),
            stream=True,
            background=True,
            purpose="realtime",
        )
        assert set(await self.store.enqueue([single])) == {request_id}
        return request_id


class Process:
    """A gateway and an engine, running."""

    def __init__(
        self, works: Works, settings: BatchDaemonSettings, drain: float, most: int, house: dict[str, Any]
    ) -> None:
        self.id = new_uuid()
        self.metrics = Metrics()
        self.house = House(
            *works.models, keys={account.secret: account.run_key for account in works.accounts}, **house
        )
        self._works = works
        notices = Listener(works.database.dsn)
        self.streams = streams_of(
            works.database, notices, Metrics(), self.id, most=most, keep_alive=0, connections=5
        )
        self.engine: Engine = build_engine(
            settings,
            database=works.database,
            gateway=self.house.gateway,
            routing=self.routing,
            notices=notices,
            clock=SystemClock(),
            metrics=self.metrics,
            daemon_id=self.id,
            drain=drain,
            events=self.streams.log,
        )
        self._supervisor = Supervisor(
            (notices, self.streams.followers, *self.engine.services, self.engine.gate), stop_within=drain + 10
        )
        self._stopping = asyncio.Event()
        self._stack = AsyncExitStack()
        self._running: asyncio.Task[None] | None = None

    @property
    def database(self) -> Database:
        """Of all processes."""
        return self._works.database

    @property
    def routing(self) -> Routing:
        """What it knows of keys and models."""
        return self.house.routing

    async def __aenter__(self) -> Self:
        await self._works.database.execute(
            "insert into daemons (id, kind, hostname, pid, version, installation_id) values ($1, 'x', 'x', 1, 'x', $1)",
            self.id,
        )
        await self._stack.enter_async_context(self.house)
        tasks = await self._stack.enter_async_context(asyncio.TaskGroup())
        started = asyncio.Event()
        self._running = tasks.create_task(self._supervisor.run(self._stopping, started))
        async with asyncio.timeout(DEADLINE):
            await started.wait()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()
        await self._stack.aclose()

    async def stop(self) -> None:
        """As at SIGTERM."""
        self._stopping.set()
        if self._running is not None:
            await self._running
