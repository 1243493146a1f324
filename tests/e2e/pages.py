"""Opens the dashboard, and waits for what its pages show."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import httpx
from playwright.sync_api import Browser, Page, expect

from tests.e2e.house import ENVIRONMENT, Person
from tests.e2e.watch import Watch
from tests.server_process import Product

DEADLINE_MS = 30_000
"""For what a page shows: the machine may be busy."""
WIDE = (1440, 900)
PHONE = (390, 844)
NARROW = 600
"""Pixels below which a browser acts as one of a phone."""

expect.set_options(timeout=DEADLINE_MS)


@contextmanager
def started(directory: Path, upstream: str | None = None) -> Iterator[Product]:
    """A product on fresh data, which must have its dashboard."""
    home = Path(tempfile.mkdtemp(dir=directory))
    home.chmod(0o755)
    product = Product(home, upstream=upstream, environment=ENVIRONMENT)
    product.start()
    try:
        page = httpx.get(product.address, headers={"accept": "text/html"}, timeout=60)
        assert 'id="root"' in page.text, f"the dashboard is not built: {page.text[:400]}"
        yield product
    finally:
        product.close()
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def watched(
    browser: Browser,
    origin: str,
    size: tuple[int, int] = WIDE,
    theme: Literal["light", "dark"] = "light",
) -> Iterator[tuple[Page, Watch]]:
    """A page in a session of its own; what it did wrong is raised at the end."""
    context = browser.new_context(
        base_url=origin,
        viewport={"width": size[0], "height": size[1]},
        is_mobile=size[0] < NARROW,
        has_touch=size[0] < NARROW,
        color_scheme=theme,
        reduced_motion="reduce",
        permissions=["clipboard-read", "clipboard-write"],
    )
    context.set_default_timeout(DEADLINE_MS)
    page = context.new_page()
    watch = Watch(page, origin)
    try:
        yield page, watch
        watch.check()
    finally:
        context.close()


def sign_in(page: Page, origin: str, person: Person) -> None:
    """Through the page, as people do."""
    page.goto(f"{origin}/sign-in")
    page.get_by_label("Email").fill(person.email)
    page.get_by_label("Password").fill(person.password)
    page.get_by_role("button", name="Sign in").click()
    expect(
        page.get_by_role("navigation", name="Pages").or_(page.get_by_role("button", name="Open the menu"))
    ).to_be_visible()


def settled(page: Page) -> None:
    """Wait until nothing on the page is loading any more."""
    expect(
        page.get_by_role("heading", level=1).or_(page.get_by_role("heading", level=2)).first
    ).to_be_visible()
    expect(page.get_by_role("status", name="Loading")).to_have_count(0)


def said(page: Page, text: str) -> None:
    """Wait for a message of the page."""
    expect(page.get_by_role("status").get_by_text(text, exact=True).first).to_be_visible()
