"""SIGKILL at random while batches run: every line ends exactly once, with one charge, and little is run twice."""

import random
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest

from dwctl.core.ids import new_uuid
from dwctl.db.embedded import EmbeddedPostgres
from dwctl.db.postgres import Database
from dwctl.requests.audit import audit
from dwctl.routing.snapshot import Model
from dwctl.usage.ledger import Booking, LedgerStore
from tests.chaos.kills import Killer
from tests.chaos.lines import Lines
from tests.chaos.test_kill import ADMIN, PASSWORD
from tests.engine.works import Account, Works
from tests.fakes import shapes
from tests.fakes.answers import Answer, json_reply
from tests.fakes.incoming import Request
from tests.fakes.model import MODEL, ModelServer
from tests.fakes.upstream import upstream_in_thread
from tests.gateway.house import chat, model, target
from tests.server_process import Product

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("chaos")]

KILLS = {"server": 16, "database": 12, "both": 8, "backend": 14, "start": 6}
"""Of each kind; those of the last are two each."""
OWNERS = 3
LINES = 20_000
COST = 5
PATIENCE = 300.0
LISTED = ModelServer()
GOOD = json_reply(shapes.chat_completion(MODEL, "Hello.", prompt=9, completion=5))


@asynccontextmanager
async def database_of(home: Path) -> AsyncIterator[Database]:
    """The product's database."""
    dsn = EmbeddedPostgres(home).running_dsn()
    assert dsn is not None, "the embedded server does not run"
    database = Database(dsn)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


def refused(number: int) -> bool:
    """Whether a line ends in the error file."""
    return number % 97 == 5


async def priced(database: Database, known: Model) -> tuple[Works, list[Account]]:
    """Accounts with credit, and a model that costs something."""
    works = Works(database, known)
    await database.execute("update models set batch_capacity = 64")
    await database.execute(
        "insert into model_tariffs (id, model_id, name, input_price, output_price) "
        "select $1, id, 'words', 0, 1 from models",
        new_uuid(),
    )
    accounts = [await works.account() for _ in range(OWNERS)]
    for account in accounts:
        await database.execute(
            "insert into user_roles (user_id, role) values ($1, 'BatchAPIUser')", account.id
        )
        await LedgerStore(database).book(
            Booking(
                kind="admin_grant",
                account_id=account.id,
                amount=Decimal(1_000_000),
                source_id=str(account.id),
            )
        )
    return works, accounts


async def charges(database: Database) -> dict[UUID, tuple[int, int, Decimal]]:
    """Of each batch: its charges, the requests that they are for, and their sum."""
    rows = await database.fetch(
        """select r.batch_id, count(*), count(distinct e.request_id), -sum(e.amount)
        from ledger_entries e left join requests r on r.id = e.request_id
        where e.kind = 'usage'
        group by r.batch_id"""
    )
    return {batch_id: (entries, requests, amount) for batch_id, entries, requests, amount in rows}


def respond(request: Request) -> Answer:
    """A quick answer to every line."""
    return GOOD if request.method == "POST" else LISTED(request)


def client_of(product: Product, account: Account) -> httpx.AsyncClient:
    """An application of the account's owner."""
    headers = {"authorization": f"Bearer {account.own_secret}"}
    return httpx.AsyncClient(base_url=product.base_url, headers=headers, timeout=60, trust_env=False)


async def batch_of(product: Product, account: Account) -> UUID:
    """A new batch; its lines are named by the account and their numbers."""
    lines = [
        {
            "custom_id": f"line-{number}",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": chat(MODEL, user=f"{account.id}/{number}"),
        }
        for number in range(LINES)
    ]
    content = b"\n".join(map(msgspec.json.encode, lines))
    async with client_of(product, account) as client:
        file = await client.post(
            "/files", data={"purpose": "batch"}, files={"file": ("in.jsonl", content, "application/jsonl")}
        )
        assert file.status_code == 201, file.text
        wanted = {
            "input_file_id": file.json()["id"],
            "endpoint": "/v1/chat/completions",
            "completion_window": "24h",
        }
        batch = await client.post("/batches", json=wanted)
    assert batch.status_code == 201, batch.text
    return UUID(batch.json()["id"].removeprefix("batch_"))


async def read_by(product: Product, account: Account, file_id: UUID) -> list[dict[str, Any]]:
    """The lines of an output or error file."""
    async with client_of(product, account) as client:
        answer = await client.get(f"/files/file-{file_id}/content")
    assert answer.status_code == 200, answer.text
    assert answer.headers.get("x-incomplete", "false") == "false"
    return [msgspec.json.decode(line) for line in answer.text.splitlines()]


async def test_killed_again_and_again_each_line_ends_once(data_dir: Path, chaos_seed: int) -> None:
    said = f"--chaos-seed {chaos_seed}"
    sys.stdout.write(f"{said}\n")
    chance = random.Random(chaos_seed)
    kinds = [kind for kind, count in KILLS.items() for _ in range(count)]
    chance.shuffle(kinds)
    server = Lines(refuses=refused, fails_first=lambda number: number % 53 == 1)
    settings = data_dir / "dwctl.yaml"
    settings.write_text(f"admin_email: {ADMIN}\nadmin_password: {PASSWORD}\n")
    with upstream_in_thread(server) as upstream:
        product = Product(data_dir, upstream=upstream.url, arguments=("-f", str(settings)))
        product.start_again()
        killer = Killer(product, upstream, server, chance)
        try:
            async with database_of(data_dir) as database:
                works, accounts = await priced(database, model(MODEL, target(upstream.url)))
                batches = [await batch_of(product, account) for account in accounts]
            for number, kind in enumerate(kinds):
                left = OWNERS * LINES - server.ended
                # Half of its share on average: the other half may end while the kill is under way.
                server.wait_for(chance.randrange(1, max(2, left // (len(kinds) - number + 1))))
                await killer.kill(kind)
            async with database_of(data_dir) as database:
                works.database = database
                rows = [await works.ended(batch_id, PATIENCE) for batch_id in batches]
                found = await audit(database)
                charged = await charges(database)
                left_over = await database.fetch_value("select count(*) from queue")
            for account, row in zip(accounts, rows, strict=True):
                outputs = await read_by(product, account, row["output_file_id"])
                errors = await read_by(product, account, row["error_file_id"])
                ended = sorted(int(line["custom_id"].removeprefix("line-")) for line in outputs + errors)
                assert ended == list(range(LINES)), said
                assert {line["custom_id"] for line in errors} == {
                    f"line-{n}" for n in range(LINES) if refused(n)
                }
        finally:
            product.close()
    good = sum(not refused(number) for number in range(LINES))
    assert [(row["completed"], row["failed"], row["canceled"]) for row in rows] == [
        (good, LINES - good, 0)
    ] * OWNERS
    assert [row["cost"] for row in rows] == [COST * good] * OWNERS
    assert left_over == 0
    assert charged == {batch_id: (good, good, Decimal(COST * good)) for batch_id in batches}
    assert (found.balances, found.costs, found.spend, found.batches) == ([], [], [], [])
    # Each line was sent, and what was sent twice had been sent and was not committed at a kill.
    assert len(server.times) == OWNERS * LINES
    again = Counter(
        next((n for n, kill in enumerate(killer.kills) if kill.explains(*pair)), None)
        for pair in server.again()
    )
    told = [f"{kill.kind}: {again[number]} of {kill.open}" for number, kill in enumerate(killer.kills)]
    sys.stdout.write(f"lines that ran again, of those that were under way: {told}\n")
    assert again[None] == 0, f"{said}: {again[None]} lines ran again for no reason; {told}"
    assert all(again[number] <= kill.open for number, kill in enumerate(killer.kills)), f"{said}; {told}"
    assert len(killer.kills) >= 50
