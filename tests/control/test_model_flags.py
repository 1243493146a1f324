"""What the gateway does to the answers of a model, and which protocols its server speaks."""

from typing import Any

from tests.control.house import House
from tests.control.test_models import AWAY, FLAGS, create


async def test_what_the_gateway_does_to_answers_is_kept(house: House) -> None:
    manager, endpoint_id = await house.manager(), await house.endpoint(AWAY)
    plain = await create(house, manager, endpoint_id, "plain")
    assert {name: plain[name] for name in FLAGS} == {
        "sanitize_responses": False,
        "trusted": False,
        "open_responses_adapter": None,
        "chat_completions_adapter": False,
    }
    given: dict[str, Any] = {
        "sanitize_responses": True,
        "trusted": True,
        "open_responses_adapter": False,
        "chat_completions_adapter": True,
    }
    made = await create(house, manager, endpoint_id, "other", **given)
    assert {name: made[name] for name in FLAGS} == given
    path = f"/models/{made['id']}"
    changes: tuple[dict[str, Any], ...] = (
        {"sanitize_responses": False},
        {"trusted": False},
        {"open_responses_adapter": None},
        {"chat_completions_adapter": False},
        {},
    )
    for change in changes:
        given |= change
        answer = await house.api("PATCH", path, manager, change)
        assert {name: answer.json()[name] for name in FLAGS} == given
    for name in ("sanitize_responses", "trusted", "chat_completions_adapter"):
        answer = await house.api("PATCH", path, manager, {name: None})
        assert (answer.status_code, answer.text) == (400, f"{name}: expected bool, got null")


async def test_a_server_that_knows_only_responses_needs_no_other_adapter(house: House) -> None:
    manager, endpoint_id = await house.manager(), await house.endpoint(AWAY)
    both = {"open_responses_adapter": True, "chat_completions_adapter": True}
    body = {"model_name": "x", "hosted_on": str(endpoint_id), **both}
    refusals = [await house.api("POST", "/models", manager, body)]
    pool = {"model_name": "pool", "type": "composite", "chat_completions_adapter": True}
    refusals.append(await house.api("POST", "/models", manager, pool))
    made = await create(house, manager, endpoint_id, "x", chat_completions_adapter=True)
    path = f"/models/{made['id']}"
    refusals.append(await house.api("PATCH", path, manager, {"open_responses_adapter": True}))
    assert {answer.status_code for answer in refusals} == {400}
    assert all(answer.text.startswith("chat_completions_adapter: ") for answer in refusals)
    turned = {"open_responses_adapter": True, "chat_completions_adapter": False}
    assert (await house.api("PATCH", path, manager, turned)).status_code == 200
