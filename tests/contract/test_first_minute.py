"""What a first start prints works when it is pasted, and a second start is quiet and changes nothing."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.fakes.upstream import UpstreamThread
from tests.server_process import Product

pytestmark = pytest.mark.xdist_group("contract")
TEXT = "Hello from the fake model."


def run(*command: str) -> str:
    """What a command prints, which must end well."""
    done = subprocess.run(
        command,
        env={"PATH": os.defpath, "NO_PROXY": "*"},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_lines_that_are_shown_run_as_they_stand(data_dir: Path, upstream: UpstreamThread) -> None:
    product = Product(data_dir, upstream=upstream.url)
    product.start()
    try:
        shown = product.output
        # Nothing waits between the lines being there and their being pasted.
        curl = next(line for line in shown.splitlines() if line.startswith("curl "))
        answer = json.loads(run("sh", "-c", curl))
        assert answer["choices"][0]["message"]["content"] == TEXT
        snippet = re.search(r"^from openai import OpenAI\n(?:.+\n){3}", shown, re.MULTILINE)
        assert snippet is not None
        assert run(sys.executable, "-c", snippet[0]) == f"{TEXT}\n"
        for told in (product.address, str(data_dir), product.admin_email, product.key, "/admin/docs"):
            assert told in shown
        assert f"from {upstream.url}/, open to everyone" in shown
        product.restart()
        quiet = [line for line in product.output.splitlines() if line]
        assert product.key not in product.output
        assert len(quiet) < 8
        # The password and the key of the first start count as before.
        person = {"email": product.admin_email, "password": product.admin_password}
        with httpx.Client(base_url=product.address, trust_env=False) as client:
            assert client.post("/authentication/login", json=person).status_code == 200
            keys = client.get("/ai/v1/models", headers={"authorization": f"Bearer {product.key}"})
        assert keys.status_code == 200
    finally:
        product.close()


def test_a_configured_password_counts_once(data_dir: Path) -> None:
    """It is for an administrator who has none: a later start never resets what a person has chosen."""

    def sign_in(product: Product, password: str) -> int:
        person = {"email": "boss@example.com", "password": password}
        answer = httpx.post(f"{product.address}/authentication/login", json=person, trust_env=False)
        return answer.status_code

    for configured in ("the first password", "another password"):
        given = {"DWCTL_ADMIN_EMAIL": "boss@example.com", "DWCTL_ADMIN_PASSWORD": configured}
        product = Product(data_dir, environment=given)
        product.start_again()
        try:
            assert sign_in(product, "the first password") == 200
            assert sign_in(product, "another password") == 401
            assert configured not in product.output
        finally:
            product.close()
