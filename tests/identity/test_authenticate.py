"""From a credential to a person: keys first, then sessions, and what ends either."""

from datetime import UTC, datetime

import pytest

from dwctl.core.networks import Peer
from dwctl.db.postgres import Database
from dwctl.identity.authenticate import ADMIN_PURPOSES, AI_PURPOSES, ANY_PURPOSE, bearer
from dwctl.identity.settings import AuthSettings, NativeSettings
from tests.control.house import ADMIN, CHEAP, House, Person


@pytest.fixture
def house(database: Database) -> House:
    """The control plane on a fresh database."""
    return House(database)


def cookies(house: House, person: Person) -> dict[str, str]:
    """The session as a browser sends it."""
    name, _, value = person.headers["cookie"].partition("=")
    assert name == house.plane.authenticator.cookie_name
    return {name: value}


@pytest.mark.parametrize(
    ("headers", "secret"),
    [
        ({"authorization": "Bearer sk-1"}, "sk-1"),
        ({"authorization": "bearer  sk-1 "}, "sk-1"),
        ({"x-api-key": "sk-2"}, "sk-2"),
        ({"authorization": "Bearer sk-1", "x-api-key": "sk-2"}, "sk-1"),
        ({"authorization": "Basic abc", "x-api-key": "sk-2"}, "sk-2"),
        ({"authorization": "Bearer "}, None),
        ({"authorization": "sk-1"}, None),
        ({"x-api-key": ""}, None),
        ({}, None),
    ],
)
def test_where_a_secret_stands(headers: dict[str, str], secret: str | None) -> None:
    assert bearer(headers) == secret


async def test_a_key_is_its_creator_where_its_purpose_counts(house: House) -> None:
    person = await house.person("RequestViewer")
    for purpose, here, elsewhere in (
        ("platform", ADMIN_PURPOSES, AI_PURPOSES),
        ("realtime", AI_PURPOSES, ADMIN_PURPOSES),
    ):
        key_id, headers = await house.key(person, purpose)
        for purposes in (here, ANY_PURPOSE):
            found = await house.plane.authenticator.principal(headers, {}, purposes)
            assert found is not None
            assert (found.user_id, found.key_id, found.email) == (person.id, key_id, person.email)
            assert found.roles == {"RequestViewer", "StandardUser"}
        assert await house.plane.authenticator.principal(headers, {}, elsewhere) is None


async def test_a_credential_that_does_not_hold_lets_the_next_one_be_tried(house: House) -> None:
    person, other = await house.person(), await house.person()
    _, realtime = await house.key(other)
    for headers in ({"authorization": "Bearer sk-wrong"}, realtime):
        found = await house.plane.authenticator.principal(headers, cookies(house, person), ADMIN_PURPOSES)
        assert found is not None
        assert (found.user_id, found.key_id) == (person.id, None)


async def test_a_key_is_tried_before_the_session(house: House) -> None:
    person, other = await house.person(), await house.person()
    _, headers = await house.key(other, "platform")
    found = await house.plane.authenticator.principal(headers, cookies(house, person), ADMIN_PURPOSES)
    assert found is not None
    assert found.user_id == other.id


@pytest.mark.parametrize(
    "end",
    [
        "update api_keys set expires_at = now() where id = $1",
        "update api_keys set deleted_at = now() where id = $1",
        "update users set deleted_at = now() where id = (select user_id from api_keys where id = $1)",
        "update users set deleted_at = now() where id = (select created_by from api_keys where id = $1)",
    ],
)
async def test_keys_that_have_ended(house: House, end: str) -> None:
    key_id, headers = await house.key(await house.person(), "platform")
    assert await house.plane.authenticator.principal(headers, {}, ADMIN_PURPOSES) is not None
    await house.database.execute(end, key_id)
    assert await house.plane.authenticator.principal(headers, {}, ADMIN_PURPOSES) is None


async def test_a_key_holds_until_it_expires(house: House) -> None:
    key_id, headers = await house.key(await house.person(), "platform")
    later = datetime(2200, 1, 1, tzinfo=UTC)
    await house.database.execute("update api_keys set expires_at = $2 where id = $1", key_id, later)
    assert await house.plane.authenticator.principal(headers, {}, ADMIN_PURPOSES) is not None


async def test_only_the_digest_of_a_secret_is_kept(house: House) -> None:
    _, headers = await house.key(await house.person())
    secret = headers["authorization"].removeprefix("Bearer ")
    row = await house.database.fetch_value("select row_to_json(k)::text from api_keys k")
    assert secret not in row
    assert secret[:10] in row
    assert secret[:11] not in row


async def test_sessions_end_with_a_new_password_and_with_the_account(house: House) -> None:
    person, other = await house.person(), await house.person()
    for one, end in (
        (person, "update users set sessions_valid_from = now() + interval '1 second' where id = $1"),
        (other, "update users set deleted_at = now() where id = $1"),
    ):
        assert await house.plane.authenticator.principal({}, cookies(house, one), ()) is not None
        await house.database.execute(end, one.id)
        assert await house.plane.authenticator.principal({}, cookies(house, one), ()) is None


async def test_roles_are_those_of_this_moment(house: House) -> None:
    person = await house.person()
    insert = "insert into user_roles (user_id, role) values ($1, 'PlatformManager')"
    await house.database.execute(insert, person.id)
    found = await house.plane.authenticator.principal({}, cookies(house, person), ())
    assert found is not None
    assert found.roles == {"StandardUser", "PlatformManager"}


async def test_the_system_account_never_signs_in(house: House) -> None:
    await house.database.execute("update users set password_hash = 'x' where auth_source = 'system'")
    assert await house.plane.identity.account_by_email("system@localhost") is None


async def test_sessions_do_not_count_when_native_sign_in_is_off(database: Database) -> None:
    off = House(database, AuthSettings(native=NativeSettings(enabled=False, password=CHEAP)))
    person = await off.person()
    _, key = await off.key(person, "platform")
    assert await off.plane.authenticator.principal({}, cookies(off, person), ADMIN_PURPOSES) is None
    assert await off.plane.authenticator.principal(key, {}, ADMIN_PURPOSES) is not None


async def test_a_key_is_good_from_its_networks_alone(database: Database) -> None:
    house = House(database, proxies=("127.0.0.0/8",))
    person = await house.person()
    key_id, headers = await house.key(person, "platform")
    principal = house.plane.authenticator.principal
    near, far = Peer("10.1.2.3"), Peer("192.0.2.1")
    assert await principal(headers, {}, ADMIN_PURPOSES, far) is not None
    await database.execute(
        "update api_keys set allowed_cidrs = '{10.0.0.0/8,2001:db8::/32}' where id = $1", key_id
    )
    for peer in (near, Peer("2001:db8::1"), Peer("127.0.0.1", ["10.1.2.3"]), Peer("10.1.2.3", ["192.0.2.1"])):
        assert await principal(headers, {}, ADMIN_PURPOSES, peer) is not None, peer
    for peer in (
        far,
        Peer(""),
        Peer("127.0.0.1"),
        Peer("127.0.0.1", ["10.1.2.3, 192.0.2.1"]),
        Peer("192.0.2.1", ["10.1.2.3"]),
    ):
        assert await principal(headers, {}, ADMIN_PURPOSES, peer) is None, peer
    # The port's own answer, with the lines of the header as they came.
    for forwarded, status in (("10.1.2.3", 200), ("192.0.2.1", 401)):
        answer = await house.call("GET", f"{ADMIN}/users/current", {**headers, "x-forwarded-for": forwarded})
        assert answer.status_code == status
    # A session is not a key.
    assert await principal(headers, cookies(house, person), ADMIN_PURPOSES, far) is not None
