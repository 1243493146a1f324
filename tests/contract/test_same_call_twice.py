"""What a queued call is refused for before it is accepted, and calls that come twice with an `Idempotency-Key`."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest

from tests.contract.test_queued import ended
from tests.contract.test_single_responses import HEADER, TEXT, background
from tests.fakes.model import MODEL
from tests.fakes.upstream import UpstreamThread

pytestmark = pytest.mark.xdist_group("contract")


def asked(upstream: UpstreamThread, text: str) -> int:
    """How often the model server was asked this, whatever calls of other tests are still run."""
    return sum(text.encode() in post.body for post in upstream.posts)


# Refused before anything is queued


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"background": True, "store": False}, "store", "invalid_value"),
        ({"background": "yes"}, "background", "invalid_type"),
        ({"background": 1}, "background", "invalid_type"),
        ({"store": "no"}, "store", "invalid_type"),
        ({"background": True, "metadata": []}, "metadata", "invalid_type"),
        ({"background": True, "metadata": {"a": 1}}, "metadata.a", "invalid_type"),
        ({"service_tier": "flex", "metadata": {"a": "x" * 513}}, "metadata.a", "invalid_value"),
        ({"background": True, "metadata": {"a" * 65: ""}}, "metadata", "invalid_value"),
        ({"background": True, "metadata": {"": ""}}, "metadata", "invalid_value"),
        ({"background": True, "metadata": {str(n): "" for n in range(17)}}, "metadata", "invalid_value"),
    ],
)
def test_what_cannot_be_queued_is_named(
    client: openai.OpenAI, upstream: UpstreamThread, body: dict[str, Any], param: str, code: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.post("/responses", body={"model": MODEL, "input": "x", **body}, cast_to=object)
    assert (caught.value.param, caught.value.code, caught.value.type) == (
        param,
        code,
        "invalid_request_error",
    )
    assert upstream.posts == []


def test_as_much_metadata_as_may_be(client: openai.OpenAI) -> None:
    metadata = {f"{n:064}": "ä" * 512 for n in range(16)}
    name = background(client, metadata=metadata)
    assert ended(client, name).metadata == metadata
    assert ended(client, background(client, metadata=None)).metadata == {}


# The same call twice


def keyed(client: openai.OpenAI, key: str, **more: Any) -> str:
    return background(client, extra_headers={"Idempotency-Key": key}, **more)


def test_the_same_key_and_body_give_the_same_response(
    client: openai.OpenAI, upstream: UpstreamThread
) -> None:
    key = text = uuid.uuid4().hex
    name = keyed(client, key, input=text)
    assert keyed(client, key, input=text) == name
    done = ended(client, name)
    raw = client.responses.with_raw_response.create(
        model=MODEL, input=text, background=True, extra_headers={"Idempotency-Key": key}
    )
    again = raw.parse()
    assert (raw.http_response.status_code, raw.headers[HEADER]) == (202, name)
    assert (again.id, again.status, again.output_text) == (name, "completed", done.output_text)
    assert asked(upstream, text) == 1


def test_a_client_that_waits_gets_the_answer_of_the_first(
    client: openai.OpenAI, upstream: UpstreamThread
) -> None:
    text = uuid.uuid4().hex
    for _ in range(2):
        answer = client.responses.create(
            model=MODEL, input=text, service_tier="flex", extra_headers={"Idempotency-Key": text}
        )
        assert answer.output_text == TEXT
    for _ in range(2):
        chat = client.chat.completions.create(
            model=MODEL,
            messages=[{"role": "user", "content": text}],
            service_tier="flex",
            extra_headers={"Idempotency-Key": f"{text} chat"},
        )
        assert chat.choices[0].message.content == TEXT
    assert asked(upstream, text) == 2


@pytest.mark.parametrize(
    "other",
    [
        {"input": "something else"},
        {"service_tier": "flex"},
        {"metadata": {"a": "b"}},
    ],
)
def test_another_body_with_the_same_key_is_refused(client: openai.OpenAI, other: dict[str, Any]) -> None:
    key = uuid.uuid4().hex
    keyed(client, key)
    body = {"model": MODEL, "input": "Say hello to me", "background": True} | other
    with pytest.raises(openai.UnprocessableEntityError) as caught:
        client.post("/responses", body=body, cast_to=object, options={"headers": {"Idempotency-Key": key}})
    assert caught.value.code == "idempotency_key_reused"


def test_a_key_is_the_accounts_own(client: openai.OpenAI, stranger: openai.OpenAI) -> None:
    key = uuid.uuid4().hex
    assert keyed(client, key) != keyed(stranger, key)


def test_a_key_is_free_again_when_its_response_is_deleted(client: openai.OpenAI) -> None:
    key = uuid.uuid4().hex
    name = keyed(client, key)
    client.responses.delete(name)
    assert keyed(client, key) != name


@pytest.mark.parametrize("key", ["", "k" * 256])
def test_what_is_no_key(client: openai.OpenAI, key: str) -> None:
    with pytest.raises(openai.BadRequestError, match="Idempotency-Key"):
        keyed(client, key)


def test_a_key_needs_the_response(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(
            model=MODEL,
            input="x",
            service_tier="flex",
            store=False,
            extra_headers={"Idempotency-Key": "a"},
        )
    assert caught.value.param == "store"


def test_many_at_once_are_one_call(client: openai.OpenAI, upstream: UpstreamThread) -> None:
    text = uuid.uuid4().hex

    def name(_: int) -> str:
        return client.responses.create(
            model=MODEL, input=text, service_tier="flex", extra_headers={"Idempotency-Key": text}
        ).id

    with ThreadPoolExecutor(20) as threads:
        assert len(set(threads.map(name, range(20)))) == 1
    assert asked(upstream, text) == 1
