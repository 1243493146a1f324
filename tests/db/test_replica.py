"""What is read from a standby, and what never is."""

from datetime import timedelta

import pytest

from dwctl.core.metrics import Metrics
from dwctl.db.postgres import Connection, Database
from dwctl.db.replica import SETTLED, Reading, Replica
from tests.replicas import POOL, Pair, until


def state_of(replica: Replica) -> str:
    """As it is now."""
    return replica.state


async def notes(reading: Reading) -> list[str]:
    """What a read that may lag sees."""
    return [row["text"] for row in await reading.may_lag.fetch("select text from notes")]


async def test_reads_that_may_lag_are_the_standbys(pair: Pair) -> None:
    await pair.primary.execute("insert into notes values ('first')")
    await pair.caught_up()
    assert state_of(pair.replica) == "fit"
    await pair.pause()
    await pair.primary.execute("insert into notes values ('second')")
    # It does not have it: so it is the one that is read.
    assert await notes(pair.reading) == ["first"]

    async def inside(connection: Connection) -> bool:
        return bool(await connection.fetchval("select pg_is_in_recovery()"))

    assert await pair.reading.may_lag.read(inside)
    row = await pair.reading.may_lag.fetch_row("select count(*) as number from notes")
    assert row is not None
    assert row["number"] == 1
    assert pair.shows('dwctl_database_replica_reads_total{answered_by="replica"}') == 3
    await pair.pause("pg_wal_replay_resume")


async def test_only_what_is_long_past_is_taken_for_there(pair: Pair) -> None:
    await pair.caught_up()
    now = await pair.primary.fetch_value("select now()")
    assert pair.reading.having(None) is pair.primary
    assert pair.reading.having(now) is pair.primary
    assert pair.reading.having(now - SETTLED / 2) is pair.primary
    assert pair.reading.having(now - SETTLED - timedelta(seconds=5)) is pair.replica


async def test_one_that_is_too_far_behind_is_not_read(pair: Pair) -> None:
    strict = Replica(pair.primary, pair.standby.dsn, POOL, Metrics(), max_lag=0.0)
    await strict.start()
    assert state_of(strict) == "fit"
    await pair.pause()
    await pair.primary.execute("insert into notes values ('new')")
    await strict.look()
    assert state_of(strict) == "behind"
    assert await notes(Reading(pair.primary, strict)) == ["new"]
    await pair.replica.look()
    assert pair.shows("dwctl_database_replica_lag_seconds") > 0
    await pair.pause("pg_wal_replay_resume")

    async def back() -> bool:
        await strict.look()
        return strict.state == "fit"

    await until(back)
    await strict.stop()


async def test_one_that_goes_away_costs_no_read(pair: Pair, caplog: pytest.LogCaptureFixture) -> None:
    await pair.primary.execute("insert into notes values ('kept')")
    await pair.caught_up()
    assert state_of(pair.replica) == "fit"
    await pair.standby.stop()
    assert await notes(pair.reading) == ["kept"]
    assert await notes(pair.reading) == ["kept"]
    await pair.replica.look()
    assert state_of(pair.replica) == "away"
    assert pair.shows("dwctl_database_replica_fit") == 0
    assert pair.shows('dwctl_database_replica_reads_total{answered_by="primary"}') == 2
    assert [record.levelname for record in caplog.records if "names is away" in record.message] == ["WARNING"]
    await pair.standby.start()
    await pair.caught_up()
    assert state_of(pair.replica) == "fit"
    assert await notes(pair.reading) == ["kept"]


async def test_a_table_that_it_does_not_have_yet_is_read_on_the_primary(pair: Pair) -> None:
    await pair.caught_up()
    await pair.pause()
    await pair.primary.execute("create table news (text text)")
    assert await pair.reading.may_lag.fetch("select * from news") == []
    assert state_of(pair.replica) == "fit"
    await pair.primary.execute("drop table news")
    await pair.pause("pg_wal_replay_resume")


async def test_a_server_that_is_no_standby_is_not_read(database: Database) -> None:
    twin = Replica(database, database.dsn, POOL, Metrics(), max_lag=30.0)
    await twin.start()
    assert state_of(twin) == "away"
    await twin.stop()


async def test_one_that_was_never_there_is_told_of_once(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    nowhere = Replica(database, "postgresql://me:secret@127.0.0.1:1/x", POOL, Metrics(), max_lag=30.0)
    await nowhere.start()
    await nowhere.look()
    assert state_of(nowhere) == "away"
    assert await Reading(database, nowhere).may_lag.fetch("select 1 as one") != []
    (told,) = [record.getMessage() for record in caplog.records if record.name == "dwctl.db.replica"]
    assert told.startswith("the server that database.replica_url names is away (")
    assert "secret" not in told
    assert "database.url" not in told
    await nowhere.stop()
