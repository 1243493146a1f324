"""A request for a chat completion as a Responses request. Pure; raises `Refused` with 400 that names the field.

Every field of a chat is translated, passed on because both APIs have it, or refused because the other one has nothing
for it. What neither knows is passed on, since model servers have parameters of their own; but a field that only the
Responses API knows is refused, for a chat server would not heed it either.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from dwctl.wire.errors import Refused
from dwctl.wire.reading import read, wrong
from dwctl.wire.translate.back.items import items_of
from dwctl.wire.translate.request import LOGPROBS, told
from dwctl.wire.translate.tools import flat_choice

Json = dict[str, Any]
_MISSING = "missing_required_parameter"


class _StreamOptions(msgspec.Struct):
    include_obfuscation: bool | None = None


class _Function(msgspec.Struct):
    name: str
    description: str | None = None
    parameters: msgspec.Raw = msgspec.Raw(b"null")
    strict: bool | None = None


class _Tool(msgspec.Struct):
    type: str = "function"
    function: _Function | None = None


class _Format(msgspec.Struct):
    type: str
    json_schema: dict[str, msgspec.Raw] | None = None


_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_messages = msgspec.json.Decoder(list[msgspec.Raw])
_stream_options = msgspec.json.Decoder(_StreamOptions)
_tools = msgspec.json.Decoder(list[msgspec.Raw])
_tool = msgspec.json.Decoder(_Tool)
_choice = msgspec.json.Decoder(str | Json)
_format = msgspec.json.Decoder(_Format)
_object = msgspec.json.Decoder(Json)
_flag = msgspec.json.Decoder(bool)
_any = msgspec.json.Decoder()
_NULL = msgspec.Raw(b"null")

_CANNOT: dict[str, tuple[str, object]] = {
    "n": ("the model's server gives one answer; send the request several times", 1),
    "stop": ("the model's server has no stop sequences", []),
    "seed": ("the model's server takes no seed", None),
    "logit_bias": ("the model's server does not change the odds of tokens", {}),
    "modalities": ("the model's server answers in text alone", ["text"]),
    "audio": ("the model's server answers in text alone", None),
    "prediction": ("the model's server takes no predicted output", None),
    "web_search_options": ("the model's server searches nothing for chats", None),
    "functions": ("the model's server knows only 'tools'; send them there", []),
    "function_call": ("the model's server knows only 'tool_choice'; send it there", None),
}
"""Why it is refused, and the value that asks for nothing."""
_OTHER_API: dict[str, tuple[str, object]] = {
    "input": ("send 'messages'", None),
    "instructions": ("send a message of the role 'system'", None),
    "max_output_tokens": ("send 'max_completion_tokens'", None),
    "text": ("send 'response_format' and 'verbosity'", None),
    "include": ("send 'logprobs'", []),
    "previous_response_id": ("send all messages", None),
    "conversation": ("send all messages", None),
    "prompt": ("send 'messages'", None),
    "background": ("call /v1/responses", False),
    "truncation": ("call /v1/responses", "disabled"),
    "max_tool_calls": ("call /v1/responses", None),
    "context_management": ("call /v1/responses", None),
}
"""Fields of Responses alone: what to do instead, and the value that asks for nothing."""


def response_request(body: bytes) -> bytes:
    """Translate. Nothing is stored where the client did not ask for it."""
    try:
        return _translated(body)
    except Refused as refusal:
        raise Refused(told(refusal.problem)) from refusal


def _translated(body: bytes) -> bytes:
    given = {
        name: raw for name, raw in read(_members, body, "").items() if name == "messages" or raw != _NULL
    }
    if "messages" not in given:
        raise wrong("messages", "field required", _MISSING)
    made: Json = {}
    for name, raw in given.items():
        step = _STEPS.get(name)
        if step is not None:
            step(bytes(raw), made)
        elif _goes_on(name, bytes(raw)):
            made[name] = raw
    made.setdefault("store", False)
    return msgspec.json.encode(made)


def _goes_on(name: str, raw: bytes) -> bool:
    """Whether a field is one that is passed on as it is; False for one that asks for nothing."""
    why = _CANNOT.get(name)
    if why is not None:
        text, code = why[0], "unsupported_parameter"
    else:
        why = _OTHER_API.get(name)
        if why is None:
            return True
        text, code = f"this is a field of the Responses API; {why[0]}", "unknown_parameter"
    value, nothing = read(_any, raw, name), why[1]
    if nothing is not None and type(value) is type(nothing) and value == nothing:
        return False
    raise wrong(name, text, code)


def _input(raw: bytes, made: Json) -> None:
    messages = read(_messages, raw, "messages")
    if not messages:
        raise wrong("messages", "expected at least one message", _MISSING)
    made["input"] = [
        item for number, each in enumerate(messages) for item in items_of(bytes(each), f"messages.{number}")
    ]


def _options(raw: bytes, made: Json) -> None:
    """Usage is always told there."""
    options = read(_stream_options, raw, "stream_options")
    if options.include_obfuscation is not None:
        made["stream_options"] = {"include_obfuscation": options.include_obfuscation}


def _limit(raw: bytes, made: Json) -> None:
    made["max_output_tokens"] = msgspec.Raw(raw)


def _old_limit(raw: bytes, made: Json) -> None:
    """The newer name goes before this one."""
    made.setdefault("max_output_tokens", msgspec.Raw(raw))


def _functions(raw: bytes, made: Json) -> None:
    tools = read(_tools, raw, "tools")
    made["tools"] = [_flat(bytes(each), f"tools.{number}") for number, each in enumerate(tools)]


def _flat(raw: bytes, place: str) -> Json:
    tool = read(_tool, raw, place)
    if tool.type != "function":
        raise wrong(
            f"{place}.type", f"expected 'function': '{tool.type[:64]}' cannot be used with this model"
        )
    function = tool.function
    if function is None:
        raise wrong(f"{place}.function", "field required", _MISSING)
    flat: Json = {"type": "function", "name": function.name, "parameters": function.parameters}
    if function.description is not None:
        flat["description"] = function.description
    # What is not said is strict there, and in chats it is not.
    return {**flat, "strict": function.strict is True}


def _choose(raw: bytes, made: Json) -> None:
    choice = read(_choice, raw, "tool_choice")
    if isinstance(choice, dict) and choice.get("type") not in ("function", "allowed_tools"):
        raise wrong("tool_choice.type", "expected 'function' or 'allowed_tools'")
    made["tool_choice"] = flat_choice(choice)


def _shape(raw: bytes, made: Json) -> None:
    wanted = read(_format, raw, "response_format")
    if wanted.type not in ("text", "json_object", "json_schema"):
        raise wrong("response_format.type", "expected text, json_object or json_schema")
    if wanted.type == "json_schema" and wanted.json_schema is None:
        raise wrong("response_format.json_schema", "field required", _MISSING)
    schema = wanted.json_schema if wanted.type == "json_schema" else None
    made.setdefault("text", {})["format"] = {**(schema or {}), "type": wanted.type}


def _verbosity(raw: bytes, made: Json) -> None:
    made.setdefault("text", {})["verbosity"] = msgspec.Raw(raw)


def _reasoning(raw: bytes, made: Json) -> None:
    """Chats have no such field; whoever sends it means this API's."""
    asked = read(_object, raw, "reasoning")
    made["reasoning"] = {**asked, **made.get("reasoning", {})}


def _effort(raw: bytes, made: Json) -> None:
    made.setdefault("reasoning", {})["effort"] = msgspec.Raw(raw)


def _logprobs(raw: bytes, made: Json) -> None:
    if read(_flag, raw, "logprobs"):
        made["include"] = [LOGPROBS]


_STEPS: dict[str, Callable[[bytes, Json], None]] = {
    "messages": _input,
    "stream_options": _options,
    "max_completion_tokens": _limit,
    "max_tokens": _old_limit,
    "tools": _functions,
    "tool_choice": _choose,
    "response_format": _shape,
    "verbosity": _verbosity,
    "reasoning": _reasoning,
    "reasoning_effort": _effort,
    "logprobs": _logprobs,
}
