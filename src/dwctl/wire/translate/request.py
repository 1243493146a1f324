"""A Responses request as a request for a chat completion. Pure; raises `Refused` with 400 that names the field.

Every field of the API is in one of four places (ADR 0037): translated, repeated in the response alone because it says
nothing to a model server, refused because a chat-only server cannot do it, or, when neither API knows it, passed on as
it is, since model servers have parameters of their own.
"""

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

import msgspec

from dwctl.wire.errors import Problem, Refused
from dwctl.wire.metadata import metadata_of
from dwctl.wire.reading import read, wrong
from dwctl.wire.translate.items import Conversation
from dwctl.wire.translate.tools import chat_tools

Json = dict[str, Any]
LOGPROBS = "message.output_text.logprobs"
INCLUDES = frozenset(
    {
        # Thoughts come in the plain, where they can be sent back.
        "reasoning.encrypted_content",
        LOGPROBS,
        # Of tools that are refused, or of the request's own items.
        "message.input_image.image_url",
        "file_search_call.results",
        "web_search_call.results",
        "web_search_call.action.sources",
        "computer_call_output.output.image_url",
        "code_interpreter_call.outputs",
    }
)
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_Flag = bool | None
_Text64 = Annotated[str, msgspec.Meta(max_length=64)] | None
_Positive = Annotated[int, msgspec.Meta(ge=1)] | None


class _Format(msgspec.Struct):
    type: str
    name: str | None = None
    description: str | None = None
    schema: Json | None = None
    strict: bool | None = None


class _Text(msgspec.Struct):
    format: _Format | None = None
    verbosity: str | None = None


class _Reasoning(msgspec.Struct):
    effort: str | None = None
    summary: str | None = None
    generate_summary: str | None = None


class _StreamOptions(msgspec.Struct):
    include_obfuscation: bool | None = None


_TYPES: dict[str, Any] = {
    "model": str | None,
    "input": str | list[msgspec.Raw] | None,
    "instructions": str | None,
    "include": list[str] | None,
    "tools": list[msgspec.Raw] | None,
    "tool_choice": str | Json | None,
    "metadata": Any,
    "text": _Text | None,
    "temperature": float | None,
    "top_p": float | None,
    "presence_penalty": float | None,
    "frequency_penalty": float | None,
    "parallel_tool_calls": _Flag,
    "stream": _Flag,
    "stream_options": _StreamOptions | None,
    "background": _Flag,
    "max_output_tokens": _Positive,
    "max_tool_calls": _Positive,
    "reasoning": _Reasoning | None,
    "safety_identifier": _Text64,
    "prompt_cache_key": _Text64,
    "truncation": Literal["auto", "disabled"] | None,
    "store": _Flag,
    "service_tier": str | None,
    "top_logprobs": Annotated[int, msgspec.Meta(ge=0, le=20)] | None,
    "user": str | None,
}
_DECODERS = {name: msgspec.json.Decoder(kind) for name, kind in _TYPES.items()}
_SAME = (
    "temperature", "top_p", "presence_penalty", "frequency_penalty", "user", "safety_identifier", "prompt_cache_key",
)  # fmt: skip
_REFUSED = {
    "previous_response_id": "the earlier response is not known to the model's server; send its items in 'input'",
    "conversation": "the conversation is not known to the model's server; send its items in 'input'",
    "prompt": "the model's server has no stored prompts; send 'instructions' and 'input'",
    "context_management": "the model's server does not manage the context; send 'truncation' or fewer items",
}
OTHER_NAMES = {
    "messages": "input",
    "max_tokens": "max_output_tokens",
    "max_completion_tokens": "max_output_tokens",
    "response_format": "text.format",
    "reasoning_effort": "reasoning.effort",
    "verbosity": "text.verbosity",
    "logprobs": "top_logprobs",
    "functions": "tools",
    "function_call": "tool_choice",
}
"""Fields of a chat, and what a Responses request has for them."""
_INNER = ("reasoning", "text")
_CHAT_ONLY = ("n", "modalities", "audio", "prediction", "web_search_options")
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


def chat_request(body: bytes) -> bytes:
    """Translate."""
    try:
        return _translated(body)
    except Refused as refusal:
        raise Refused(told(refusal.problem)) from refusal


def told(problem: Problem) -> Problem:
    """A refusal as OpenAI's APIs word it: a sentence."""
    if problem.param is None:
        return msgspec.structs.replace(
            problem, message=f"Invalid body: {problem.message.partition(': ')[2]}."
        )
    text = problem.message.removeprefix(f"{problem.param}: ")
    if problem.code == "missing_required_parameter" and text == "field required":
        message = f"Missing required parameter: '{problem.param}'."
    else:
        message = f"Invalid '{problem.param}': {text}."
    return msgspec.structs.replace(problem, message=message)


def _translated(body: bytes) -> bytes:
    members = read(_members, body, "")
    asked: Json = {}
    extras: dict[str, msgspec.Raw] = {}
    for name, raw in members.items():
        decoder = _DECODERS.get(name)
        if decoder is not None:
            asked[name] = read(decoder, bytes(raw), name)
            if name in _INNER and asked[name] is not None:
                _check_inside(bytes(raw), name, asked[name])
        elif bytes(raw) != b"null":
            _check(name)
            extras[name] = raw
    chat: Json = {}
    if asked.get("model") is not None:
        chat["model"] = asked["model"]
    chat["messages"] = _messages(asked)
    chat.update(_options(asked))
    return msgspec.json.encode({**extras, **chat})


def _check_inside(raw: bytes, place: str, known: msgspec.Struct) -> None:
    """Refuse what an object says that would be lost."""
    for name, value in read(_members, raw, place).items():
        if name not in known.__struct_fields__:
            if bytes(value) != b"null":
                text = f"expected one of {', '.join(known.__struct_fields__)}"
                raise wrong(f"{place}.{name[:64]}", text, "unknown_parameter")
        elif isinstance(getattr(known, name), msgspec.Struct):
            _check_inside(bytes(value), f"{place}.{name}", getattr(known, name))


def _check(name: str) -> None:
    if name in _REFUSED:
        raise wrong(name, _REFUSED[name], "unsupported_parameter")
    if name in OTHER_NAMES:
        text = f"this is a field of chat completions; send '{OTHER_NAMES[name]}' instead"
        raise wrong(name, text, "unknown_parameter")
    if name in _CHAT_ONLY:
        raise wrong(name, "this is a field of chat completions alone", "unknown_parameter")


def _messages(asked: Json) -> list[Json]:
    given = asked.get("input")
    if given is None or given == []:
        text = "field required" if given is None else "expected at least one item"
        raise wrong("input", text, "missing_required_parameter")
    talk = Conversation()
    if asked.get("instructions") is not None:
        talk.messages.append({"role": "system", "content": asked["instructions"]})
    if isinstance(given, str):
        talk.messages.append({"role": "user", "content": given})
    else:
        for number, raw in enumerate(given):
            talk.add(bytes(raw), f"input.{number}")
    return talk.end()


def _options(asked: Json) -> Json:
    chat: Json = {name: asked[name] for name in _SAME if asked.get(name) is not None}
    if asked.get("max_output_tokens") is not None:
        chat["max_tokens"] = asked["max_output_tokens"]
    if asked.get("stream") is not None:
        chat["stream"] = asked["stream"]
    if asked.get("stream"):
        chat["stream_options"] = {"include_usage": True}
    tools = chat_tools(asked.get("tools"), asked.get("tool_choice"))
    if tools.functions is not None:
        chat["tools"] = tools.functions
        if tools.choice is not None:
            chat["tool_choice"] = tools.choice
        if asked.get("parallel_tool_calls") is not None:
            chat["parallel_tool_calls"] = asked["parallel_tool_calls"]
    for step in _STEPS:
        step(asked, chat)
    return chat


def _text(asked: Json, chat: Json) -> None:
    text: _Text | None = asked.get("text")
    if text is None:
        return
    if text.verbosity is not None:
        chat["verbosity"] = text.verbosity
    wanted = text.format
    if wanted is None or wanted.type == "text":
        return
    if wanted.type == "json_object":
        chat["response_format"] = {"type": "json_object"}
        return
    if wanted.type != "json_schema":
        raise wrong("text.format.type", "expected text, json_schema or json_object")
    if wanted.name is None or wanted.schema is None:
        missing = "name" if wanted.name is None else "schema"
        raise wrong(f"text.format.{missing}", "field required", "missing_required_parameter")
    if _NAME.fullmatch(wanted.name) is None:
        raise wrong("text.format.name", "expected 1 to 64 letters, digits, '_' and '-'")
    schema: Json = {"name": wanted.name, "schema": wanted.schema}
    if wanted.description is not None:
        schema["description"] = wanted.description
    if wanted.strict is not None:
        schema["strict"] = wanted.strict
    chat["response_format"] = {"type": "json_schema", "json_schema": schema}


def _effort(asked: Json, chat: Json) -> None:
    reasoning: _Reasoning | None = asked.get("reasoning")
    if reasoning is not None and reasoning.effort is not None:
        chat["reasoning_effort"] = reasoning.effort


def _logprobs(asked: Json, chat: Json) -> None:
    include = asked.get("include") or ()
    for number, name in enumerate(include):
        if name not in INCLUDES:
            raise wrong(f"include.{number}", f"'{name[:64]}' cannot be included")
    most = asked.get("top_logprobs")
    if most or LOGPROBS in include:
        chat["logprobs"] = True
    if most:
        chat["top_logprobs"] = most


def _metadata(asked: Json, chat: Json) -> None:
    """It stays with the response."""
    del chat
    metadata_of(asked.get("metadata"))


_STEPS: tuple[Callable[[Json, Json], None], ...] = (_text, _effort, _logprobs, _metadata)
