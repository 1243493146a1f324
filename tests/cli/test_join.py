"""Two processes on one data directory: refused unasked, joined with `--join`, ended together."""

from pathlib import Path

import httpx
import pytest

from tests.cli.command import dwctl
from tests.fakes.model import MODEL
from tests.fakes.upstream import upstream_in_thread
from tests.server_process import Product
from tests.waiting import until

pytestmark = pytest.mark.xdist_group("cli")


def call(product: Product, key: str) -> int:
    """The status of one call."""
    asked = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}]}
    return httpx.post(
        f"{product.base_url}/chat/completions",
        json=asked,
        headers={"authorization": f"Bearer {key}"},
        trust_env=False,
    ).status_code


def make_key(product: Product, email: str, password: str) -> str:
    """A new key of the administrator's."""
    with httpx.Client(base_url=product.address, trust_env=False) as admin:
        admin.post("/authentication/login", json={"email": email, "password": password}).raise_for_status()
        made = admin.post("/admin/api/v1/users/current/api-keys", json={"name": "joined"})
        return str(made.raise_for_status().json()["key"])


@pytest.mark.long
def test_the_second_process_is_named_the_first_or_joins_it(data_dir: Path) -> None:
    with upstream_in_thread() as upstream:
        first = Product(data_dir, upstream=upstream.url)
        first.start()
        try:
            refused = dwctl("serve", "--data-dir", data_dir, "--port", "0", directory=data_dir)
            assert refused.status == 1
            assert f"is in use by process {first.pid} ({first.address})" in refused.errors
            assert "--join" in refused.errors
            second = Product(data_dir, arguments=["--join"])
            second.start_again()
            assert second.address != first.address
            # A key counts in both from the moment it is shown, or soon after.
            key = make_key(second, first.admin_email, first.admin_password)
            assert call(second, key) == 200
            assert call(second, first.key) == 200
            until(lambda: call(first, key) == 200, "the key counts in the other process")
        finally:
            first.close()
        # The database went with the first: the second ends by itself and says why.
        assert second.wait_for_end() == 1
        assert "had joined it; start again without --join" in second.output
        assert "Traceback" not in second.output
    alone = dwctl("serve", "--data-dir", data_dir, "--port", "0", "--join", directory=data_dir)
    assert (alone.status, "start without --join" in alone.errors) == (1, True)
