"""One running product and one fake model server for all contract tests of a process."""

import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import openai
import pytest

from tests.contract.adapter import native
from tests.fakes.upstream import UpstreamThread, upstream_in_thread
from tests.server_process import Product


@pytest.fixture(scope="session")
def shared_upstream() -> Iterator[UpstreamThread]:
    """The model server that the product was started with."""
    with upstream_in_thread() as running:
        yield running


@pytest.fixture(scope="session")
def product(open_directory: Path, shared_upstream: UpstreamThread) -> Iterator[Product]:
    """`dwctl serve --upstream URL`, stopped in order at the end."""
    home = Path(tempfile.mkdtemp(dir=open_directory))
    home.chmod(0o755)
    running = Product(home, upstream=shared_upstream.url)
    running.start()
    yield running
    running.close()
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def upstream(shared_upstream: UpstreamThread) -> Iterator[UpstreamThread]:
    """The model server with nothing behind it and nothing pushed, before and after a test."""
    shared_upstream.forget()
    yield shared_upstream
    shared_upstream.forget()


@pytest.fixture
def client(product: Product, upstream: UpstreamThread) -> Iterator[openai.OpenAI]:
    """The official client, without retries, so that a test sees each answer."""
    with openai.OpenAI(base_url=product.base_url, api_key=product.key, max_retries=0, timeout=20) as made:
        yield made


@pytest.fixture
def native_responses(product: Product) -> Iterator[None]:
    """Calls of `/responses` go to the model server as they come."""
    with native(product):
        yield


@pytest.fixture
async def async_client(product: Product, upstream: UpstreamThread) -> AsyncIterator[openai.AsyncOpenAI]:
    """The same for async code."""
    async with openai.AsyncOpenAI(
        base_url=product.base_url, api_key=product.key, max_retries=0, timeout=20
    ) as made:
        yield made


@pytest.fixture
def admin(product: Product) -> Iterator[httpx.Client]:
    """A session of the first administrator."""
    with httpx.Client(base_url=product.address, timeout=20, trust_env=False) as session:
        signed_in = session.post(
            "/authentication/login", json={"email": product.admin_email, "password": product.admin_password}
        )
        assert signed_in.status_code == 200, signed_in.text
        yield session


@pytest.fixture
def stranger(client: openai.OpenAI, admin: httpx.Client) -> Iterator[openai.OpenAI]:
    """The client of another account."""
    name = f"u{uuid.uuid4().hex}"
    made = admin.post(
        "/admin/api/v1/users", json={"username": name, "email": f"{name}@example.org", "roles": []}
    )
    assert made.status_code == 201, made.text
    key = admin.post(f"/admin/api/v1/users/{made.json()['id']}/api-keys", json={"name": "k"})
    assert key.status_code == 201, key.text
    with client.with_options(api_key=key.json()["key"]) as other:
        yield other
