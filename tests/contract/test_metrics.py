"""The page of metrics: what it counts, who may read it, where it is."""

import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.cli.command import dwctl
from tests.server_process import Product

pytestmark = pytest.mark.xdist_group("contract")
TOKEN = "a token for Prometheus"


def served(product: Product) -> dict[tuple[str, str, str], float]:
    """How often each method, endpoint and status was answered."""
    page = httpx.get(f"{product.address}/internal/metrics", trust_env=False).text
    return {
        (sample.labels["method"], sample.labels["endpoint"], sample.labels["status"]): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == "dwctl_http_requests_total"
    }


def test_requests_are_counted_by_the_pattern_of_their_route(product: Product, admin: httpx.Client) -> None:
    before = served(product)
    group = "/admin/api/v1/groups/00000000-0000-0000-0000-000000000000"
    admin.get(group)
    admin.get(group)
    admin.get("/admin/api/v1/groups/11111111-1111-1111-1111-111111111111")
    admin.get("/made/up/by/a/client")
    admin.request("BREW", "/healthz")
    after = served(product)
    more = {place: count - before.get(place, 0.0) for place, count in after.items()}
    pattern = "/admin/api/v1/groups/{group_id}"
    assert more["GET", pattern, "200"] == 2.0
    assert more["GET", pattern, "404"] == 1.0
    assert more["GET", "", "404"] >= 1.0
    assert {place[1] for place, count in more.items() if place[0] == "other" and count} <= {"", "/healthz"}
    assert not any("made" in place[1] or "1111" in place[1] for place in after)


def free_port() -> int:
    """A port that nobody has at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@pytest.fixture
def gated(data_dir: Path) -> Iterator[tuple[Product, str]]:
    """A product with metrics on an address of their own, and that address."""
    place = f"127.0.0.1:{free_port()}"
    environment = {"DWCTL_METRICS__LISTEN": place, "DWCTL_METRICS__BEARER_TOKEN": TOKEN}
    made = Product(data_dir, environment=environment)
    made.start()
    yield made, place
    made.close()


def test_an_address_and_a_token_of_their_own(gated: tuple[Product, str]) -> None:
    product, place = gated
    with httpx.Client(trust_env=False) as client:
        assert client.get(f"{product.address}/internal/metrics").status_code == 404
        refused = client.get(f"http://{place}/metrics")
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
        wrong = client.get(f"http://{place}/metrics", headers={"authorization": f"Bearer {TOKEN}x"})
        assert wrong.status_code == 401
        for path in ("/metrics", "/internal/metrics"):
            page = client.get(f"http://{place}{path}", headers={"authorization": f"Bearer {TOKEN}"})
            assert page.status_code == 200
            assert page.headers["content-type"].startswith("text/plain; version=0.0.4")
            assert "dwctl_http_requests_total" in page.text
        assert client.get(f"http://{place}/healthz").status_code == 404
        assert client.post(f"http://{place}/metrics").status_code == 405


@pytest.mark.parametrize("given", ["9090", "127.0.0.1", ":9090", "127.0.0.1:99999", "127.0.0.1:x"])
def test_an_address_that_is_none(data_dir: Path, given: str) -> None:
    told = dwctl("serve", "--validate", directory=data_dir, environment={"DWCTL_METRICS__LISTEN": given})
    assert told.status == 1
    assert "metrics.listen: expected host:port such as 127.0.0.1:9090" in told.errors
