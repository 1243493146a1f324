"""Batches and files: from an upload to what has come of every line, and who may do what."""

import json
import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.e2e import axe, work
from tests.e2e.conftest import SignedIn
from tests.e2e.house import House
from tests.e2e.pages import said, settled

DONE = re.compile("^Completed$")


def choose(page: Page, name: str, content: bytes) -> None:
    """Put a file into the dialog of an upload, and send it."""
    dialog = page.get_by_role("dialog", name="Upload a file")
    dialog.locator("input[type=file]").set_input_files(
        {"name": name, "mimeType": "application/x-ndjson", "buffer": content}
    )
    dialog.get_by_role("button", name="Upload", exact=True).click()


def test_a_file_becomes_a_batch_and_its_results(house: House, signed_in: SignedIn) -> None:
    name = house.name("reports")
    page = signed_in(house.person("BatchAPIUser"))
    page.goto("/files")
    expect(page.get_by_text("No files yet")).to_be_visible()
    axe.check(page)
    page.get_by_role("button", name="Upload file").first.click()
    choose(page, f"{name}.jsonl", work.lines(6, wrong=2))
    said(page, f"{name}.jsonl is uploaded.")
    drawer = page.get_by_role("dialog", name=f"{name}.jsonl")
    expect(drawer.get_by_text("24h: 6 requests")).to_be_visible()
    expect(drawer.get_by_text('"custom_id":"report-1"')).to_be_visible()
    axe.check(page)
    drawer.get_by_role("link", name="Create batch").click()

    form = page.get_by_role("dialog", name="Create a batch")
    expect(form.get_by_label("File")).to_have_value(re.compile("-"))
    expect(form.get_by_label("Endpoint")).to_have_value("/v1/chat/completions")
    form.get_by_label("Description").fill(f"The {name}")
    form.get_by_role("button", name="Add metadata").click()
    form.get_by_label("Name").fill("team")
    form.get_by_label("Value").fill("support desk")
    axe.check(page)
    form.get_by_role("button", name="Create batch").click()
    expect(page.get_by_role("heading", level=1, name=f"The {name}")).to_be_visible()
    expect(page.get_by_text(DONE).first).to_be_visible()
    expect(page.get_by_role("progressbar", name="Progress")).to_have_attribute(
        "aria-valuetext", "4 of 6 done, 2 failed"
    )
    expect(page.get_by_text("support desk")).to_be_visible()

    rows = page.get_by_role("table", name="Requests").get_by_role("row")
    expect(rows).to_have_count(3)
    rows.nth(1).get_by_role("button", name="report-5").click()
    line = page.get_by_role("dialog", name="report-5")
    expect(line.get_by_role("alert")).to_contain_text("400")
    expect(line.get_by_label("Response")).to_contain_text("missing_required_parameter")
    axe.check(page)
    page.keyboard.press("Escape")
    page.get_by_label("Status of the requests").select_option("Every status")
    expect(rows).to_have_count(7)
    page.get_by_label("Search custom ids").fill("report-2")
    expect(rows).to_have_count(2)

    for label, entries in (("Output", 4), ("Errors", 2), ("All results", 6)):
        with page.expect_download() as loading:
            page.get_by_role("link", name=f"Download: {label}").click()
        found = [json.loads(each) for each in Path(loading.value.path()).read_text().splitlines()]
        assert len(found) == entries, label
        assert {entry["custom_id"] for entry in found} <= {f"report-{number}" for number in range(1, 7)}


def test_what_failed_is_tried_again_and_what_is_over_deleted(house: House, signed_in: SignedIn) -> None:
    name = house.name("retried")
    batch_id = work.batch(
        house, work.upload(house, name, work.lines(3, wrong=1)), batch_description=f"The {name}"
    )
    before = work.ended(house, batch_id)["completed_at"]
    page = signed_in(house.admin)
    page.goto(f"/batches/{batch_id}")
    page.get_by_role("button", name="Retry failed").click()
    asking = page.get_by_role("alertdialog")
    expect(asking).to_contain_text("1 request is sent again.")
    axe.check(page)
    asking.get_by_role("button", name="Retry failed").click()
    said(page, "The failed requests wait for another try.")
    after = work.ended(house, batch_id)
    assert (after["request_counts"]["failed"], after["completed_at"] >= before) == (1, True)
    expect(page.get_by_text(DONE).first).to_be_visible()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Delete batch").click()
    said(page, "The batch is deleted.")
    expect(page).to_have_url(re.compile("/batches$"))
    expect(page.get_by_text(f"The {name}")).to_have_count(0)


def test_a_batch_is_watched_and_cancelled(house: House, signed_in: SignedIn) -> None:
    name = house.name("long")
    batch_id = work.batch(house, work.upload(house, name, work.lines(20_000)), batch_description=name)
    page = signed_in(house.admin)
    page.goto("/batches?status=in_progress")
    row = page.get_by_role("table", name="Batches").get_by_role("row").filter(has_text=name)
    expect(row).to_contain_text("Running")
    row.get_by_role("link", name=name).click()
    bar = page.get_by_role("progressbar", name="Progress")
    said_first = bar.get_attribute("aria-valuetext") or ""
    expect(bar).not_to_have_attribute("aria-valuetext", said_first)
    page.get_by_role("button", name="Cancel batch").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Cancel batch").click()
    said(page, "The batch is being canceled.")
    expect(page.get_by_text("Canceled", exact=True).first).to_be_visible()
    expect(page.get_by_role("button", name="Cancel batch")).to_have_count(0)
    axe.check(page)
    work.ended(house, batch_id)


def test_a_refused_file_shows_the_line(house: House, signed_in: SignedIn) -> None:
    name = house.name("wrong")
    good = work.lines(3)
    bad = good.replace(
        b'"custom_id": "report-2", "method": "POST"', b'"custom_id": "report-2", "method": "GET"'
    )
    page = signed_in(house.person("BatchAPIUser"), (400, "/ai/v1/files"), (403, "/ai/v1/files"))
    page.goto("/files?upload=true")
    choose(page, name, bad)
    wrong = page.get_by_role("list", name="What is wrong")
    expect(wrong.get_by_role("alert")).to_contain_text("Line 2")
    expect(wrong.get_by_role("alert")).to_contain_text("method")
    expect(wrong.get_by_label("Line 2")).to_contain_text('"method": "GET"')
    axe.check(page)
    choose(page, name, work.lines(2, model="nobody's"))
    expect(wrong.get_by_role("alert")).to_contain_text("nobody's")
    choose(page, name, good)
    said(page, f"{name} is uploaded.")


def test_batches_are_narrowed_and_paged_by_their_address(house: House, signed_in: SignedIn) -> None:
    name = house.name("paged")
    file_id = work.upload(house, name, work.lines(1))
    made = [work.batch(house, file_id, batch_description=f"{name} {number}") for number in range(27)]
    for batch_id in made:
        work.ended(house, batch_id)
    page = signed_in(house.admin)
    page.goto("/batches")
    rows = page.get_by_role("table", name="Batches").get_by_role("row")
    page.get_by_label("Search batches").fill(name)
    expect(page).to_have_url(re.compile(f"q={name}"))
    expect(rows).to_have_count(26)
    expect(rows.nth(1)).to_contain_text(f"{name} 26")
    page.get_by_role("button", name="Next page").click()
    expect(rows).to_have_count(3)
    expect(page).to_have_url(re.compile("after="))
    page.reload()
    expect(rows).to_have_count(3)
    page.get_by_role("button", name="First page").click()
    expect(rows).to_have_count(26)
    page.get_by_label("Search batches").fill(made[4][4:30])
    expect(rows).to_have_count(2)
    expect(rows.nth(1)).to_contain_text(f"{name} 4")
    page.get_by_label("Endpoint").select_option("/v1/embeddings")
    expect(page.get_by_text("No batch fits these filters.")).to_be_visible()
    page.get_by_label("Endpoint").select_option("/v1/chat/completions")
    page.get_by_label("Model").select_option("other-model")
    expect(page.get_by_text("No batch fits these filters.")).to_be_visible()
    page.get_by_label("Model").select_option("fake-model")
    page.get_by_label("Status").select_option("Completed")
    page.get_by_label("Time").select_option("Last hour")
    expect(rows).to_have_count(2)
    page.get_by_label("Status").select_option("Failed")
    page.get_by_role("button", name="Show all of them").click()
    expect(page).to_have_url(re.compile("/batches$"))


def test_everybody_sees_their_own_and_a_manager_whose_it_likes(house: House, signed_in: SignedIn) -> None:
    person = house.person("BatchAPIUser")
    page = signed_in(person)
    page.goto("/batches")
    expect(page.get_by_text("No batches yet")).to_be_visible()
    page.get_by_role("button", name="Create batch").first.click()
    name = house.name("own")
    page.get_by_role("dialog").get_by_role("button", name="Upload").click()
    choose(page, name, work.lines(1))
    said(page, f"{name} is uploaded.")
    page.get_by_label("Description").fill(name)
    page.get_by_role("dialog").get_by_role("button", name="Create batch").click()
    expect(page.get_by_role("heading", level=1, name=name)).to_be_visible()

    other = work.batch(house, work.upload(house, "x", work.lines(1)), batch_description="Not theirs")
    manager = signed_in(house.person("PlatformManager"))
    manager.goto("/batches")
    rows = manager.get_by_role("table", name="Batches").get_by_role("row")
    expect(rows.filter(has_text=name)).to_contain_text(person.email)
    manager.get_by_role("button", name="Account: Everyone").click()
    manager.get_by_label("Search accounts").fill(person.email)
    choices = manager.get_by_role("list", name="Accounts").get_by_role("button")
    expect(choices).to_have_count(1)
    choices.click()
    expect(rows).to_have_count(2)
    expect(rows.nth(1)).to_contain_text(name)
    manager.goto("/files")
    expect(
        manager.get_by_role("table", name="Files").get_by_role("row").filter(has_text=name)
    ).to_contain_text(person.email)

    reader = signed_in(house.person("ConnectionsUser"), (404, f"/ai/v1/batches/{other}"))
    reader.goto("/batches")
    expect(reader.get_by_text("No batches yet")).to_be_visible()
    expect(reader.get_by_role("button", name="Create batch")).to_have_count(0)
    reader.goto(f"/batches/{other}")
    expect(reader.get_by_text("This could not be loaded")).to_be_visible()
    axe.check(reader)


def test_files_are_narrowed_downloaded_and_deleted(house: House, signed_in: SignedIn) -> None:
    name = house.name("notes")
    work.upload(house, f"{name}.txt", b"Some notes.", "user_data")
    work.upload(house, f"{name}.jsonl", work.lines(2))
    page = signed_in(house.admin)
    page.goto("/files")
    rows = page.get_by_role("table", name="Files").get_by_role("row")
    page.get_by_label("Search file names").fill(name)
    expect(rows).to_have_count(3)
    page.get_by_label("Purpose").select_option("User data")
    expect(rows).to_have_count(2)
    expect(rows.nth(1)).to_contain_text("Never")
    page.get_by_role("button", name=f"Actions for {name}.txt").click()
    with page.expect_download() as loading:
        page.get_by_role("menuitem", name="Download").click()
    assert Path(loading.value.path()).read_bytes() == b"Some notes."
    assert loading.value.suggested_filename == f"{name}.txt"
    page.get_by_role("button", name=f"Actions for {name}.txt").focus()
    page.keyboard.press("Enter")
    page.get_by_role("menuitem", name="Delete").press("Enter")
    page.get_by_role("alertdialog").get_by_role("button", name="Delete file").press("Enter")
    said(page, f"{name}.txt is deleted.")
    expect(page.get_by_text("No file fits these filters.")).to_be_visible()


def test_what_cannot_be_loaded_is_tried_again(house: House, signed_in: SignedIn) -> None:
    page = signed_in(house.admin)
    for address, pattern in (("/batches", "**/ai/v1/batches?*"), ("/files", "**/ai/v1/files?*")):
        page.route(pattern, lambda route: route.abort())
        page.goto(address)
        expect(page.get_by_text("The server does not answer.")).to_be_visible()
        page.unroute(pattern)
        page.get_by_role("button", name="Try again").click()
        settled(page)
        expect(page.get_by_role("table").or_(page.get_by_text("yet")).first).to_be_visible()
