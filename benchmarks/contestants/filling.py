"""Fills a running dwctl with keys and models, as SQL: the routing state learns of them from the database."""

import asyncio
import hashlib
import http
import http.client
import secrets
import time
from dataclasses import dataclass, replace

import asyncpg

from benchmarks.contestants.contestant import Place
from benchmarks.contestants.dwctl import data_dir
from benchmarks.failures import Broken
from benchmarks.load import Door
from dwctl.db.embedded import EmbeddedPostgres

WITHIN = 60.0
"""Seconds in which the gateway must know everything."""
MODELS = """
with made as (
    insert into models (id, alias, model_name, endpoint_id, created_by)
    select gen_random_uuid(), alias, 'bench', (select id from endpoints limit 1), (select id from users limit 1)
    from unnest($1::text[]) alias
    returning id
)
insert into model_groups (model_id, group_id) select id, '00000000-0000-0000-0000-000000000000' from made
"""
KEYS = """
insert into api_keys (id, secret_hash, secret_prefix, name, purpose, user_id, created_by)
select gen_random_uuid(), made.digest, 'sk-bench', made.name, 'realtime', owner.user_id, owner.created_by
from unnest($1::bytea[], $2::text[]) as made (digest, name),
    (select user_id, created_by from api_keys where not hidden limit 1) owner
"""
TARIFFS = """
insert into model_tariffs (id, model_id, name, input_price, output_price)
select gen_random_uuid(), id, 'bench', 0.000001, 0.000002 from models where alias = any ($1::text[])
"""
CREDIT = """
with entry as (
    insert into ledger_entries (id, kind, account_id, amount, source_id)
    select gen_random_uuid(), 'admin_grant', user_id, 1000000, 'bench ' || user_id
    from (select distinct user_id from api_keys) as owners
    returning account_id, amount
)
insert into accounts (id, balance) select account_id, amount from entry
"""


@dataclass(frozen=True, kw_only=True)
class Filling:
    """So many keys and models; the load then uses all of them and no others."""

    keys: int
    models: int
    priced: bool = False
    """Whether the models cost something, and the keys' owners have credit."""

    def __call__(self, place: Place, door: Door) -> Door:
        """Insert them and wait until the last of each is in effect."""
        secret = [f"sk-{secrets.token_urlsafe(32)}" for _ in range(self.keys)]
        model = tuple(f"bench-{number:04}" for number in range(self.models))
        asyncio.run(_insert(place, secret, model, priced=self.priced))
        file = place.scratch / "keys"
        file.write_text("\n".join(secret), encoding="ascii")
        _wait_for(door.port, secret[-1], model[-1])
        return replace(door, headers=(), keys=file, models=model)


async def _insert(place: Place, secret: list[str], model: tuple[str, ...], *, priced: bool) -> None:
    dsn = EmbeddedPostgres(data_dir(place)).running_dsn()
    if dsn is None:
        raise Broken(f"no PostgreSQL runs in {data_dir(place)}")
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(MODELS, model)
        if priced:
            await connection.execute(CREDIT)
            await connection.execute(TARIFFS, model)
        digests = [hashlib.sha256(each.encode()).digest() for each in secret]
        await connection.execute(KEYS, digests, [f"bench {number}" for number in range(len(secret))])
    finally:
        await connection.close()


def _wait_for(port: int, secret: str, model: str) -> None:
    deadline = time.monotonic() + WITHIN
    while not _knows(port, secret, model):
        if time.monotonic() > deadline:
            raise Broken(f"the gateway did not learn of its keys and models within {WITHIN:g} s")
        time.sleep(0.1)


def _knows(port: int, secret: str, model: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", f"/ai/v1/models/{model}", headers={"Authorization": f"Bearer {secret}"})
        return connection.getresponse().status == http.HTTPStatus.OK
    finally:
        connection.close()
