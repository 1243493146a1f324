"""The product with a dashboard, and the people who use it."""

import msgspec
import httpx

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

    def person(self, *roles: str) -> Person:
        """A new account with a password; without roles a standard user."""
        person = Person(f"{self.name('person')}@example.com", PASSWORD)
        body = {"username": person.email, "email": person.email, "password": person.password}
        with httpx.Client(base_url=self.origin, timeout=60) as client:
            made = client.post("/authentication/register", json=body)
            made.raise_for_status()
        if roles:
            user_id = made.json()["user"]["id"]
            self.call("PATCH", f"/users/{user_id}", {"roles": ["StandardUser", *roles]})
        return person

    def secret(self, person: Person) -> str:
        """A new key of theirs."""
        with httpx.Client(base_url=self.origin, timeout=60) as client:
            self._sign_in(client, person)
            made = client.post(f"{ADMIN}/users/current/api-keys", json={"name": self.name("key")})
            made.raise_for_status()
            secret: str = made.json()["key"]
            return secret

    def ask(self, person: Person, prompt: str, model: str = "fake-model") -> None:
        """One chat request in their name."""
        answer = httpx.post(
            f"{self.product.base_url}/chat/completions",
            headers={"authorization": f"Bearer {self.secret(person)}"},
            json={"model": model, "messages": [{"role": "user", "content": prompt}]},
            timeout=60,
        )
        answer.raise_for_status()

    @staticmethod
    def _sign_in(client: httpx.Client, person: Person) -> None:
        body = {"email": person.email, "password": person.password}
        client.post("/authentication/login", json=body).raise_for_status()
