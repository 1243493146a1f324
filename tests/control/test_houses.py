"""The application that tests share keeps nothing from one of them for the next."""

from dwctl.db.postgres import Database
from dwctl.identity.attempts import PER_ACCOUNT
from tests.conftest import TEMPLATE
from tests.control.house import House
from tests.databases import Server

GUESS = {"email": "nobody@example.com", "password": "a wrong password"}


async def test_tries_of_passwords_and_rows_are_forgotten(postgres: Server, any_database: Database) -> None:
    apps = []
    for _ in range(2):
        name = await postgres.clone(TEMPLATE)
        any_database.dsn = postgres.dsn_of(name)
        await any_database.open()
        house = House(any_database)
        apps.append(house.app)
        assert await house.model("m") is None
        manager = await house.manager()
        await house.composite("m")
        assert (await house.api("GET", "/models", manager)).json()["total_count"] == 1
        told = [
            (await house.call("POST", "/authentication/login", body=GUESS)).status_code for _ in range(11)
        ]
        assert told == [401] * PER_ACCOUNT + [429]
        await any_database.close()
        await postgres.drop(name)
    assert apps[0] is apps[1]


async def test_two_on_one_database_are_two(database: Database) -> None:
    assert House(database).app is not House(database).app
