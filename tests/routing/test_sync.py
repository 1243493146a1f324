"""The snapshot follows the database: by notice, after a reconnect, and without rows that cannot be used."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import Any
from uuid import UUID

import pytest

from dwctl.core.clock import SystemClock
from dwctl.core.ids import new_uuid
from dwctl.core.seal import Seal
from dwctl.db.listen import Listener
from dwctl.db.postgres import Database
from dwctl.routing.rules import Rule
from dwctl.routing.snapshot import EVERYONE, Routing, Snapshot
from dwctl.routing.store import RoutingStore
from dwctl.routing.sync import CHANNEL, RoutingSync
from dwctl.wire.reasoning import EFFORTS, Reasoning

DEADLINE = 20.0
SEAL = Seal("a secret key for tests, 32 bytes and more")


class House:
    """A running sync over a database, and rows for it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.routing = Routing()
        self.sync = RoutingSync(
            routing=self.routing,
            store=RoutingStore(database, SEAL),
            clock=SystemClock(),
            fallback_seconds=3600,
        )

    async def until(self, what: Any) -> Snapshot:
        """Wait until the snapshot is so."""
        async with asyncio.timeout(DEADLINE):
            while not what(self.routing.snapshot):
                await asyncio.sleep(0.01)
        return self.routing.snapshot

    async def user(self) -> UUID:
        """An account."""
        ident = new_uuid()
        await self.database.execute(
            "insert into users (id, username, email) values ($1, $2, $3)",
            ident,
            f"u-{ident}",
            f"{ident}@example.com",
        )
        return ident

    async def key(self, owner: UUID, digest: bytes) -> UUID:
        """A key of an account."""
        ident = new_uuid()
        await self.database.execute(
            "insert into api_keys (id, secret_hash, secret_prefix, name, purpose, user_id, created_by) "
            "values ($1, $2, 'sk-x', $3, 'realtime', $4, $4)",
            ident,
            digest,
            str(ident),
            owner,
        )
        return ident

    async def model(self, alias: str, sealed: bytes | None = None) -> UUID:
        """A model on an endpoint of its own, open to everyone."""
        endpoint, model = new_uuid(), new_uuid()
        owner = await self.user()
        await self.database.execute(
            "insert into endpoints (id, name, url, api_key_sealed, created_by) values ($1, $2, $3, $4, $5)",
            endpoint,
            f"e-{alias}",
            "http://127.0.0.1:9/v1/",
            sealed,
            owner,
        )
        await self.database.execute(
            "insert into models (id, alias, model_name, type, endpoint_id, created_by) "
            "values ($1, $2, $2, 'CHAT', $3, $4)",
            model,
            alias,
            endpoint,
            owner,
        )
        await self.database.execute(
            "insert into model_groups (model_id, group_id) values ($1, $2)", model, UUID(EVERYONE)
        )
        return model


@asynccontextmanager
async def running(database: Database, *, listening: bool = True) -> AsyncIterator[House]:
    """A house whose sync runs, and mostly listens."""
    house = House(database)
    listener = Listener(database.dsn)
    if listening:
        listener.subscribe(CHANNEL, house.sync)
    await listener.start()
    await house.sync.start()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(listener.run()), group.create_task(house.sync.run())]
        yield house
        for task in tasks:
            task.cancel()
    await listener.stop()


async def test_a_key_appears_and_goes_with_its_account(database: Database) -> None:
    async with running(database) as house:
        owner = await house.user()
        key = await house.key(owner, b"1" * 32)
        snapshot = await house.until(lambda now: b"1" * 32 in now.keys)
        assert snapshot.keys[b"1" * 32].id == str(key)
        other = await house.key(owner, b"2" * 32)
        await house.until(lambda now: len(now.keys) == 2)
        await database.execute("update api_keys set deleted_at = now() where id = $1", other)
        await house.until(lambda now: set(now.keys) == {b"1" * 32})
        await database.execute("update users set deleted_at = now() where id = $1", owner)
        await house.until(lambda now: not now.keys)


async def test_a_change_of_groups_reaches_every_key_of_the_account(database: Database) -> None:
    async with running(database) as house:
        owner, group = await house.user(), new_uuid()
        for digest in (b"1" * 32, b"2" * 32):
            await house.key(owner, digest)
        await house.until(lambda now: len(now.keys) == 2)
        await database.execute("insert into groups (id, name, created_by) values ($1, 'g', $2)", group, owner)
        await database.execute("insert into user_groups (user_id, group_id) values ($1, $2)", owner, group)
        await house.until(lambda now: all(str(group) in key.groups for key in now.keys.values()))
        await database.execute("delete from user_groups where user_id = $1", owner)
        await house.until(lambda now: all(not key.groups for key in now.keys.values()))


async def test_what_is_done_to_answers_follows_the_row(database: Database) -> None:
    async with running(database) as house:
        await house.model("plain")
        snapshot = await house.until(lambda now: "plain" in now.models)
        model = snapshot.models["plain"]
        (target,) = model.targets
        assert (model.sanitize, target.trusted, target.adapts_responses) == (False, False, True)
        await database.execute("update models set sanitize_responses = true")
        await house.until(lambda now: now.models["plain"].sanitize)
        await database.execute("update models set trusted = true")
        await house.until(lambda now: now.models["plain"].targets[0].trusted)
        await database.execute("update models set open_responses_adapter = false")
        snapshot = await house.until(lambda now: not now.models["plain"].targets[0].adapts_responses)
        model = snapshot.models["plain"]
        (target,) = model.targets
        assert (model.sanitize, target.trusted, target.adapts_responses) == (True, True, False)
        assert not target.adapts_chat
        await database.execute(
            "update models set open_responses_adapter = null, chat_completions_adapter = true"
        )
        snapshot = await house.until(lambda now: now.models["plain"].targets[0].adapts_chat)
        assert not snapshot.models["plain"].targets[0].adapts_responses


@pytest.mark.parametrize(
    ("name", "prefix", "expected"),
    [
        ("Authorization", "Bearer ", ("Authorization", "Bearer sk-up")),
        ("X-API-Key", "Bearer ", ("X-API-Key", "Bearer sk-up")),
        ("Authorization", "Token ", ("Authorization", "Token sk-up")),
        ("X-API-Key", "", ("X-API-Key", "sk-up")),
    ],
)
async def test_the_credential_of_an_endpoint_has_its_name_and_its_prefix(
    database: Database, name: str, prefix: str, expected: tuple[str, str]
) -> None:
    async with running(database) as house:
        await house.model("m")
        snapshot = await house.until(lambda now: "m" in now.models)
        assert snapshot.models["m"].targets[0].auth_header is None
        await database.execute(
            "update endpoints set auth_header_name = $1, auth_header_prefix = $2, api_key_sealed = $3",
            name,
            prefix,
            SEAL.seal("sk-up"),
        )
        snapshot = await house.until(lambda now: now.models["m"].targets[0].auth_header is not None)
        assert snapshot.models["m"].targets[0].auth_header == expected


async def test_many_rows_in_one_statement_are_all_seen(database: Database) -> None:
    async with running(database) as house:
        owner = await house.user()
        await database.execute(
            "insert into api_keys (id, secret_hash, secret_prefix, name, purpose, user_id, created_by) "
            "select gen_random_uuid(), sha256(n::text::bytea), 'sk-x', n::text, 'realtime', $1, $1 "
            "from generate_series(1, 1000) n",
            owner,
        )
        await house.until(lambda now: len(now.keys) == 1000)


async def test_a_credential_that_cannot_be_opened_excludes_its_model_alone(database: Database) -> None:
    async with running(database) as house:
        await house.model("good", SEAL.seal("sk-upstream"))
        bad = await house.model("bad", Seal("another key, also 32 bytes and more..").seal("sk-upstream"))
        snapshot = await house.until(lambda now: "good" in now.models and str(bad) in house.sync.excluded)
        assert set(snapshot.models) == {"good"}
        await database.execute(
            "update endpoints set api_key_sealed = $1 where name = 'e-bad'", SEAL.seal("sk-upstream")
        )
        await house.until(lambda now: set(now.models) == {"good", "bad"})
        assert not house.sync.excluded


async def test_what_changed_while_nobody_listened_is_read_after_the_reconnect(database: Database) -> None:
    async with running(database) as house:
        owner = await house.user()
        async with database.transaction() as connection:
            await connection.execute("set local session_replication_role = replica")
            # Without triggers: as when the notice was sent while the connection was lost.
            await connection.execute(
                "insert into api_keys (id, secret_hash, secret_prefix, name, purpose, user_id, created_by) "
                "values ($1, $2, 'sk-x', 'silent', 'realtime', $3, $3)",
                new_uuid(),
                b"3" * 32,
                owner,
            )
        await database.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where application_name = 'dwctl listen' and datname = current_database()"
        )
        await house.until(lambda now: b"3" * 32 in now.keys)


async def test_a_change_is_confirmed_once_it_is_applied(database: Database) -> None:
    async with running(database) as house:
        owner = await house.user()
        ident = new_uuid()
        async with house.sync.confirm("api_keys", str(ident)):
            await database.execute(
                "insert into api_keys (id, secret_hash, secret_prefix, name, purpose, user_id, created_by) "
                "values ($1, $2, 'sk-x', 'mine', 'realtime', $3, $3)",
                ident,
                b"4" * 32,
                owner,
            )
        assert b"4" * 32 in house.routing.snapshot.keys


async def test_a_change_made_here_is_applied_though_no_notice_is_heard(database: Database) -> None:
    # As after an outage: the database answers again, and the connection that listens has not been made anew yet.
    async with running(database, listening=False) as house:
        owner, ident = await house.user(), new_uuid()
        async with house.sync.confirm("api_keys", str(ident)):
            await database.execute(
                "insert into api_keys (id, secret_hash, secret_prefix, name, purpose, user_id, created_by) "
                "values ($1, $2, 'sk-x', 'mine', 'realtime', $3, $3)",
                ident,
                b"5" * 32,
                owner,
            )
        assert b"5" * 32 in house.routing.snapshot.keys


async def test_a_change_made_here_does_not_wait_for_the_next_try(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(database) as house:
        owner, ident = await house.user(), new_uuid()
        await database.execute("alter table models rename to models_away")
        house.sync.on_connected()
        async with asyncio.timeout(DEADLINE):
            while "next try in 3.2 s" not in caplog.text:
                await asyncio.sleep(0.01)
        await database.execute("alter table models_away rename to models")
        async with house.sync.confirm("api_keys", str(ident)):
            await database.execute(
                "insert into api_keys (id, secret_hash, secret_prefix, name, purpose, user_id, created_by) "
                "values ($1, $2, 'sk-x', 'mine', 'realtime', $3, $3)",
                ident,
                b"6" * 32,
                owner,
            )
        assert b"6" * 32 in house.routing.snapshot.keys


async def test_a_rule_leads_to_its_target_whatever_becomes_of_it(database: Database) -> None:
    """The notice of a changed target names the target alone: the models that lead there are found by the reader."""
    async with running(database) as house:
        lead, target = await house.model("lead"), await house.model("target")
        await house.until(lambda now: set(now.models) == {"lead", "target"})
        await database.execute(
            "insert into model_traffic_rules (model_id, purpose, action, target_id) "
            "values ($1, 'batch', 'redirect', $2), ($1, 'playground', 'deny', null)",
            lead,
            target,
        )
        snapshot = await house.until(lambda now: now.models["lead"].rules is not None)
        assert snapshot.models["lead"].rules == {"batch": Rule(True, "target"), "playground": Rule(False)}
        assert snapshot.models["target"].rules is None
        await database.execute("update models set alias = 'other' where id = $1", target)
        await house.until(lambda now: rule(now) == Rule(True, "other") and "other" in now.models)
        await database.execute("update models set deleted_at = now() where id = $1", target)
        await house.until(lambda now: rule(now) == Rule(True, None))
        await database.execute("update models set deleted_at = null where id = $1", target)
        await house.until(lambda now: rule(now) == Rule(True, "other"))
        await database.execute(
            "delete from endpoints where id = (select endpoint_id from models where id = $1)", target
        )
        await house.until(lambda now: set(now.models) == {"lead"} and rule(now) == Rule(True, None))
        await database.execute("delete from model_traffic_rules")
        await house.until(lambda now: now.models["lead"].rules is None)


def rule(snapshot: Snapshot) -> Rule | None:
    """What becomes of batches for the model that leads."""
    return (snapshot.models["lead"].rules or {}).get("batch")


async def test_lists_of_a_key_are_read(database: Database) -> None:
    async with running(database) as house:
        owner = await house.user()
        for digest in (b"1" * 32, b"2" * 32):
            await house.key(owner, digest)
        await house.until(lambda now: len(now.keys) == 2)
        await database.execute(
            "update api_keys set allowed_models = '{a,b}', allowed_cidrs = '{10.0.0.0/8,2001:db8::/32}' "
            "where secret_hash = $1",
            b"1" * 32,
        )
        snapshot = await house.until(lambda now: now.keys[b"1" * 32].allowed is not None)
        allowed = snapshot.keys[b"1" * 32].allowed
        assert allowed is not None
        assert allowed.models == frozenset({"a", "b"})
        assert allowed.networks is not None
        assert ip_address("10.1.2.3") in allowed.networks
        assert ip_address("2001:db8::1") in allowed.networks
        assert ip_address("11.1.2.3") not in allowed.networks
        assert snapshot.keys[b"2" * 32].allowed is None


async def test_a_translation_of_effort_reaches_the_target_and_a_bad_one_takes_its_model_out(
    database: Database,
) -> None:
    change = "update models set reasoning_translation = $2 where id = $1"
    async with running(database) as house:
        plain, model = await house.model("plain"), await house.model("m")
        snapshot = await house.until(lambda now: len(now.models) == 2)
        assert snapshot.models["m"].targets[0].reasoning is None
        await database.execute(change, model, {"responses": {"unsupported_efforts": list(EFFORTS)}})
        snapshot = await house.until(lambda now: now.models["m"].targets[0].reasoning is not None)
        assert snapshot.models["m"].targets[0].reasoning == Reasoning({"/v1/responses": {}})
        await database.execute(change, model, {"responses": {}})
        await house.until(lambda now: set(now.models) == {"plain"})
        assert set(house.sync.excluded) == {str(model)}
        assert str(plain) not in house.sync.excluded


async def test_a_change_is_not_confirmed_by_what_was_read_before_it(database: Database) -> None:
    # The notice of each change comes beside what the process knows of it, and is applied while the next one is made.
    async with running(database) as house:
        ident = await house.key(await house.user(), b"7" * 32)
        await house.until(lambda now: b"7" * 32 in now.keys)
        for number in range(300):
            async with house.sync.confirm("api_keys", str(ident)):
                await database.execute(
                    "update api_keys set expires_at = to_timestamp($2) where id = $1", ident, 4e9 + number
                )
            assert house.routing.snapshot.keys[b"7" * 32].expires_at == 4e9 + number
