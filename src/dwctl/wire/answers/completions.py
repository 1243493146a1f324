"""Text completions and embeddings through the public schemas (spec/gateway A1.15). Pure: bytes in, bytes out."""

from typing import Any

import msgspec
from msgspec import UNSET, Raw

from dwctl.wire.answers.fields import FAULTS, NULL, Kept, Malformed, number, starts, text
from dwctl.wire.answers.usage import of_chat, of_embeddings


class _Choice(msgspec.Struct):
    index: Any = None
    text: Kept = UNSET
    logprobs: Kept = UNSET
    finish_reason: Any = None


class _Completion(msgspec.Struct):
    choices: list[_Choice] | None = None
    id: Any = None
    created: Any = None
    usage: Kept = UNSET
    system_fingerprint: Any = UNSET


class _Vector(msgspec.Struct):
    embedding: Raw
    index: Any = None


class _Embeddings(msgspec.Struct):
    data: list[_Vector]
    usage: Kept = UNSET


_read_completion = msgspec.json.Decoder(_Completion).decode
_read_embeddings = msgspec.json.Decoder(_Embeddings).decode
_encode = msgspec.json.Encoder().encode


class CompletionAnswer:
    """One call's answer of `/v1/completions`; a stream has the same shape in each chunk."""

    __slots__ = ("_alias", "_ident")

    def __init__(self, alias: str, ident: str) -> None:
        self._alias = alias
        self._ident = ident

    def whole(self, body: bytes) -> bytes:
        """A complete answer. A text is never made up."""
        answer = _completion(body)
        if answer.choices is None or not all(starts(choice.text, b'"') for choice in answer.choices):
            raise Malformed("a choice has no text")
        return _encode(self._members(answer, answer.choices))

    def event(self, data: bytes) -> bytes:
        """A chunk; one without text adds nothing to it."""
        answer = _completion(data)
        if answer.choices is None and not starts(answer.usage, b"{"):
            raise Malformed("there are neither choices nor usage")
        choices = answer.choices or []
        if not all(choice.text is UNSET or starts(choice.text, b'"n') for choice in choices):
            raise Malformed("a choice's text is none")
        return b"data: %b\n\n" % _encode(self._members(answer, choices))

    def _members(self, answer: _Completion, choices: list[_Choice]) -> dict[str, object]:
        members: dict[str, object] = {
            "id": text(answer.id, f"cmpl-{self._ident}"),
            "object": "text_completion",
            "created": number(answer.created),
            "model": self._alias,
            "choices": [
                {
                    "index": number(choice.index, at),
                    "text": choice.text if starts(choice.text, b'"') else "",
                    "logprobs": NULL if choice.logprobs is UNSET else choice.logprobs,
                    "finish_reason": choice.finish_reason if isinstance(choice.finish_reason, str) else None,
                }
                for at, choice in enumerate(choices)
            ],
        }
        if answer.usage is not UNSET:
            members["usage"] = of_chat(answer.usage)
        if answer.system_fingerprint is None or isinstance(answer.system_fingerprint, str):
            members["system_fingerprint"] = answer.system_fingerprint
        return members


class EmbeddingAnswer:
    """One call's answer of `/v1/embeddings`, which has no stream."""

    __slots__ = ("_alias",)

    def __init__(self, alias: str) -> None:
        self._alias = alias

    def whole(self, body: bytes) -> bytes:
        """A complete answer; vectors keep their bytes."""
        try:
            answer = _read_embeddings(body)
        except FAULTS as error:
            raise Malformed(str(error)) from error
        if not all(starts(vector.embedding, b'["') for vector in answer.data):
            raise Malformed("an embedding is neither numbers nor base64")
        return _encode(
            {
                "object": "list",
                "data": [
                    {
                        "object": "embedding",
                        "index": number(vector.index, at),
                        "embedding": vector.embedding,
                    }
                    for at, vector in enumerate(answer.data)
                ],
                "model": self._alias,
                "usage": of_embeddings(answer.usage),
            }
        )

    def event(self, data: bytes) -> bytes:
        """No stream is expected here."""
        del data
        raise Malformed("embeddings are not streamed")


def _completion(body: bytes) -> _Completion:
    try:
        return _read_completion(body)
    except FAULTS as error:
        raise Malformed(str(error)) from error
