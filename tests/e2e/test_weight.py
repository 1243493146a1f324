"""What the first page weighs, how long it takes (printed, not judged), and what its server lets it do."""

import gzip
import sys
import time

import httpx
from playwright.sync_api import Browser, Response, expect

from tests.e2e.house import House
from tests.e2e.pages import watched

MOST_BYTES = 250_000


def test_the_first_page_is_light(browser: Browser, house: House) -> None:
    bodies: dict[str, int] = {}

    def note(response: Response) -> None:
        if "/assets/" in response.url or response.request.resource_type == "document":
            bodies[response.url] = len(gzip.compress(response.body(), 6))

    with watched(browser, house.origin) as (page, _watch):
        page.on("response", note)
        began = time.perf_counter()
        page.goto("/")
        expect(page.get_by_label("Email")).to_be_visible()
        sys.stdout.write(f"usable after {time.perf_counter() - began:.2f} s\n")
        page.wait_for_load_state("networkidle")
    weight = sum(bodies.values())
    sys.stdout.write(f"first page: {weight} bytes compressed in {len(bodies)} files\n")
    assert 0 < weight <= MOST_BYTES


def test_the_policy_allows_the_page_itself_and_nothing_else(house: House) -> None:
    answer = httpx.get(house.origin, headers={"accept": "text/html"}, timeout=60)
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "<style" not in answer.text
    assert " style=" not in answer.text
    assert answer.text.count("<script") == answer.text.count("<script src=") + answer.text.count(
        '<script type="module" crossorigin src="/assets/'
    )
