"""Databases that cannot be used are refused with what to do, and without their password."""

import pytest

from dwctl.core.errors import SetupError
from dwctl.db.migrations import migrate, require_create
from dwctl.db.postgres import Database, describe, require_version
from dwctl.db.settings import PoolSettings
from tests.databases import Server

SMALL = PoolSettings(min_connections=1, max_connections=1)


@pytest.mark.parametrize("number", [150000, 150018, 180006, 200000])
def test_a_version_that_is_new_enough(number: int) -> None:
    require_version(number)


@pytest.mark.parametrize("number", [90624, 140021])
def test_a_version_that_is_too_old(number: int) -> None:
    with pytest.raises(SetupError, match=f"has version {number // 10000}; dwctl needs 15 or newer") as caught:
        require_version(number)
    assert "database.url" in caught.value.message


async def test_a_user_who_may_make_no_tables(postgres: Server) -> None:
    await postgres.run("create role guest login")
    await postgres.run("create database lent")
    database = Database(postgres.dsn_of("lent").replace("dwctl@", "guest@"), SMALL)
    try:
        await database.open()
        with pytest.raises(SetupError, match="alter database NAME owner to USER"):
            await require_create(database)
        with pytest.raises(SetupError, match="permission denied for schema public"):
            await migrate(database)
        await postgres.run("alter database lent owner to guest")
        await require_create(database)
        assert await migrate(database)
    finally:
        await database.close()
        await postgres.drop("lent")
        await postgres.run("drop role guest")


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
async def test_an_encoding_that_cannot_hold_every_text(postgres: Server, encoding: str) -> None:
    await postgres.run(f"create database narrow encoding '{encoding}' locale 'C' template template0")
    try:
        with pytest.raises(SetupError, match=f"has the encoding {encoding}; dwctl needs UTF8"):
            await Database(postgres.dsn_of("narrow"), SMALL).open()
    finally:
        await postgres.drop("narrow")


async def test_a_database_that_is_not_there(postgres: Server) -> None:
    with pytest.raises(SetupError, match="has no such database; create it"):
        await Database(postgres.dsn_of("nowhere"), SMALL).open()


@pytest.mark.parametrize("dsn", ["mysql://a:b@c/d", "nonsense", "postgresql://u:p@h:port/d"])
async def test_an_address_that_is_none(dsn: str) -> None:
    with pytest.raises(SetupError, match="it looks like postgresql://user:password@host:5432/name"):
        await Database(dsn, SMALL).open()


@pytest.mark.parametrize(
    ("dsn", "told"),
    [
        ("postgresql://user:hidden@host:5433/name", "host:5433/name"),
        ("postgresql://host/name?password=hidden", "host/name"),
        ("postgresql://user:hidden@host/name?password=hid@den", "host/name"),
        ("postgresql://user:hid@den@host/name", "host/name"),
        ("postgresql://user:hid?den@host/name", "the configured address"),
        ("postgresql://user:hid#den@host/name", "the configured address"),
        ("postgresql://host/name?password=hid@den", "the configured address"),
        ("nonsense", "the configured address"),
    ],
)
def test_an_address_is_told_without_its_password(dsn: str, told: str) -> None:
    assert describe(dsn) == told
