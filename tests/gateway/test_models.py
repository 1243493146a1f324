"""The model list and one model: what a key can reach, in the shapes of both APIs."""

import pytest

from dwctl.routing.snapshot import Purpose
from tests.gateway.house import SECRET, House, bearer, key, model, snapshot, target

LIST = "/ai/v1/models"
VERSION = {"anthropic-version": "2023-06-01", "x-api-key": SECRET}
UPSTREAM = target("http://127.0.0.1:9/v1")
MODELS = (
    model("b/open", UPSTREAM),
    model("a", UPSTREAM, groups=("g1",)),
    model("hidden", UPSTREAM, groups=("g2",)),
    model("é 1", UPSTREAM),
)


def shown(alias: str) -> dict[str, object]:
    """A model as OpenAI's API shows it."""
    return {"id": alias, "object": "model", "created": 1_700_000_000, "owned_by": "fake"}


def house(*groups: str, purpose: Purpose = "realtime") -> House:
    """These models, and a key of an account in these groups."""
    return House(*MODELS, keys={SECRET: key(purpose, groups=groups)})


async def test_the_list_is_what_the_key_can_reach() -> None:
    async with house("g1") as inside, house() as outside:
        for path in (LIST, f"{LIST}/", f"{LIST}?limit=1"):
            answer = await inside.get(path)
            assert answer.status == 200
            assert answer.json() == {"object": "list", "data": [shown("a"), shown("b/open"), shown("é 1")]}
        assert [each["id"] for each in (await outside.get(LIST)).json()["data"]] == ["b/open", "é 1"]


async def test_a_changed_routing_state_changes_the_list() -> None:
    async with house() as running:
        assert len((await running.get(LIST)).json()["data"]) == 2
        running.routing.snapshot = snapshot({SECRET: key()}, model("new", UPSTREAM), version=2)
        assert (await running.get(LIST)).json()["data"] == [shown("new")]


@pytest.mark.parametrize("path", ["b/open", "b%2Fopen", "b%2fopen"])
async def test_a_models_id_may_have_slashes(path: str) -> None:
    async with house() as running:
        assert (await running.get(f"{LIST}/{path}")).json() == shown("b/open")
        assert (await running.get(f"{LIST}/%C3%A9%201")).json() == shown("é 1")


@pytest.mark.parametrize("name", ["nothing", "hidden", "b", "b/open/"])
async def test_a_model_that_is_not_there_for_the_key_is_404(name: str) -> None:
    async with house() as running:
        answer = await running.get(f"{LIST}/{name}")
        assert answer.status == 404
        assert answer.json()["error"] == {
            "message": f"The model '{name}' does not exist.",
            "type": "invalid_request_error",
            "param": "model",
            "code": "model_not_found",
        }
        translated = await running.get(f"{LIST}/{name}", VERSION)
        assert translated.status == 404
        assert translated.json()["error"]["type"] == "not_found_error"


async def test_who_has_no_key_for_inference_sees_nothing() -> None:
    async with house() as running:
        for headers in (bearer("sk-wrong"), {}):
            answer = await running.get(LIST, headers)
            assert (answer.status, answer.json()["error"]["code"]) == (401, "invalid_api_key")
        wrong = {**VERSION, "x-api-key": "sk-wrong"}
        assert (await running.get(LIST, wrong)).json()["error"]["type"] == "authentication_error"
    async with house(purpose="platform") as running:
        assert (await running.get(LIST)).status == 403


async def test_clients_of_the_messages_api_get_its_shape() -> None:
    async with house() as running:
        first = {
            "type": "model",
            "id": "b/open",
            "display_name": "b/open",
            "created_at": "2023-11-14T22:13:20Z",
        }
        answer = await running.get(LIST, VERSION)
        assert answer.json() == {
            "data": [first, {**first, "id": "é 1", "display_name": "é 1"}],
            "has_more": False,
            "first_id": "b/open",
            "last_id": "é 1",
        }
        assert (await running.get(f"{LIST}/b/open", VERSION)).json() == first
        running.routing.snapshot = snapshot({SECRET: key()}, version=3)
        empty = {"data": [], "has_more": False, "first_id": None, "last_id": None}
        assert (await running.get(LIST, VERSION)).json() == empty
        assert (await running.get(LIST)).json() == {"object": "list", "data": []}
