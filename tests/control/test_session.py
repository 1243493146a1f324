"""Signing in, out and up, and changing one's password."""

from http.cookies import Morsel, SimpleCookie
from typing import Any

import httpx
import msgspec
import pytest

from dwctl.db.postgres import Database
from dwctl.identity.attempts import PER_ACCOUNT
from dwctl.identity.settings import AuthSettings, NativeSettings, SessionSettings
from tests.control.house import CHEAP, CHEAP_AUTH, House, Person

PASSWORD = "correct horse"
NEW = {"username": "anna", "email": "anna@example.com", "password": PASSWORD}


def native(**changed: Any) -> AuthSettings:
    """Settings of sign-in."""
    return AuthSettings(native=NativeSettings(password=CHEAP, **changed))


def cookie(answer: httpx.Response, name: str = "dwctl_session") -> "Morsel[str]":
    """A cookie as the answer sets it."""
    jar: SimpleCookie = SimpleCookie()
    for line in answer.headers.get_list("set-cookie"):
        jar.load(line)
    return jar[name]


def holding(answer: httpx.Response) -> dict[str, str]:
    """The headers of a browser that took the session cookie."""
    return {"cookie": f"dwctl_session={cookie(answer).value}"}


async def login(house: House, email: str, password: str = PASSWORD, **more: Any) -> httpx.Response:
    """Try to sign in."""
    body = {"email": email, "password": password}
    return await house.call("POST", "/authentication/login", body=body, **more)


@pytest.fixture
async def person(house: House) -> Person:
    """Somebody with a password."""
    return await house.person(password=PASSWORD)


async def test_signing_in_gives_a_session(house: House, person: Person) -> None:
    answer = await login(house, person.email)
    assert answer.status_code == 200
    assert set(answer.json()) == {"user", "message"}
    assert answer.json()["user"]["id"] == str(person.id)
    assert answer.json()["user"]["last_login"] is not None
    morsel = cookie(answer)
    assert (morsel["path"], morsel["samesite"], morsel["max-age"]) == ("/", "strict", "86400")
    assert morsel["httponly"]
    assert not morsel["secure"]
    assert morsel["domain"] == ""
    assert answer.headers["cache-control"] == "no-store"
    current = await house.api("GET", "/users/current", holding(answer))
    assert current.json()["id"] == str(person.id)


async def test_e_mail_is_compared_in_any_case(house: House, person: Person) -> None:
    assert (await login(house, person.email.upper())).status_code == 200


async def test_the_cookie_is_secure_over_https(house: House, person: Person) -> None:
    assert cookie(await login(house, person.email, base="https://dwctl.test"))["secure"]


async def test_the_cookie_is_as_configured(database: Database) -> None:
    session = SessionSettings(
        cookie_name="other", cookie_same_site="lax", cookie_domain="example.com", cookie_secure=True
    )
    house = House(database, native(session=session))
    morsel = cookie(await login(house, (await house.person(password=PASSWORD)).email), "other")
    assert (morsel["secure"], morsel["samesite"], morsel["domain"]) == (True, "lax", "example.com")


async def test_one_answer_for_every_way_to_fail(house: House, person: Person) -> None:
    without = await house.person()
    for email, password in (
        (person.email, "wrong"),
        (person.email, ""),
        (person.email, f"{PASSWORD} "),
        ("nobody@example.com", PASSWORD),
        (without.email, PASSWORD),
        ("system@localhost", PASSWORD),
        ("", ""),
    ):
        answer = await login(house, email, password)
        assert (answer.status_code, answer.text) == (401, "Invalid email or password")
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, "email: expected, but it is not there"),
        ({"email": "a@b"}, "password: expected, but it is not there"),
        ({"email": 1, "password": "x"}, "email: expected str, got int"),
        ({"email": "a@b", "password": "x\0"}, "password: expected text without NUL characters"),
    ],
)
async def test_wrong_bodies_name_the_field(house: House, body: dict[str, object], text: str) -> None:
    answer = await house.call("POST", "/authentication/login", body=body)
    assert (answer.status_code, answer.text) == (400, text)


async def test_too_many_tries_close_the_account_for_a_while(house: House, person: Person) -> None:
    for _ in range(PER_ACCOUNT):
        assert (await login(house, person.email, "wrong")).status_code == 401
    closed = await login(house, person.email)
    assert closed.status_code == 429
    assert closed.json()["error"] == "too_many_requests"
    assert 1 <= int(closed.headers["retry-after"]) <= 300
    assert closed.json()["retry_after_seconds"] == int(closed.headers["retry-after"])
    other = await house.person(password=PASSWORD)
    assert (await login(house, other.email)).status_code == 200


async def test_signing_out_ends_the_cookies(house: House) -> None:
    answer = await house.call("POST", "/authentication/logout")
    assert (answer.status_code, answer.json()) == (200, {"message": "Logout successful"})
    for name in ("dwctl_session", "dw_active_org"):
        morsel = cookie(answer, name)
        assert (morsel.value, morsel["max-age"], morsel["path"]) == ("", "0", "/")


async def test_which_ways_in_are_open(database: Database) -> None:
    for settings, login_open, registration_open in (
        (CHEAP_AUTH, True, False),
        (native(allow_registration=True), True, True),
        (native(enabled=False, allow_registration=True), False, False),
    ):
        house = House(database, settings)
        for name, expected in (("login", login_open), ("register", registration_open)):
            state = (await house.call("GET", f"/authentication/{name}")).json()
            assert set(state) - {"session"} == {"enabled", "message"}
            assert state["enabled"] is expected


async def test_whether_a_client_has_a_session_is_told_without_asking_who_it_is(house: House) -> None:
    member = await house.person()
    for headers, expected in (({}, False), (member.headers, True), ({"cookie": "other=1"}, False)):
        answer = await house.call("GET", "/authentication/login", headers)
        assert answer.json()["session"] is expected


async def test_closed_ways_answer_400(database: Database) -> None:
    house = House(database, native(enabled=False))
    for path, body in (("login", {"email": "a@b", "password": "x"}), ("register", NEW)):
        answer = await house.call("POST", f"/authentication/{path}", body=body)
        assert answer.status_code == 400
        assert answer.text.endswith("is disabled")
    assert (await House(database).call("POST", "/authentication/register", body=NEW)).status_code == 400


async def test_registering_makes_an_account_and_signs_in(database: Database) -> None:
    settings = msgspec.structs.replace(
        native(allow_registration=True), default_user_roles=("StandardUser", "BatchAPIUser")
    )
    house = House(database, settings)
    answer = await house.call("POST", "/authentication/register", body={**NEW, "is_admin": True})
    assert answer.status_code == 201
    user = answer.json()["user"]
    assert (user["username"], user["roles"], user["is_admin"]) == (
        "anna",
        ["BatchAPIUser", "StandardUser"],
        False,
    )
    assert (await house.api("GET", "/users/current", holding(answer))).json()["id"] == user["id"]
    assert (await login(house, NEW["email"])).status_code == 200
    stored = await database.fetch_value("select password_hash from users where username = 'anna'")
    assert stored.startswith("$argon2id$")


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"password": "short"}, "password: expected 8 to 64 characters, got 5"),
        ({"password": "x" * 65}, "password: expected 8 to 64 characters, got 65"),
        ({"email": "anna"}, "email: expected an address such as name@example.com"),
        ({"username": " "}, "username: expected 1 to 255 characters that are not all blank"),
        ({"username": "taken"}, "A user with this username already exists."),
        ({"email": "TAKEN@example.com"}, "A user with this email already exists."),
    ],
)
async def test_registrations_that_are_refused(database: Database, changed: dict[str, str], text: str) -> None:
    house = House(database, native(allow_registration=True))
    taken = {"username": "taken", "email": "taken@example.com", "password": PASSWORD}
    await house.call("POST", "/authentication/register", body=taken)
    answer = await house.call("POST", "/authentication/register", body={**NEW, **changed})
    assert (answer.status_code, answer.text) == (400, text)
    assert "set-cookie" not in answer.headers


async def test_registrations_of_one_address_are_limited(database: Database) -> None:
    house = House(database, native(allow_registration=True))
    statuses = []
    for number in range(PER_ACCOUNT + 1):
        body = {**NEW, "username": f"n{number}", "email": f"n{number}@example.com"}
        statuses.append((await house.call("POST", "/authentication/register", body=body)).status_code)
    assert statuses == [201] * PER_ACCOUNT + [429]


async def test_a_new_password_ends_every_other_session(house: House, person: Person) -> None:
    elsewhere = holding(await login(house, person.email))
    here = holding(await login(house, person.email))
    change = {"current_password": PASSWORD, "new_password": "battery staple"}
    answer = await house.call("POST", "/authentication/password-change", here, change)
    assert (answer.status_code, set(answer.json())) == (200, {"message"})
    assert (await house.api("GET", "/users/current", holding(answer))).status_code == 200
    for ended in (elsewhere, here):
        assert (await house.api("GET", "/users/current", ended)).status_code == 401
    assert (await login(house, person.email)).status_code == 401
    assert (await login(house, person.email, "battery staple")).status_code == 200


@pytest.mark.parametrize(
    ("changed", "status", "text"),
    [
        ({"current_password": "wrong"}, 401, "The current password is not right"),
        ({"new_password": "short"}, 400, "new_password: expected 8 to 64 characters, got 5"),
        ({"new_password": None}, 400, "new_password: expected str, got null"),
    ],
)
async def test_changes_that_are_refused(
    house: House, person: Person, changed: dict[str, object], status: int, text: str
) -> None:
    change = {"current_password": PASSWORD, "new_password": "battery staple", **changed}
    answer = await house.call("POST", "/authentication/password-change", person, change)
    assert (answer.status_code, answer.text) == (status, text)
    assert (await login(house, person.email)).status_code == 200


async def test_guessing_the_current_password_is_limited(house: House, person: Person) -> None:
    change = {"current_password": "wrong", "new_password": "battery staple"}
    for _ in range(PER_ACCOUNT):
        answer = await house.call("POST", "/authentication/password-change", person, change)
        assert answer.status_code == 401
    change["current_password"] = PASSWORD
    assert (await house.call("POST", "/authentication/password-change", person, change)).status_code == 429


async def test_accounts_without_a_password_cannot_change_it(house: House) -> None:
    change = {"current_password": PASSWORD, "new_password": "battery staple"}
    answer = await house.call("POST", "/authentication/password-change", await house.person(), change)
    assert (answer.status_code, answer.text) == (400, "This account has no password")
    assert (await house.call("POST", "/authentication/password-change", body=change)).status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/users/current/api-keys", {"name": "a"}),
        ("PATCH", "/users/current", {"display_name": "x"}),
    ],
)
async def test_only_our_own_pages_act_with_a_session(
    house: House, person: Person, method: str, path: str, body: dict[str, str]
) -> None:
    url = f"/admin/api/v1{path}"
    for origin, allowed in (("https://evil.example", False), ("null", False), ("http://dwctl.test", True)):
        answer = await house.call(method, url, person, body, headers={"origin": origin})
        assert (answer.status_code < 400) is allowed, origin
    _, key = await house.key(person, "platform")
    with_key = await house.call(
        method, url, key, {**body, "name": "b"}, headers={"origin": "https://evil.example"}
    )
    assert with_key.status_code < 400
    read = await house.call("GET", "/admin/api/v1/users/current", person, headers={"origin": "null"})
    assert read.status_code == 200


@pytest.mark.parametrize("value", ["", "nonsense", "a.b.c", "x" * 5000])
async def test_cookies_that_are_no_session(house: House, value: str) -> None:
    answer = await house.api("GET", "/users/current", {"cookie": f"dwctl_session={value}"})
    assert (answer.status_code, answer.text) == (401, "Not authenticated")
    assert answer.headers["www-authenticate"] == "Bearer"
