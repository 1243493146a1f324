"""From the sign-in page of an empty server to the first request in the list, by visible labels alone."""

import re

from playwright.sync_api import Browser, expect

from tests.e2e import axe
from tests.e2e.house import Person
from tests.e2e.pages import said, sign_in, watched
from tests.fakes.upstream import UpstreamThread
from tests.server_process import Product

ANSWER = "Hello from the fake model."


def test_an_empty_server_leads_to_a_working_request(
    browser: Browser, empty_product: Product, house_upstream: UpstreamThread
) -> None:
    origin = empty_product.address
    with watched(browser, origin) as (page, _watch):
        sign_in(page, origin, Person(empty_product.admin_email, empty_product.admin_password))
        expect(page.get_by_role("heading", name="Get to your first request")).to_be_visible()
        axe.check(page)

        page.get_by_role("button", name="Add an endpoint").click()
        page.get_by_label("Address").fill("http://127.0.0.1:9/v1")
        page.get_by_role("button", name="Check connection").click()
        expect(page.get_by_role("alert")).to_be_visible()
        page.get_by_label("Address").fill(house_upstream.url)
        page.get_by_role("button", name="Check connection").click()
        expect(page.get_by_label("Alias of fake-model")).to_have_value("fake-model")
        axe.check(page)
        page.get_by_label("Name", exact=True).fill("our server")
        page.get_by_label("Alias of fake-model").fill("hello")
        page.get_by_role("button", name="Add endpoint").click()
        said(page, "our server is connected with 2 models.")

        page.get_by_label("Name of the key").fill("my first key")
        page.get_by_role("button", name="Create key").click()
        secret = page.get_by_label("The new key").inner_text()
        assert re.fullmatch(r"sk-[\w-]{43}", secret)
        for language in ("curl", "Python", "JavaScript"):
            page.get_by_role("button", name=language, exact=True).click()
            example = page.get_by_label(f"{language} example").inner_text()
            assert secret in example
            assert f"{origin}/ai/v1" in example
        page.get_by_role("button", name="Copy key").click()
        expect(page.get_by_role("button", name="Copied", exact=True)).to_be_visible()
        assert page.evaluate("navigator.clipboard.readText()") == secret

        page.get_by_role("button", name="I have copied it").click()
        page.get_by_label("Model").select_option("hello")
        page.get_by_label("Message").fill("Is anybody there?")
        page.get_by_role("button", name="Send request").click()
        expect(page.get_by_text(ANSWER)).to_be_visible()
        arrived = page.get_by_role("list", name="Newest requests")
        expect(arrived.get_by_role("link")).to_have_count(1)
        expect(page.get_by_text("5 of 5 done")).to_be_visible()

        arrived.get_by_role("link", name="hello").click()
        drawer = page.get_by_role("dialog", name="hello")
        expect(drawer.get_by_text("Is anybody there?")).to_be_visible()
        expect(drawer.get_by_text(ANSWER)).to_be_visible()
        axe.check(page)
        drawer.get_by_role("tab", name="JSON").click()
        expect(drawer.get_by_label("Request", exact=True)).to_contain_text('"stream": true')
        drawer.get_by_role("button", name="Close").click()
        row = page.get_by_role("table", name="Requests").get_by_role("row").nth(1)
        expect(row).to_contain_text("my first key")
        expect(row).to_contain_text("200")
