"""Chat completions through the public schema (spec/gateway A1.14, A1.15). Pure: bytes in, bytes out.

What the schema does not name is dropped. Messages and deltas are kept as they came, or, with `strict`, go through a
schema of their own.
"""

from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from dwctl.wire.answers.fields import FAULTS, NULL, Kept, Malformed, arguments_of, given, number, starts, text
from dwctl.wire.answers.usage import of_chat

_STRING = b'"n'
_EXTRAS: tuple[tuple[str, bytes | None], ...] = (
    ("refusal", _STRING),
    ("name", _STRING),
    ("annotations", None),
    ("audio", None),
    ("function_call", None),
    ("reasoning_content", _STRING),
    ("reasoning_details", None),
)
"""Members that stay where they are, and what they begin with."""
_STRINGS = b'"[n'


class _Choice(msgspec.Struct):
    index: Any = None
    message: Kept = UNSET
    delta: Kept = UNSET
    logprobs: Kept = UNSET
    finish_reason: Any = None
    stop_reason: Kept = UNSET


class _Chat(msgspec.Struct):
    choices: list[_Choice] | None = None
    id: Any = None
    created: Any = None
    usage: Kept = UNSET
    service_tier: Any = UNSET
    system_fingerprint: Any = UNSET


class _Function(msgspec.Struct):
    name: Kept = UNSET
    arguments: Kept = UNSET


class _Call(msgspec.Struct):
    index: Any = None
    id: Any = None
    type: Any = None
    function: _Function | None = None
    custom: Kept = UNSET


class _Message(msgspec.Struct):
    role: Any = None
    content: Kept = UNSET
    refusal: Kept = UNSET
    name: Kept = UNSET
    annotations: Kept = UNSET
    audio: Kept = UNSET
    function_call: Kept = UNSET
    tool_calls: list[_Call] | UnsetType | None = UNSET
    reasoning: Kept = UNSET
    reasoning_content: Kept = UNSET
    reasoning_details: Kept = UNSET


_read = msgspec.json.Decoder(_Chat).decode
_read_message = msgspec.json.Decoder(_Message).decode
_encode = msgspec.json.Encoder().encode


class ChatAnswer:
    """One call's answer. `ident` makes the ids that the upstream leaves out; they stay the same for a stream."""

    __slots__ = ("_alias", "_begun", "_ident", "_strict")

    def __init__(self, alias: str, ident: str, *, strict: bool) -> None:
        self._alias = alias
        self._ident = ident
        self._strict = strict
        self._begun: set[tuple[int, int]] = set()
        """Calls of the stream, by choice and index, whose arguments have begun."""

    def whole(self, body: bytes) -> bytes:
        """A complete answer."""
        answer = _decoded(body)
        if answer.choices is None:
            raise Malformed("there are no choices")
        choices = [self._choice(choice, at) for at, choice in enumerate(answer.choices)]
        return _encode(self._members(answer, "chat.completion", choices))

    def event(self, data: bytes) -> bytes:
        """A chunk."""
        answer = _decoded(data)
        if answer.choices is None and not starts(answer.usage, b"{"):
            raise Malformed("there are neither choices nor usage")
        choices = [self._part(choice, at) for at, choice in enumerate(answer.choices or ())]
        return b"data: %b\n\n" % _encode(self._members(answer, "chat.completion.chunk", choices))

    def _members(self, answer: _Chat, kind: str, choices: list[dict[str, object]]) -> dict[str, object]:
        members: dict[str, object] = {
            "id": text(answer.id, f"chatcmpl-{self._ident}"),
            "object": kind,
            "created": number(answer.created),
            "model": self._alias,
            "choices": choices,
        }
        if answer.usage is not UNSET:
            members["usage"] = of_chat(answer.usage)
        if answer.service_tier is None or isinstance(answer.service_tier, str):
            members["service_tier"] = answer.service_tier
        if answer.system_fingerprint is None or isinstance(answer.system_fingerprint, str):
            members["system_fingerprint"] = answer.system_fingerprint
        return members

    def _choice(self, choice: _Choice, at: int) -> dict[str, object]:
        message = choice.message
        if not isinstance(message, Raw) or not starts(message, b"{"):
            raise Malformed("a choice has no message")
        index = number(choice.index, at)
        shown = self._message(message, index) if self._strict else message
        return _rest({"index": index, "message": shown}, choice)

    def _part(self, choice: _Choice, at: int) -> dict[str, object]:
        delta = choice.delta
        index = number(choice.index, at)
        if not isinstance(delta, Raw) or not starts(delta, b"{"):
            return _rest({"index": index, "delta": {}}, choice)
        return _rest({"index": index, "delta": self._delta(delta, index) if self._strict else delta}, choice)

    def _message(self, raw: Raw, choice: int) -> dict[str, object]:
        message = _decoded_message(raw)
        said = (message.content, message.refusal, message.audio, message.function_call)
        if all(part is UNSET for part in said) and message.tool_calls is UNSET:
            raise Malformed("a message says nothing")
        shown: dict[str, object] = {
            "role": text(message.role, "assistant"),
            "content": NULL if message.content is UNSET else message.content,
        }
        shown.update(_extras(message))
        if message.tool_calls is None:
            shown["tool_calls"] = None
        elif isinstance(message.tool_calls, list):
            shown["tool_calls"] = [
                _call(call, text(call.id, f"call_{self._ident}_{choice}_{at}"))
                for at, call in enumerate(message.tool_calls)
            ]
        return shown

    def _delta(self, raw: Raw, choice: int) -> dict[str, object]:
        message = _decoded_message(raw)
        shown: dict[str, object] = {}
        if isinstance(message.role, str):
            shown["role"] = message.role
        if message.content is not UNSET:
            shown["content"] = message.content
        shown.update(_extras(message))
        if isinstance(message.tool_calls, list):
            shown["tool_calls"] = [
                self._call_part(call, choice, at) for at, call in enumerate(message.tool_calls)
            ]
        return shown

    def _call_part(self, call: _Call, choice: int, at: int) -> dict[str, object]:
        """A piece of a call; clients put the pieces of its arguments together."""
        index = number(call.index, at)
        shown: dict[str, object] = {"index": index}
        if isinstance(call.id, str):
            shown["id"] = call.id
        if isinstance(call.type, str):
            shown["type"] = call.type
        if call.function is not None:
            function: dict[str, object] = {**given(name=call.function.name)}
            function["arguments"] = self._arguments_part(call.function.arguments, (choice, index))
            shown["function"] = function
        return shown | given(custom=call.custom)

    def _arguments_part(self, raw: Kept, place: tuple[int, int]) -> Raw:
        """Nothing is an empty piece; "null" is an empty object where it is the first, and only then."""
        if not isinstance(raw, Raw) or bytes(raw) in (b"null", b'""'):
            return Raw(b'""')
        if place in self._begun and starts(raw, b'"'):
            return raw
        self._begun.add(place)
        return arguments_of(raw)


def _decoded(body: bytes) -> _Chat:
    try:
        return _read(body)
    except FAULTS as error:
        raise Malformed(str(error)) from error


def _decoded_message(raw: Raw) -> _Message:
    try:
        message = _read_message(raw)
    except FAULTS as error:
        raise Malformed(str(error)) from error
    if not (message.content is UNSET or starts(message.content, _STRINGS)) or not (
        message.refusal is UNSET or starts(message.refusal, _STRING)
    ):
        raise Malformed("a message's text is none")
    return message


def _extras(message: _Message) -> dict[str, Raw]:
    """What a message may have beside its text. `reasoning` is an older name of `reasoning_content`."""
    shown: dict[str, Raw] = {}
    for name, openings in _EXTRAS:
        raw = getattr(message, name)
        if raw is not UNSET and (openings is None or starts(raw, openings)):
            shown[name] = raw
    if starts(message.reasoning, b'"'):
        older = "reasoning" if starts(message.reasoning_content, b'"') else "reasoning_content"
        shown[older] = message.reasoning
    return shown


def _call(call: _Call, ident: str) -> dict[str, object]:
    shown: dict[str, object] = {"id": ident, "type": text(call.type, "function")}
    if call.function is not None:
        if not starts(call.function.name, b'"'):
            raise Malformed("a call names no function")
        shown["function"] = {"name": call.function.name, "arguments": arguments_of(call.function.arguments)}
    return shown | given(custom=call.custom)


def _rest(shown: dict[str, object], choice: _Choice) -> dict[str, object]:
    shown["logprobs"] = NULL if choice.logprobs is UNSET else choice.logprobs
    shown["finish_reason"] = choice.finish_reason if isinstance(choice.finish_reason, str) else None
    if choice.stop_reason is not UNSET:
        shown["stop_reason"] = choice.stop_reason
    return shown
