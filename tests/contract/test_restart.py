"""An answered call outlives the process that answered it."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import pytest

from tests.fakes.model import MODEL
from tests.fakes.upstream import UpstreamThread
from tests.server_process import Product
from tests.waiting import until
from tests.workers.crew import admin_of

pytestmark = pytest.mark.xdist_group("contract")


@pytest.fixture
def own_product(open_directory: Path, upstream: UpstreamThread) -> Iterator[Product]:
    """A product of this test's own, to be killed."""
    home = Path(tempfile.mkdtemp(dir=open_directory))
    home.chmod(0o755)
    running = Product(home, upstream=upstream.url)
    running.start()
    yield running
    running.close()
    shutil.rmtree(home, ignore_errors=True)


def ask(product: Product) -> str:
    """One call; returns its id."""
    with openai.OpenAI(base_url=product.base_url, api_key=product.key, max_retries=0) as client:
        return client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "Say hello"}]
        ).id


def fetch(product: Product, name: str) -> str:
    """The text of a stored answer."""
    with openai.OpenAI(base_url=product.base_url, api_key=product.key, max_retries=0) as client:
        return client.responses.retrieve(name).output_text


@pytest.mark.long
def test_after_a_kill_and_after_an_orderly_restart(own_product: Product) -> None:
    killed = ask(own_product)
    own_product.kill()
    own_product.start()
    assert fetch(own_product, killed) == "Hello from the fake model."
    stopped = ask(own_product)
    own_product.restart()
    assert fetch(own_product, stopped) == "Hello from the fake model."
    assert fetch(own_product, killed) == "Hello from the fake model."
    # Written when it stops, if the database took it in time, else within ten seconds of the next call.
    ask(own_product)
    with admin_of(own_product) as admin:
        until(lambda: was_used(admin), "the key's last use is shown")


def was_used(admin: httpx.Client) -> bool:
    """Whether the one key of the administrator has been used, as far as is shown."""
    (key,) = admin.get("/admin/api/v1/users/current/api-keys").json()["data"]
    return key["last_used"] is not None
