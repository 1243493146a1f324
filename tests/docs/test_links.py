"""Every relative link leads somewhere, down to the heading."""

from urllib.parse import unquote, urlsplit

import pytest

from tests.docs.page import Page, pages
from tests.processes import ROOT

PAGES = {page.path.relative_to(ROOT).as_posix(): page for page in pages()}


@pytest.mark.parametrize("name", PAGES)
def test_relative_links_resolve(name: str) -> None:
    page = PAGES[name]
    for link in page.links:
        parts = urlsplit(link)
        if parts.scheme:
            continue
        path = (page.path.parent / unquote(parts.path)).resolve() if parts.path else page.path
        assert path.exists(), f"{name}: {link} is not there"
        assert path.is_relative_to(ROOT), f"{name}: {link} leads out of the repository"
        if parts.fragment:
            assert parts.fragment in Page(path).anchors, f"{name}: {link} has no such heading"


def test_a_page_is_read_as_a_code_host_shows_it() -> None:
    page = Page.of("docs/operating.md")
    assert "tls-and-reverse-proxies" in page.anchors
    assert "../config.example.yaml" in page.links
    assert not any("# makes the cluster" in anchor for anchor in page.anchors)
