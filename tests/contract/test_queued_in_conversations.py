"""Calls in conversations that are to be queued and are not: they have no place in them, from the answer on."""

import asyncio
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg
import openai
import pytest

from dwctl.db.embedded import EmbeddedPostgres
from tests.contract.test_context import TEXT
from tests.contract.test_conversations import items_of, words
from tests.contract.test_queued import ended
from tests.contract.test_single_responses import background
from tests.fakes.model import MODEL
from tests.server_process import Product

pytestmark = [pytest.mark.xdist_group("contract"), pytest.mark.usefixtures("native_responses")]

CLOSE = """
create function refuse() returns trigger language plpgsql as 'begin raise exception ''no''; end';
create trigger refuse before insert on queue for each row execute function refuse();
"""
OPEN = "drop trigger if exists refuse on queue; drop function if exists refuse"


def keyed(client: openai.OpenAI, conversation: str, key: str, text: str) -> str:
    """A call with a key, by its id."""
    headers = {"Idempotency-Key": key}
    return background(client, input=text, conversation=conversation, extra_headers=headers)


def goes_on(client: openai.OpenAI, conversation: str, *before: tuple[str, str]) -> None:
    """The next call is taken at once, and sees what there was."""
    client.responses.create(model=MODEL, input="next", conversation=conversation)
    assert words(items_of(client, conversation)) == [*before, ("user", "next"), ("assistant", TEXT)]


def execute(product: Product, sql: str) -> None:
    """Run it in the product's database."""

    async def run() -> None:
        dsn = EmbeddedPostgres(product.data_dir).running_dsn()
        assert dsn is not None
        connection: Any = await asyncpg.connect(dsn)
        try:
            await connection.execute(sql)
        finally:
            await connection.close()

    asyncio.run(run())


@contextmanager
def closed_queue(product: Product) -> Iterator[None]:
    """A database that takes nothing for the queue."""
    execute(product, CLOSE)
    try:
        yield
    finally:
        execute(product, OPEN)


def test_a_call_that_was_made_before(client: openai.OpenAI) -> None:
    made, key = client.conversations.create(), uuid.uuid4().hex
    name = keyed(client, made.id, key, "one")
    ended(client, name)
    assert keyed(client, made.id, key, "one") == name
    goes_on(client, made.id, ("user", "one"), ("assistant", TEXT))


def test_a_key_of_another_call(client: openai.OpenAI) -> None:
    made, key = client.conversations.create(), uuid.uuid4().hex
    ended(client, keyed(client, made.id, key, "one"))
    with pytest.raises(openai.UnprocessableEntityError):
        keyed(client, made.id, key, "two")
    goes_on(client, made.id, ("user", "one"), ("assistant", TEXT))


def test_a_call_that_the_database_does_not_take(client: openai.OpenAI, product: Product) -> None:
    made = client.conversations.create()
    with closed_queue(product), pytest.raises(openai.InternalServerError):
        background(client, input="one", conversation=made.id)
    goes_on(client, made.id)
