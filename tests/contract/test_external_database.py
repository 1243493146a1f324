"""A PostgreSQL that is not ours: it goes and comes back while calls are answered; nothing tells its password."""

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import httpx
import openai
import pytest

from dwctl.db.embedded import EmbeddedPostgres
from tests.cli.command import Ended, dwctl
from tests.fakes.answers import GARBAGE, server_error
from tests.fakes.model import MODEL, ModelServer
from tests.fakes.upstream import UpstreamThread
from tests.server_process import Product
from tests.waiting import until

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("contract")]

SECRETS = {
    "database": "the-database-password",
    "upstream": "sk-the-upstream-key",
    "key": "5d41402abc4b2a76b9719d911017c5925d41402abc4b2a76b9719d911017c592",
    "wrong": "sk-a-wrong-key-that-came",
}


class Server:
    """A PostgreSQL beside the product, which neither starts nor stops it."""

    @classmethod
    def of(cls, home: Path) -> "Server":
        """The one that a product runs for itself in a data directory; only to be hung."""
        return cls(home, asyncio.Runner())

    def __init__(self, home: Path, runner: asyncio.Runner) -> None:
        self._home = home
        self._embedded = EmbeddedPostgres(home)
        self._runner = runner
        self.url = self._embedded.dsn.replace("dwctl@", f"dwctl:{SECRETS['database']}@")

    def start(self) -> None:
        """On the same address as before."""
        self._runner.run(self._embedded.start())

    def hang(self, number: signal.Signals) -> None:
        """It and its processes stop without a word (SIGSTOP), or go on (SIGCONT)."""
        postmaster = (self._home / "postgres" / "postmaster.pid").read_text().split()[0]
        os.kill(int(postmaster), number)
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                if stat.read_text().rpartition(")")[2].split()[1] == postmaster:
                    os.kill(int(stat.parent.name), number)

    def stop(self) -> None:
        """Connections are cut."""
        self._runner.run(self._embedded.stop())


@contextmanager
def external(home: Path) -> Iterator[Server]:
    """A running server."""
    home.mkdir(mode=0o755)
    with asyncio.Runner() as runner:
        server = Server(home, runner)
        server.start()
        try:
            yield server
        finally:
            server.stop()


def ready(product: Product) -> tuple[int, str]:
    """What the probe for load balancers says."""
    answer = httpx.get(f"{product.address}/readyz", trust_env=False)
    return answer.status_code, answer.text


def ask(product: Product, key: str) -> str:
    """One call; its id."""
    with openai.OpenAI(base_url=product.base_url, api_key=key, max_retries=0, timeout=20) as client:
        return client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Hello"}]).id


def stored(product: Product, name: str) -> bool:
    """Whether the row of a call is in the database."""
    answer = httpx.get(
        f"{product.base_url}/responses/{name}",
        headers={"authorization": f"Bearer {product.key}"},
        trust_env=False,
    )
    return answer.status_code == 200


@contextmanager
def admin_of(product: Product) -> Iterator[httpx.Client]:
    """A session of the administrator's."""
    with httpx.Client(base_url=product.address, trust_env=False, timeout=20) as admin:
        person = {"email": product.admin_email, "password": product.admin_password}
        admin.post("/authentication/login", json=person).raise_for_status()
        yield admin


def make_key(admin: httpx.Client, name: str) -> dict[str, str]:
    """A new key of the administrator's, with its secret."""
    made = admin.post("/admin/api/v1/users/current/api-keys", json={"name": name})
    key: dict[str, str] = made.raise_for_status().json()
    return key


def test_calls_go_on_while_the_database_is_away_and_no_secret_is_told(
    data_dir: Path, upstream: UpstreamThread
) -> None:
    upstream.forget(ModelServer(key=f"Bearer {SECRETS['upstream']}"))
    home = data_dir / "home"
    home.mkdir(mode=0o755)
    with external(data_dir / "database") as server:
        environment = {
            "DATABASE_URL": server.url,
            "DWCTL_SECRET_KEY": SECRETS["key"],
            "DWCTL_LOG__LEVEL": "debug",
        }
        upstream_key = ["--upstream-key", SECRETS["upstream"]]
        product = Product(home, upstream=upstream.url, arguments=upstream_key, environment=environment)
        product.start()
        try:
            assert not (home / "postgres").exists()
            assert "database  PostgreSQL at " in product.output
            assert product.output.count(product.admin_password) == 1
            # What is shown once is behind us: from here on no line may have it.
            product.restart()
            with admin_of(product) as admin:
                before = ask(product, product.key)
                gone = make_key(admin, "before")
                revoked = make_key(admin, "revoked")
                admin.delete(f"/admin/api/v1/users/current/api-keys/{revoked['id']}").raise_for_status()
                until(lambda: stored(product, before), "the row of a call before")
                server.hang(signal.SIGSTOP)
                # httpx gives up after five seconds: whoever asks is told in time, and calls are answered.
                assert ready(product)[0] == 503
                assert ask(product, product.key)
                server.hang(signal.SIGCONT)
                until(lambda: ready(product)[0] == 200, "it goes on")
                server.stop()
                until(lambda: ready(product)[0] == 503, "it says that it is not ready")
                assert "the database does not answer" in ready(product)[1]
                during = [ask(product, product.key) for _ in range(20)]
                assert ask(product, gone["key"])
                # Who may not call is told so without the database, too.
                for secret in (SECRETS["wrong"], revoked["key"]):
                    with pytest.raises(openai.AuthenticationError):
                        ask(product, secret)
                # What needs the database says so, and says when to come again.
                refused = admin.get("/admin/api/v1/groups")
                assert (refused.status_code, "retry-after" in refused.headers) == (503, True)
                server.start()
                until(lambda: ready(product)[0] == 200, "it is ready again")
                for name in during:
                    until(partial(stored, product, name), "the row of a call meanwhile")
                # Notices are heard again: a new key counts, a revoked one does not.
                made = make_key(admin, "after")
                assert ask(product, made["key"])
                admin.delete(f"/admin/api/v1/users/current/api-keys/{gone['id']}").raise_for_status()
                with pytest.raises(openai.AuthenticationError):
                    ask(product, gone["key"])
                with pytest.raises(openai.AuthenticationError):
                    ask(product, SECRETS["wrong"])
                upstream.push(GARBAGE, GARBAGE, server_error())
                for _ in range(2):
                    with pytest.raises(openai.InternalServerError):
                        ask(product, product.key)
                short = {"current_password": product.admin_password, "new_password": "x"}
                admin.post("/authentication/password-change", json=short)
            seen = doctor(home, environment)
            assert seen.status == 0
            assert "ok    database: PostgreSQL " in seen.output
            assert f"process {product.pid} answers on {product.address}" in seen.output
        finally:
            product.close()
        told = product.output + seen.output + seen.errors
        assert "not listening: " in told
        for secret in (
            *SECRETS.values(),
            product.key,
            product.admin_password,
            made["key"],
            gone["key"],
            revoked["key"],
        ):
            assert secret not in told
        lines = [
            line for line in product.output.splitlines() if not line.startswith(("dwctl ", "  ")) and line
        ]
        assert {"ts", "level", "logger", "message"} <= set.intersection(
            *(set(json.loads(line)) for line in lines)
        )
    seen = doctor(home, environment)
    assert seen.status == 1
    assert "FAIL  database: PostgreSQL at " in seen.output
    assert SECRETS["database"] not in seen.output + seen.errors


def doctor(home: Path, environment: dict[str, str]) -> Ended:
    """What the doctor finds with these settings."""
    return dwctl("doctor", "--data-dir", home, directory=home, environment={**environment, "DWCTL_PORT": "0"})
