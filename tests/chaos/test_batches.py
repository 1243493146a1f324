"""SIGKILL at random while batches run: every line ends exactly once, with one charge, and little is run twice."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from dwctl.core.ids import new_uuid
from dwctl.db.embedded import EmbeddedPostgres
from dwctl.db.postgres import Database
from tests.chaos.test_kill import ADMIN, PASSWORD
from tests.engine.works import Works
from tests.fakes import shapes
from tests.fakes.answers import Answer, json_reply
from tests.fakes.incoming import Request
from tests.fakes.model import MODEL, ModelServer
from tests.fakes.upstream import UpstreamThread, upstream_in_thread
from tests.gateway.house import model, target
from tests.server_process import Product

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("chaos")]

KILLS = 15
OWNERS = 3
LINES = 2000
DEADLINE = 180.0
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


def respond(request: Request) -> Answer:
    """A quick answer to every line."""
    return GOOD if request.method == "POST" else LISTED(request)


def wait_for_posts(upstream: UpstreamThread, count: int) -> None:
    """Wait until so many requests have come."""
    upstream.wait_until(lambda: len(upstream.posts) >= count, f"{count} requests have come")


async def test_killed_again_and_again_each_line_ends_once(data_dir: Path) -> None:
    chance = random.Random(6)
    settings = data_dir / "dwctl.yaml"
    settings.write_text(f"admin_email: {ADMIN}\nadmin_password: {PASSWORD}\n")
    with upstream_in_thread(respond) as upstream:
        product = Product(data_dir, upstream=upstream.url, arguments=("-f", str(settings)))
        product.start_again()
        async with database_of(data_dir) as database:
            works = Works(database, model(MODEL, target(upstream.url)))
            await database.execute("update models set batch_capacity = 64")
            await database.execute(
                "insert into model_tariffs (id, model_id, name, input_price, output_price) "
                "select $1, id, 'words', 0, 1 from models",
                new_uuid(),
            )
            accounts = [await works.account() for _ in range(OWNERS)]
            for account in accounts:
                await database.execute("insert into accounts (id, balance) values ($1, 1000000)", account.id)
            batches = [await works.batch(account, LINES) for account in accounts]
        kills = 0
        # Each line is sent once at least, so up to so many posts will come.
        while kills < KILLS and (wanted := len(upstream.posts) + chance.randrange(20, 400)) <= OWNERS * LINES:
            wait_for_posts(upstream, wanted)
            product.kill()
            kills += 1
            product.start_again()
        try:
            async with asyncio.timeout(DEADLINE), database_of(data_dir) as database:
                works.database = database
                rows = [await works.ended(batch_id) for batch_id in batches]
                lines = [await works.requests(batch_id) for batch_id in batches]
                charges = await database.fetch("select request_id from ledger_entries where kind = 'usage'")
                broken_off = await database.fetch("select request_id, error_code from attempts")
                left = await database.fetch_value("select count(*) from queue")
        finally:
            product.close()
    assert kills >= 5
    assert [(row["completed"], row["failed"], row["canceled"]) for row in rows] == [(LINES, 0, 0)] * OWNERS
    for row, of_batch in zip(rows, lines, strict=True):
        assert sorted(line["position"] for line in of_batch) == list(range(1, LINES + 1))
        assert row["output_bytes"] == sum(line["size"] for line in of_batch)
        assert row["cost"] == 5 * LINES
    assert left == 0
    charged = Counter(charge["request_id"] for charge in charges)
    assert set(charged.values()) == {1}
    assert len(charged) == OWNERS * LINES
    seen = Counter(post.json()["user"] for post in upstream.posts)
    assert len(seen) == OWNERS * LINES
    # What ran twice was held by a process when it was killed: sent, and not committed.
    assert {row["error_code"] for row in broken_off} == {"interrupted"}
    lost = Counter(row["request_id"] for row in broken_off)
    names = {
        f"{batch_id}/{line['line']}": lost[line["id"]]
        for batch_id, of_batch in zip(batches, lines, strict=True)
        for line in of_batch
    }
    assert [name for name, count in seen.items() if count > 1 + names[name]] == []
