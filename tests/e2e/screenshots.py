"""Pictures of every page for the documents: `python -m tests.e2e.screenshots` writes docs/screenshots/.

A product is started on fresh data, furnished as a small team would have it, and photographed in both themes, wide
and as on a phone. `pngquant` makes the files smaller where the machine has it.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Literal

import httpx
import msgspec
from playwright.sync_api import Browser, Page, expect

from tests.e2e import work
from tests.e2e.browser import chromium
from tests.e2e.house import House
from tests.e2e.pages import PHONE, WIDE, settled, sign_in, started, watched
from tests.fakes.model import ModelServer
from tests.fakes.upstream import upstream_in_thread
from tests.processes import ROOT

VIEWS: tuple[tuple[str, tuple[int, int]], ...] = (("wide", WIDE), ("phone", PHONE))
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
FOLDER = ROOT / "docs" / "screenshots"
MODELS = ("llama-3.3-70b", "qwen3-8b", "mistral-small", "bge-m3-embedding")
ANSWER = (
    "A gateway stands between your applications and the model servers: it knows who may call what, "
    "keeps limits, and remembers every request."
)
PROMPTS = ("What does a gateway do?", "Summarize the minutes of Monday.", "Write a haiku about queues.")
GROUPS = (("Research", "Evaluation and training"), ("Support desk", "The chat on the website"))
PEOPLE = (
    ("Ada Lovelace", "ada@example.com", "PlatformManager"),
    ("Grace Hopper", "grace@example.com", "RequestViewer"),
    ("Alan Turing", "alan@example.com", "BatchAPIUser"),
    ("Katherine Johnson", "katherine@example.com", "BillingManager"),
)


def tariff(name: str, entry: str, out: str, **more: str) -> dict[str, str]:
    """Prices of one token, as decimal strings."""
    return {"name": name, "input_price_per_token": entry, "output_price_per_token": out, **more}


KEYS: tuple[tuple[str, dict[str, int]], ...] = (
    ("website", {"requests_per_minute": 600, "max_concurrent": 16}),
    ("evaluation", {"tokens_per_minute": 200_000}),
    ("notebook", {}),
)


TARIFFS: tuple[tuple[str, list[dict[str, str]]], ...] = (
    ("llama-3.3-70b", [tariff("spring", "0.000000650", "0.000001950")]),
    (
        "llama-3.3-70b",
        [
            tariff("standard", "0.000000590", "0.000001790", cached_input_price_per_token="0.000000295"),
            tariff(
                "night",
                "0.000000295",
                "0.000000895",
                api_key_purpose="batch",
                completion_window="24h",
            ),
        ],
    ),
    ("mistral-small", [tariff("standard", "0.0000001", "0.0000003")]),
)
"""What models cost, one after the other; all others are free."""
CREDITS: tuple[tuple[str, str, str], ...] = (
    ("admin_grant", "25", "Budget of the first quarter"),
    ("admin_removal", "2.5", "Moved to the support desk"),
)
TOOLS = (
    ("search_documents", "Searches the company's documents.", "http://127.0.0.1:9/search"),
    ("exchange_rate", "The rate between two currencies on a day.", "http://127.0.0.1:9/rate"),
)


class Shot(msgspec.Struct, frozen=True):
    """One picture: a page, and what is pressed before it is taken."""

    name: str
    path: str
    press: tuple[str, ...] = ()
    """Names of buttons."""


def furnish(house: House) -> list[Shot]:
    """Fill the product with a team and its work; gives the pictures to take."""
    models = {each["alias"]: each["id"] for each in house.call("GET", "/models?limit=100").json()["data"]}
    endpoint = house.call("GET", "/endpoints").json()[0]
    house.call("PATCH", f"/endpoints/{endpoint['id']}", {"name": "Rack in the cellar", "max_concurrent": 64})
    pool = {
        "type": "composite",
        "model_name": "chat-large",
        "model_type": "CHAT",
        "display_name": "Chat, large",
        "description": "The best answer of whichever server is up.",
    }
    pool_id = house.call("POST", "/models", pool).json()["id"]
    for alias, weight in (("llama-3.3-70b", 3), ("mistral-small", 1)):
        house.call("POST", f"/models/{pool_id}/components/{models[alias]}", {"weight": weight})
    groups = [
        house.call("POST", "/groups", {"name": name, "description": text}).json()["id"]
        for name, text in GROUPS
    ]
    for group_id in groups:
        house.call("POST", f"/groups/{group_id}/models/{pool_id}")
    people = []
    for name, email, role in PEOPLE:
        person = {"username": email, "email": email, "display_name": name, "roles": ["StandardUser", role]}
        people.append(house.call("POST", "/users", person).json()["id"])
        house.call("POST", f"/groups/{groups[0]}/users/{people[-1]}")
    _money(house, models, people)
    for name, text, url in TOOLS:
        tool_id = house.call("POST", "/tool-sources", {"name": name, "description": text, "url": url}).json()[
            "id"
        ]
        for place in (f"/deployments/{models['llama-3.3-70b']}", f"/groups/{groups[0]}"):
            house.call("PUT", f"{place}/tool-sources/{tool_id}")
    request_id = _work(house)
    file_id, batch_id, response_id = _queued(house)
    return [
        Shot("start", "/"),
        Shot("requests", "/requests"),
        Shot("request", f"/requests?open={request_id}"),
        Shot("request-json", f"/requests?open={request_id}&tab=json"),
        Shot("responses", "/responses"),
        Shot("response", f"/responses?open={response_id}"),
        Shot("response-timeline", f"/responses?open={response_id}&tab=timeline"),
        Shot("batches", "/batches"),
        Shot("batch", f"/batches/{batch_id}"),
        Shot("new-batch", f"/batches?create=true&file={file_id}"),
        Shot("files", "/files"),
        Shot("file", f"/files?open={file_id}"),
        Shot("upload", "/files?upload=true"),
        Shot("models", "/models"),
        Shot("model", f"/models/{models['llama-3.3-70b']}?tab=use"),
        Shot("pool", f"/models/{pool_id}?tab=pool"),
        Shot("prices", f"/models/{models['llama-3.3-70b']}?tab=prices"),
        Shot("new-tariff", f"/models/{models['llama-3.3-70b']}?tab=prices", ("Add tariff",)),
        Shot("costs", "/cost-management"),
        Shot("credits", "/cost-management", ("Add or remove credits",)),
        Shot("keys", "/keys"),
        Shot("new-key", "/keys?create=true"),
        Shot("endpoints", "/endpoints"),
        Shot("new-endpoint", "/endpoints?create=true"),
        Shot("tools", "/tools"),
        Shot("new-tool", "/tools?create=true"),
        Shot("groups", "/groups"),
        Shot("group", f"/groups/{groups[0]}"),
        Shot("users", "/users"),
        Shot("user", f"/users/{people[0]}"),
        Shot("account", "/account"),
        Shot("palette", "/", ("Search",)),
    ]


def _money(house: House, models: dict[str, str], people: list[str]) -> None:
    """Prices, what they were before, and credits."""
    for alias, tariffs in TARIFFS:
        house.call("PATCH", f"/models/{models[alias]}", {"tariffs": tariffs})
    me = house.call("PATCH", "/users/current", {"low_balance_threshold": "5"}).json()["id"]
    for number, (kind, amount, why) in enumerate(CREDITS):
        booking = {"user_id": me, "transaction_type": kind, "amount": amount, "description": why}
        house.call("POST", "/transactions", {**booking, "source_id": f"credits-{number}"})
    for number, person in enumerate(people):
        booking = {"user_id": person, "transaction_type": "admin_grant", "amount": str(5 * number + 1)}
        house.call("POST", "/transactions", {**booking, "source_id": f"people-{number}"})
    house.call("PATCH", f"/users/{people[0]}", {"low_balance_threshold": "2"})


def _work(house: House) -> str:
    """Calls of several keys, some of which fail; gives the id of one that did not."""
    secrets = []
    for name, limits in KEYS:
        made = house.call("POST", "/users/current/api-keys", {"name": name, **limits})
        secrets.append(made.json()["key"])
    for number in range(24):
        body = {
            "model": MODELS[number % 3],
            "stream": number % 3 == 1,
            "messages": [
                {"role": "system", "content": "You are helpful and brief."},
                {"role": "user", "content": PROMPTS[number % len(PROMPTS)]},
            ],
        }
        if number in (5, 14):
            body = {"model": MODELS[number % 3], "messages": []}
        headers = {"authorization": f"Bearer {secrets[number % len(secrets)]}"}
        httpx.post(f"{house.product.base_url}/chat/completions", headers=headers, json=body, timeout=60)
    return house.ask_with(secrets[0], PROMPTS[0], MODELS[0])


def _queued(house: House) -> tuple[str, str, str]:
    """A file, a batch over it and a response, each by its id."""
    secret = house.call("POST", "/users/current/api-keys", {"name": "nightly"}).json()["key"]
    file_id = work.upload(house, "reports-of-november.jsonl", work.lines(120, wrong=3, model=MODELS[0]))
    batch_id = work.batch(house, file_id, batch_description="Summaries of November", team="Support desk")
    work.ended(house, batch_id)
    more = work.upload(house, "archive.jsonl", work.lines(20_000, model=MODELS[2]))
    work.batch(house, more, batch_description="The whole archive")
    given: dict[str, Any] = {"tools": [work.WEATHER], "instructions": "You are helpful and brief."}
    for number in range(4):
        work.respond(house, secret, model=MODELS[number % 3], background=number % 2 == 0)
    response_id = work.respond(house, secret, model=MODELS[0], input=work.TALK, background=True, **given)
    return file_id, batch_id, response_id


def take(page: Page, shot: Shot, path: Path) -> None:
    """One picture."""
    page.goto(shot.path)
    settled(page)
    for name in shot.press:
        page.get_by_role("button", name=name).first.click()
    if "open=" in shot.path:
        expect(page.get_by_role("dialog").get_by_role("definition").first).to_be_visible()
    page.wait_for_load_state("networkidle")
    page.evaluate("document.fonts.ready")
    # A dialog that is about to appear is not there yet, even where animations are left out.
    page.evaluate("Promise.all(document.getAnimations().map((each) => each.finished.catch(() => null)))")
    page.screenshot(path=path, animations="disabled")


def album(browser: Browser, house: House, shots: list[Shot]) -> None:
    """All of them, in every view."""
    for word, size in VIEWS:
        for theme in THEMES:
            with watched(browser, house.origin, size, theme) as (page, _watch):
                take(page, Shot("sign-in", "/sign-in"), FOLDER / f"sign-in-{word}-{theme}.png")
                sign_in(page, house.origin, house.admin)
                for shot in shots:
                    take(page, shot, FOLDER / f"{shot.name}-{word}-{theme}.png")


def first_run(browser: Browser, directory: Path) -> None:
    """The checklist of an empty server."""
    with started(directory) as product:
        for word, size in VIEWS:
            for theme in THEMES:
                with watched(browser, product.address, size, theme) as (page, _watch):
                    page.goto("/sign-in")
                    page.get_by_label("Email").fill(product.admin_email)
                    page.get_by_label("Password").fill(product.admin_password)
                    page.get_by_role("button", name="Sign in").click()
                    expect(page.get_by_role("heading", level=1)).to_have_text("Get to your first request")
                    settled(page)
                    # Nothing lies under the pointer in a picture.
                    page.mouse.move(0, 0)
                    page.screenshot(path=FOLDER / f"first-run-{word}-{theme}.png", animations="disabled")


def main() -> None:
    """Take them all anew."""
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.png"):
        old.unlink()
    directory = Path(tempfile.mkdtemp(prefix="dwctl-screenshots-"))
    directory.chmod(0o755)
    try:
        with chromium() as browser:
            server = ModelServer(models=MODELS, text=ANSWER, chunk_gap=0.02, head_delay=0.15)
            with upstream_in_thread(server) as upstream, started(directory, upstream.url) as product:
                house = House(product, upstream)
                album(browser, house, furnish(house))
                house.close()
            first_run(browser, directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    pngquant = shutil.which("pngquant")
    if pngquant is not None:
        pictures = sorted(str(path) for path in FOLDER.glob("*.png"))
        subprocess.run([pngquant, "--force", "--ext", ".png", "--speed", "1", "256", *pictures], check=True)


if __name__ == "__main__":
    main()
