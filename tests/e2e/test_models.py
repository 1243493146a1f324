"""A model is tried from its own page, with nothing but the session."""

from playwright.sync_api import expect

from tests.e2e.conftest import SignedIn
from tests.e2e.house import House


def test_a_model_is_tried_without_a_key(house: House, signed_in: SignedIn) -> None:
    model_id = house.call("GET", "/models?search=other-model").json()["data"][0]["id"]
    person = house.person()
    page = signed_in(person)
    page.goto(f"/models/{model_id}?tab=use")
    page.get_by_label("Message").fill("Are you there?")
    page.get_by_role("button", name="Send request").click()
    expect(page.get_by_text("Hello from the fake model.")).to_be_visible()
    page.goto("/requests")
    row = page.get_by_role("table", name="Requests").get_by_role("row").nth(1)
    expect(row).to_contain_text("other-model")
    expect(row).to_contain_text("Chat, streamed")


def test_what_a_server_speaks_is_chosen_on_its_models_page(house: House, signed_in: SignedIn) -> None:
    model = house.call("GET", "/models?search=other-model").json()["data"][0]
    page = signed_in(house.admin)
    flags = ("open_responses_adapter", "chat_completions_adapter")
    for label, wanted in (
        ("Responses alone", (False, True)),
        ("Chat completions and responses", (False, False)),
        ("Chat completions", (None, False)),
    ):
        page.goto(f"/models/{model['id']}?tab=settings")
        page.get_by_label("What its server speaks").select_option(label=label)
        # The button is disabled while it is being saved, too.
        with page.expect_response(lambda answer: answer.request.method == "PATCH"):
            page.get_by_role("button", name="Save changes").click()
        expect(page.get_by_role("button", name="Save changes")).to_be_disabled()
        now = house.call("GET", f"/models/{model['id']}").json()
        assert tuple(now[name] for name in flags) == wanted
