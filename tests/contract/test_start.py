"""Starting and stopping as a person does it at a terminal."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import pytest

from tests.fakes.answers import reply
from tests.fakes.model import MODEL, ModelServer
from tests.fakes.upstream import UpstreamThread
from tests.server_process import Product

pytestmark = pytest.mark.xdist_group("contract")


@pytest.fixture
def home(open_directory: Path) -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(dir=open_directory))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


def test_without_a_model_server(home: Path) -> None:
    product = Product(home)
    product.start()
    try:
        assert "--upstream" in product.output
        with httpx.Client(base_url=product.address, trust_env=False) as client:
            assert client.get("/healthz").text == "OK"
            person = {"email": product.admin_email, "password": product.admin_password}
            assert client.post("/authentication/login", json=person).status_code == 200
    finally:
        product.close()


def test_the_key_of_the_model_server_goes_upstream_alone(home: Path, upstream: UpstreamThread) -> None:
    upstream.forget(ModelServer(key="Bearer sk-upstream"))
    product = Product(home, upstream=upstream.url, arguments=["--upstream-key", "sk-upstream"])
    product.start()
    try:
        assert "sk-upstream" not in product.output
        with openai.OpenAI(base_url=product.base_url, api_key=product.key, max_retries=0) as client:
            client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Hello"}])
        assert {seen.header("authorization") for seen in upstream.requests} == {"Bearer sk-upstream"}
        # Secrets are shown once: a later start says nothing of them.
        key, password = product.key, product.admin_password
        product.restart()
        assert key not in product.output
        assert password not in product.output
    finally:
        product.close()


@pytest.mark.parametrize(
    ("reason", "server"),
    [
        ("refuses the API key", ModelServer(key="Bearer sk-other")),
        ("answered with status 500", lambda _: reply(b"Internal Server Error", status=500)),
        ("did not answer with a list of models", lambda _: reply(b"<html>", status=200)),
    ],
)
def test_a_model_server_that_cannot_be_imported(
    home: Path, upstream: UpstreamThread, reason: str, server: ModelServer
) -> None:
    upstream.forget(server)
    with pytest.raises(AssertionError, match=f"dwctl: --upstream: .*{reason}") as caught:
        Product(home, upstream=upstream.url).start()
    assert "Traceback" not in str(caught.value)
