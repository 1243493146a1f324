"""The product with a dashboard, and the people who use it."""

from typing import Any

import httpx
import msgspec

from tests.cli.command import dwctl
from tests.fakes.upstream import UpstreamThread
from tests.server_process import Product

ADMIN = "/admin/api/v1"
PASSWORD = "long enough for a test"
ENVIRONMENT = {"DWCTL_AUTH__NATIVE__ALLOW_REGISTRATION": "true"}


class Person(msgspec.Struct, frozen=True):
    """Who signs in."""

    email: str
    password: str


class House:
    """A running product, with an administrator's session to set the table."""

    def __init__(self, product: Product, upstream: UpstreamThread) -> None:
        self.product = product
        self.upstream = upstream
        self.admin = Person(product.admin_email, product.admin_password)
        self._client = httpx.Client(base_url=product.address, timeout=60)
        self._sign_in(self._client, self.admin)
        self._number = 0

    def close(self) -> None:
        """End the session's connections."""
        self._client.close()

    @property
    def origin(self) -> str:
        """Such as `http://127.0.0.1:40123`."""
        return self.product.address

    def name(self, word: str) -> str:
        """A name that no other test has."""
        self._number += 1
        return f"{word}-{self._number}"

    def call(self, method: str, path: str, body: object = None) -> httpx.Response:
        """A call of the administrator to the admin API; raises when it is refused."""
        answer = self._client.request(method, f"{ADMIN}{path}", json=body)
        answer.raise_for_status()
        return answer

    def ai(self, method: str, path: str, **given: Any) -> httpx.Response:
        """A call to the AI API, by the administrator's session unless its headers say otherwise."""
        answer = self._client.request(method, f"{self.product.base_url}{path}", **given)
        answer.raise_for_status()
        return answer

    def person(self, *roles: str) -> Person:
        """A new account with a password; without roles a standard user."""
        person = Person(f"{self.name('person')}@example.com", PASSWORD)
        body = {"username": person.email, "email": person.email, "roles": ["StandardUser", *roles]}
        self.call("POST", "/users", body)
        # As an operator does it; accounts that register themselves are few at a time.
        home = self.product.data_dir
        ended = dwctl(
            "user", "password", person.email, "--data-dir", home, directory=home, given=f"{PASSWORD}\n"
        )
        assert ended.status == 0, ended.errors
        return person

    def secret(self, person: Person) -> str:
        """A new key of theirs."""
        with httpx.Client(base_url=self.origin, timeout=60) as client:
            self._sign_in(client, person)
            made = client.post(f"{ADMIN}/users/current/api-keys", json={"name": self.name("key")})
            made.raise_for_status()
            secret: str = made.json()["key"]
            return secret

    def ask(self, person: Person, prompt: str, model: str = "fake-model") -> str:
        """One chat request in their name, which is recorded when this returns; gives its id."""
        return self.ask_with(self.secret(person), prompt, model)

    def ask_with(self, secret: str, prompt: str, model: str = "fake-model") -> str:
        """The same with a key."""
        answer = self._client.post(
            f"{self.product.base_url}/chat/completions",
            headers={"authorization": f"Bearer {secret}"},
            json={"model": model, "messages": [{"role": "user", "content": prompt}]},
        )
        answer.raise_for_status()
        request_id: str = answer.json()["id"]
        # Asking for it by its id waits for the writers.
        self.call("GET", f"/requests/{request_id}")
        return request_id

    @staticmethod
    def _sign_in(client: httpx.Client, person: Person) -> None:
        body = {"email": person.email, "password": person.password}
        client.post("/authentication/login", json=body).raise_for_status()
