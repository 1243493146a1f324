"""One browser and one product for all tests of the dashboard; a fresh session of the browser for each of them."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest
from playwright.sync_api import Browser, Page

from tests.e2e.browser import chromium
from tests.e2e.house import House, Person
from tests.e2e.pages import sign_in, started, watched
from tests.e2e.watch import Watch
from tests.fakes.model import ModelServer
from tests.fakes.upstream import UpstreamThread, upstream_in_thread
from tests.server_process import Product


class SignedIn(Protocol):
    """Opens the dashboard for somebody, by its own sign-in."""

    def __call__(self, person: Person, *refusals: tuple[int, str]) -> Page:
        """A page of theirs; `refusals` are statuses and paths that are part of the test."""
        ...


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """They need a browser and minutes."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.long)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium, ended before tests of other packages run: its driver holds the thread's event loop."""
    with chromium() as running:
        yield running


@pytest.fixture(scope="package")
def house_upstream() -> Iterator[UpstreamThread]:
    """A model server that streams slowly enough to be watched."""
    with upstream_in_thread(ModelServer(models=("fake-model", "other-model"), chunk_gap=0.02)) as running:
        yield running


@pytest.fixture(scope="package")
def house(open_directory: Path, house_upstream: UpstreamThread) -> Iterator[House]:
    """The product with a model server, as `dwctl serve --upstream URL` starts it."""
    with started(open_directory, upstream=house_upstream.url) as product:
        made = House(product, house_upstream)
        yield made
        made.close()


@pytest.fixture
def empty_product(open_directory: Path) -> Iterator[Product]:
    """The product as it first starts, with nothing in it."""
    with started(open_directory) as product:
        yield product


@pytest.fixture
def fresh(browser: Browser, house: House) -> Iterator[tuple[Page, Watch]]:
    """A page of somebody who has not signed in."""
    with watched(browser, house.origin) as (page, watch):
        yield page, watch


@pytest.fixture
def signed_in(browser: Browser, house: House) -> Iterator[SignedIn]:
    """Pages of several people; what they did wrong is raised at the end."""
    with ExitStack() as open_pages:

        def enter(person: Person, *refusals: tuple[int, str]) -> Page:
            page, watch = open_pages.enter_context(watched(browser, house.origin))
            for status, path in refusals:
                watch.expect(status, path)
            sign_in(page, house.origin, person)
            return page

        yield enter
