"""Realtime sessions whose process is killed: each response that the client was told of is charged once."""

import asyncio
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

import msgspec
import pytest
from wsproto.events import AcceptConnection, Request, TextMessage

from tests.chaos.funds import SETTINGS, Books, caller
from tests.fakes.model import MODEL
from tests.fakes.realtime import RealtimeServer
from tests.fakes.upstream import upstream_in_thread
from tests.gateway.test_realtime_usage import done
from tests.server.test_websocket import Client
from tests.server_process import Product

pytestmark = [pytest.mark.xdist_group("chaos"), pytest.mark.long]

KILLS = 5
WORDS = 3
"""Tokens of each response; the model's price is one for each."""


async def session(product: Product) -> Client | None:
    """A session that is open; None while the product does not know its model server yet."""
    address = urlsplit(product.base_url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    made = Client(reader, writer)
    headers = [(b"authorization", f"Bearer {product.key}".encode())]
    made.send(Request(host="h", target=f"/ai/v1/realtime?model={MODEL}", extra_headers=headers))
    if isinstance(await made.next(), AcceptConnection):
        return made
    writer.transport.abort()
    return None


async def lead_to(home: Path, url: str) -> None:
    """The model is on this server from now on."""
    async with Books(home) as books:
        await books.db.execute("update endpoints set url = $1", url)


async def test_killed_after_any_response(data_dir: Path) -> None:
    chance = Random(7)
    (data_dir / "credit.yaml").write_text(SETTINGS)
    told = 0
    text = msgspec.json.encode(done(50, WORDS)).decode()
    with upstream_in_thread() as upstream:
        product = Product(data_dir, upstream=upstream.url, arguments=("-f", str(data_dir / "credit.yaml")))
        product.start()
        async with RealtimeServer() as server:
            async with Books(data_dir) as books, caller(product) as client:
                await books.price(client)
                await books.fill(1000)
                imported = await books.db.fetchval("select url from endpoints")
            for _ in range(KILLS):
                await lead_to(data_dir, server.url)
                while (made := await session(product)) is None:
                    pass
                for _ in range(chance.randrange(1, 5)):
                    made.send(TextMessage(text))
                    assert await made.message() == text
                    told += WORDS
                # The next start looks for the one that it has imported.
                await lead_to(data_dir, imported)
                product.kill()
                made.writer.transport.abort()
                product.start()
        try:
            async with Books(data_dir) as books:
                await books.settled()
                assert await books.open_calls() == 0
                left = await books.balance()
                rows = await books.db.fetch(
                    "select cost, completion_tokens, error_code from requests"
                    " where path = '/v1/realtime' and cost > 0"
                )
        finally:
            product.close()
    assert left == 1000 - told
    assert sum(row["cost"] for row in rows) == told
    assert [row["completion_tokens"] for row in rows] == [row["cost"] for row in rows]
    assert {row["error_code"] for row in rows} == {"interrupted"}
    assert len(rows) == KILLS
