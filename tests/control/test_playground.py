"""Models for whoever has signed in: the rules around the call. The call itself is tested in tests/contract."""

import asyncio

from dwctl.db.postgres import Database
from dwctl.identity.settings import AuthSettings, CorsSettings, NativeSettings, SecuritySettings
from tests.control.house import ADMIN, CHEAP, House, Person

CHAT = f"{ADMIN}/ai/v1/chat/completions"
CONSOLE = "https://console.example"
BODY = {"model": "m", "messages": []}


async def hidden(house: House, person: Person) -> list[tuple[str, bool]]:
    """Purpose and visibility of a person's keys."""
    rows = await house.database.fetch(
        "select purpose, hidden from api_keys where user_id = $1 and created_by = $1", person.id
    )
    return [(row["purpose"], row["hidden"]) for row in rows]


async def test_without_a_session_the_answer_is_the_admin_apis(house: House) -> None:
    answer = await house.call("POST", CHAT, None, BODY)
    assert (answer.status_code, answer.text) == (401, "Not authenticated")
    broken = {"cookie": f"{house.settings.native.session.cookie_name}=x.y.z"}
    assert (await house.call("POST", CHAT, broken, BODY)).status_code == 401


async def test_no_key_opens_it(house: House) -> None:
    person = await house.person()
    for purpose in ("realtime", "platform"):
        _, headers = await house.key(person, purpose)
        assert (await house.call("POST", CHAT, headers, BODY)).status_code == 401


async def test_a_page_of_another_origin_may_not_act(house: House, database: Database) -> None:
    person = await house.person()
    evil = {"origin": "https://evil.example"}
    answer = await house.call("POST", CHAT, person, BODY, headers=evil)
    assert answer.status_code == 403
    assert await hidden(house, person) == []
    cors = CorsSettings(allowed_origins=(CONSOLE,))
    settings = AuthSettings(native=NativeSettings(password=CHEAP), security=SecuritySettings(cors=cors))
    open_house = House(database, settings)
    allowed = await open_house.call("POST", CHAT, person, BODY, headers={"origin": CONSOLE})
    assert allowed.status_code == 503


async def test_a_key_that_the_gateway_has_not_heard_of_yet_is_worth_another_try(house: House) -> None:
    person = await house.person()
    answer = await house.call("POST", CHAT, person, BODY)
    assert answer.status_code == 503
    assert answer.json()["retry_after_seconds"] == 1
    assert await hidden(house, person) == [("playground", True)]


async def test_a_person_has_one_key_however_many_calls_begin_at_once(house: House) -> None:
    person = await house.person()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(8):
            tasks.create_task(house.call("POST", CHAT, person, BODY))
    assert await hidden(house, person) == [("playground", True)]
    listed = await house.api("GET", "/users/current/api-keys", person)
    assert listed.json()["data"] == []


async def test_only_the_gateways_paths_are_there(house: House) -> None:
    person = await house.person()
    for method, path in (
        ("POST", "v1/nothing"),
        ("GET", "v1/chat/completions"),
        ("GET", "docs"),
        ("POST", ""),
    ):
        answer = await house.call(method, f"{ADMIN}/ai/{path}", person)
        assert answer.status_code in (404, 405), path
    assert await hidden(house, person) == []
