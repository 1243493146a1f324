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


@dataclass(frozen=True, kw_only=True)
class Filling:
    """So many keys and models; the load then uses all of them and no others."""

    keys: int
    models: int

    def __call__(self, place: Place, door: Door) -> Door:
        """Insert them and wait until the last of each is in effect."""
        secret = [f"sk-{secrets.token_urlsafe(32)}" for _ in range(self.keys)]
        model = tuple(f"bench-{number:04}" for number in range(self.models))
        asyncio.run(_insert(place, secret, model))
        file = place.scratch / "keys"
        file.write_text("\n".join(secret), encoding="ascii")
        _wait_for(door.port, secret[-1], model[-1])
        return replace(door, headers=(), keys=file, models=model)


async def _insert(place: Place, secret: list[str], model: tuple[str, ...]) -> None:
    dsn = EmbeddedPostgres(data_dir(place)).running_dsn()
    if dsn is None:
        raise Broken(f"no PostgreSQL runs in {data_dir(place)}")
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(MODELS, model)
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
