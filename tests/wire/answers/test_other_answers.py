"""Text completions and embeddings through the schema."""

from typing import Any

import msgspec
import pytest
from hypothesis import given

from dwctl.wire.answers.completions import CompletionAnswer, EmbeddingAnswer
from dwctl.wire.answers.fields import Malformed
from dwctl.wire.sse import data_of
from tests.fakes import shapes
from tests.wire.answers.texts import JSON, OBJECTS, encoded


def completion(value: Any) -> Any:
    """A complete answer, cleaned."""
    return msgspec.json.decode(CompletionAnswer("alias", "1").whole(encoded(value)))


def chunk(value: Any) -> Any:
    """A chunk, cleaned."""
    return msgspec.json.decode(data_of(CompletionAnswer("alias", "1").event(encoded(value))))


def embeddings(value: Any) -> Any:
    """A complete answer, cleaned."""
    return msgspec.json.decode(EmbeddingAnswer("alias").whole(encoded(value)))


def test_a_completion_is_kept_without_what_only_the_provider_knows() -> None:
    given = shapes.completion("upstream/model", "Hello")
    noisy = {**given, "provider": "x", "choices": [{**given["choices"][0], "prompt_logprobs": None}]}
    assert completion(noisy) == {**given, "model": "alias"}
    assert chunk(noisy) == {**given, "model": "alias"}


def test_what_a_completion_lacks_is_filled_in_but_its_text() -> None:
    shown = completion({"choices": [{"text": ""}, {"text": "b"}]})
    assert (shown["id"], shown["object"], shown["created"]) == ("cmpl-1", "text_completion", 0)
    assert shown["choices"][1] == {"index": 1, "text": "b", "logprobs": None, "finish_reason": None}
    for choice in ({}, {"text": None}, {"text": 1}, "x"):
        with pytest.raises(Malformed):
            completion({"choices": [choice]})


def test_a_chunk_without_text_adds_nothing() -> None:
    shown = chunk({"choices": [{}, {"text": None, "finish_reason": "stop"}]})
    assert [choice["text"] for choice in shown["choices"]] == ["", ""]
    assert chunk({"usage": {"prompt_tokens": 1}})["choices"] == []
    for value in ({}, {"choices": [{"text": 1}]}):
        with pytest.raises(Malformed):
            chunk(value)


@pytest.mark.parametrize("as_base64", [True, False])
def test_embeddings_keep_their_vectors(as_base64: bool) -> None:
    given = shapes.embeddings("upstream/model", ["a b", "c"], as_base64=as_base64)
    noisy = {**given, "id": "embd-1", "cost": 1, "data": [{**each, "x": 1} for each in given["data"]]}
    assert embeddings(noisy) == {**given, "model": "alias"}


def test_what_embeddings_lack_is_filled_in_but_the_vectors() -> None:
    shown = embeddings({"data": [{"embedding": [1]}, {"embedding": "AAAA", "index": 7}]})
    assert shown == {
        "object": "list",
        "data": [
            {"object": "embedding", "index": 0, "embedding": [1]},
            {"object": "embedding", "index": 7, "embedding": "AAAA"},
        ],
        "model": "alias",
        "usage": {"prompt_tokens": 0, "total_tokens": 0},
    }
    odd: tuple[Any, ...] = ({}, {"data": None}, {"data": [{}]}, {"data": [{"embedding": None}]}, [])
    for value in odd:
        with pytest.raises(Malformed):
            embeddings(value)
    with pytest.raises(Malformed):
        EmbeddingAnswer("alias").event(b'{"data":[]}')


@given(OBJECTS | JSON)
def test_any_json_is_cleaned_or_refused(value: Any) -> None:
    for clean, known in (
        (completion, {"id", "object", "created", "model", "choices", "usage", "system_fingerprint"}),
        (chunk, {"id", "object", "created", "model", "choices", "usage", "system_fingerprint"}),
        (embeddings, {"object", "data", "model", "usage"}),
    ):
        try:
            shown = clean(value)
        except Malformed:
            continue
        assert set(shown) <= known
        for choice in shown.get("choices", ()):
            assert set(choice) == {"index", "text", "logprobs", "finish_reason"}
