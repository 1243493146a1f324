"""Conversations, as the official client uses them (decision 0038)."""

import threading
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

import httpx
import openai
import pytest

from tests.contract.test_context import TEXT, hanging, other_key, refused, texts
from tests.contract.test_queued import ended
from tests.fakes.answers import server_error
from tests.fakes.model import MODEL
from tests.fakes.upstream import UpstreamThread
from tests.waiting import until

pytestmark = [pytest.mark.xdist_group("contract"), pytest.mark.usefixtures("native_responses")]

CONVERSATION = "conversation"
MESSAGE: Any = {"type": "message", "role": "user", "content": "Hi"}


def items_of(client: openai.OpenAI, conversation: str, **query: Any) -> list[Any]:
    """All items, the oldest first, page by page."""
    return list(client.conversations.items.list(conversation, order="asc", **query))


def words(items: list[Any]) -> list[tuple[str, str]]:
    """Role and text of each."""
    return [(item.role, item.content[0].text) for item in items]


def test_its_life(client: openai.OpenAI) -> None:
    made = client.conversations.create(metadata={"topic": "x"}, items=[MESSAGE])
    prefix, _, number = made.id.partition("_")
    assert (prefix, uuid.UUID(number).version, made.object) == ("conv", 7, "conversation")
    assert made.metadata == {"topic": "x"}
    assert client.conversations.retrieve(made.id) == made
    changed = client.conversations.update(made.id, metadata={"topic": "y"})
    assert (changed.id, changed.created_at, changed.metadata) == (made.id, made.created_at, {"topic": "y"})
    gone = client.conversations.delete(made.id)
    assert (gone.id, gone.object, gone.deleted) == (made.id, "conversation.deleted", True)
    for ask in (client.conversations.retrieve, client.conversations.delete, client.conversations.items.list):
        with pytest.raises(openai.NotFoundError):
            ask(made.id)


def test_items_one_by_one(client: openai.OpenAI) -> None:
    made = client.conversations.create()
    call: Any = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    given: Any = [MESSAGE, call, {"type": "function_call_output", "call_id": "c", "output": "42"}]
    added = client.conversations.items.create(made.id, items=given)
    names = [item.id or "" for item in added.data]
    assert [name.partition("_")[0] for name in names] == ["msg", "fc", "fco"]
    assert (added.first_id, added.last_id, added.has_more) == (names[0], names[-1], False)
    listed = items_of(client, made.id)
    assert [item.id for item in listed] == names
    assert (listed[0].status, listed[0].content[0].type) == ("completed", "input_text")
    found = client.conversations.items.retrieve(names[1], conversation_id=made.id)
    assert (found.id, found.type) == (names[1], "function_call")
    after = client.conversations.items.delete(names[1], conversation_id=made.id)
    assert after.id == made.id
    assert [item.id for item in items_of(client, made.id)] == [names[0], names[2]]
    for name in (names[1], "msg_x", f"msg_{uuid.uuid4()}"):
        with pytest.raises(openai.NotFoundError):
            client.conversations.items.retrieve(name, conversation_id=made.id)


def test_pages(client: openai.OpenAI) -> None:
    given: list[Any] = [{**MESSAGE, "content": str(number)} for number in range(33)]
    made = client.conversations.create(items=given[:20])
    client.conversations.items.create(made.id, items=given[20:])
    answer = client.responses.create(model=MODEL, input="last", conversation=made.id)
    expected = [("user", str(n)) for n in range(33)] + [("user", "last"), ("assistant", TEXT)]
    for limit in (1, 2, 7, 20, 100):
        assert words(items_of(client, made.id, limit=limit)) == expected
    newest = client.conversations.items.list(made.id)
    assert len(newest.data) == 20
    assert newest.has_more
    assert words(list(newest)) == expected[::-1]
    # From the answer on, whose id the model server chose.
    item = answer.output[0].id or ""
    assert words(list(client.conversations.items.list(made.id, after=item, limit=2))) == expected[-2::-1]
    with pytest.raises(openai.BadRequestError) as caught:
        client.conversations.items.list(made.id, after="msg_x")
    assert caught.value.param == "after"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"items": [MESSAGE] * 21}, "items"),
        ({"items": [{"type": "message", "role": "user"}]}, "items[0]"),
        ({"items": [MESSAGE, {"type": "item_reference", "id": "msg_x"}]}, "items[1]"),
        ({"metadata": {str(n): "x" for n in range(17)}}, "metadata"),
        ({"metadata": {"k": "x" * 513}}, "metadata.k"),
        ({"metadata": {"k" * 65: "x"}}, "metadata"),
        ({"metadata": {"k": 1}}, "metadata.k"),
    ],
)
def test_wrong_bodies(client: openai.OpenAI, body: dict[str, Any], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.post("/conversations", body=body, cast_to=object)
    assert caught.value.param == param


def test_nobody_else_sees_it(client: openai.OpenAI, admin: httpx.Client, upstream: UpstreamThread) -> None:
    made = client.conversations.create(items=[MESSAGE])
    item = items_of(client, made.id)[0].id
    other = client.with_options(api_key=other_key(admin))
    asks: tuple[Callable[[], object], ...] = (
        partial(other.conversations.retrieve, made.id),
        partial(other.conversations.update, made.id, metadata={}),
        partial(other.conversations.delete, made.id),
        partial(other.conversations.items.list, made.id),
        partial(other.conversations.items.create, made.id, items=[MESSAGE]),
        partial(other.conversations.items.retrieve, item, conversation_id=made.id),
        partial(other.conversations.items.delete, item, conversation_id=made.id),
    )
    for ask in asks:
        with pytest.raises(openai.NotFoundError):
            ask()
    call = partial(other.responses.create, model=MODEL, input="x", conversation=made.id)
    refused(call, "conversation_not_found", CONVERSATION)
    assert upstream.posts == []
    assert len(items_of(client, made.id)) == 1


def test_calls_go_on_in_it(client: openai.OpenAI, upstream: UpstreamThread) -> None:
    made = client.conversations.create(items=[MESSAGE])
    first = client.responses.create(model=MODEL, input="one", conversation=made.id)
    with client.responses.create(
        model=MODEL, input="two", conversation={"id": made.id}, stream=True
    ) as stream:
        shown = [event.response for event in stream if hasattr(event, "response")]
    accepted = client.responses.create(model=MODEL, input="three", conversation=made.id, background=True)
    done = ended(client, accepted.id)
    flex = client.responses.create(model=MODEL, input="four", conversation=made.id, service_tier="flex")
    for response in (first, *shown, accepted, done, flex, client.responses.retrieve(first.id)):
        assert response.conversation is not None
        assert response.conversation.id == made.id
    turns = [("user", "Hi")]
    for number, word in enumerate(("one", "two", "three", "four")):
        turns.append(("user", word))
        sent = upstream.posts[number].json()
        assert texts(sent["input"]) == turns
        assert CONVERSATION not in sent
        turns.append(("assistant", TEXT))
    assert words(items_of(client, made.id)) == turns
    # A response in it can be gone on from outside, with all that came before it.
    client.responses.create(model=MODEL, input="aside", previous_response_id=shown[0].id)
    assert texts(upstream.posts[4].json()["input"]) == [*turns[:5], ("user", "aside")]
    assert words(items_of(client, made.id)) == turns


def test_what_is_taken_out_is_not_said(client: openai.OpenAI, upstream: UpstreamThread) -> None:
    made = client.conversations.create(items=[MESSAGE])
    answer = client.responses.create(model=MODEL, input="one", conversation=made.id)
    listed = items_of(client, made.id)
    client.conversations.items.delete(listed[1].id, conversation_id=made.id)
    with pytest.raises(openai.NotFoundError):
        client.conversations.items.delete(listed[1].id, conversation_id=made.id)
    assert words(items_of(client, made.id)) == [("user", "Hi"), ("assistant", TEXT)]
    client.responses.create(model=MODEL, input="two", conversation=made.id)
    assert texts(upstream.posts[1].json()["input"]) == [("user", "Hi"), ("assistant", TEXT), ("user", "two")]
    # The response itself keeps it.
    client.responses.create(model=MODEL, input="x", previous_response_id=answer.id)
    assert ("user", "one") in texts(upstream.posts[2].json()["input"])


def test_a_call_that_fails_or_is_not_stored_leaves_nothing(
    client: openai.OpenAI, upstream: UpstreamThread
) -> None:
    made = client.conversations.create()
    upstream.push(server_error(500))
    with pytest.raises(openai.InternalServerError):
        client.responses.create(model=MODEL, input="fails", conversation=made.id)
    client.responses.create(model=MODEL, input="unstored", conversation=made.id, store=False)
    client.responses.create(model=MODEL, input="one", conversation=made.id)
    assert texts(upstream.posts[2].json()["input"]) == [("user", "one")]
    assert words(items_of(client, made.id)) == [("user", "one"), ("assistant", TEXT)]


def test_responses_outlive_their_conversation(client: openai.OpenAI) -> None:
    made = client.conversations.create()
    answer = client.responses.create(model=MODEL, input="one", conversation=made.id)
    client.conversations.delete(made.id)
    assert client.responses.retrieve(answer.id).output_text == TEXT
    again = client.responses.create(model=MODEL, input="two", previous_response_id=answer.id)
    assert again.output_text == TEXT


def test_one_call_at_a_time(client: openai.OpenAI, upstream: UpstreamThread) -> None:
    made = client.conversations.create()
    upstream.push(hanging())
    with client.responses.create(model=MODEL, input="one", conversation=made.id, stream=True) as stream:
        next(iter(stream))
        with pytest.raises(openai.ConflictError) as caught:
            client.responses.create(model=MODEL, input="two", conversation=made.id)
        assert (caught.value.code, caught.value.param) == ("conversation_locked", CONVERSATION)
        assert caught.value.response.headers["retry-after"] == "1"
    # The client has left: that call is over, and said nothing.
    until(
        lambda: _answered(client, made.id),
        "the conversation is free again",
    )
    assert words(items_of(client, made.id)) == [("user", "two"), ("assistant", TEXT)]


def _answered(client: openai.OpenAI, conversation: str) -> bool:
    try:
        client.responses.create(model=MODEL, input="two", conversation=conversation)
    except openai.ConflictError:
        return False
    return True


def test_many_calls_at_once_take_turns(client: openai.OpenAI, upstream: UpstreamThread) -> None:
    made = client.conversations.create()
    patient = client.with_options(max_retries=60)
    failures: list[openai.OpenAIError] = []

    def ask(word: str) -> None:
        try:
            patient.responses.create(model=MODEL, input=word, conversation=made.id)
        except openai.OpenAIError as error:
            failures.append(error)

    threads = [threading.Thread(target=ask, args=(f"w{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    turns = words(items_of(client, made.id))
    assert sorted(text for role, text in turns if role == "user") == [f"w{number}" for number in range(6)]
    # Each was sent with everything before it and nothing else.
    sent = sorted((texts(post.json()["input"]) for post in upstream.posts), key=len)
    assert sent == [turns[: 2 * number + 1] for number in range(6)]


def test_a_call_that_is_refused_later_holds_nothing(
    client: openai.OpenAI, admin: httpx.Client, upstream: UpstreamThread
) -> None:
    made = client.conversations.create()
    (model,) = (each for each in admin.get("/admin/api/v1/models").json()["data"] if each["alias"] == MODEL)
    path = f"/admin/api/v1/models/{model['id']}"
    limits = {"requests_per_second": 0.001, "burst_size": 1}
    assert admin.patch(path, json={"type": "standard", **limits}).status_code == 200
    try:
        client.responses.create(model=MODEL, input="one", conversation=made.id)
        for _ in range(3):
            with pytest.raises(openai.RateLimitError):
                client.responses.create(model=MODEL, input="limited", conversation=made.id)
    finally:
        assert admin.patch(path, json={"type": "standard", **dict.fromkeys(limits)}).status_code == 200
    until(lambda: _answered(client, made.id), "its place is given back")
    assert words(items_of(client, made.id)) == [
        ("user", "one"), ("assistant", TEXT), ("user", "two"), ("assistant", TEXT),
    ]  # fmt: skip
