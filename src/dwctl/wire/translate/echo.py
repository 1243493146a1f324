"""What a Responses object repeats of its request, and the object itself (spec/wire-api §1.4). Pure, tolerant.

The request may be one of the Responses API or a chat: a stored call of either kind is read back as a response. What
cannot be read counts as not there, and gets its default.
"""

from typing import Any

import msgspec

from dwctl.wire.loose import FAULTS, list_of, object_of
from dwctl.wire.translate.tools import allowed_by, flat_choice, flat_tool

Json = dict[str, Any]
LOGPROBS = "message.output_text.logprobs"


class _Asked(msgspec.Struct):
    """Both APIs' fields, of any type; what they hold of the conversation is skipped unparsed."""

    instructions: Any = None
    previous_response_id: Any = None
    conversation: Any = None
    max_output_tokens: Any = None
    max_completion_tokens: Any = None
    max_tokens: Any = None
    max_tool_calls: Any = None
    metadata: Any = None
    parallel_tool_calls: Any = None
    prompt_cache_key: Any = None
    prompt_cache_retention: Any = None
    reasoning: Any = None
    reasoning_effort: Any = None
    safety_identifier: Any = None
    store: Any = None
    stream_options: Any = None
    temperature: Any = None
    text: Any = None
    response_format: Any = None
    verbosity: Any = None
    tool_choice: Any = None
    tools: Any = None
    top_logprobs: Any = None
    top_p: Any = None
    presence_penalty: Any = None
    frequency_penalty: Any = None
    truncation: Any = None
    user: Any = None


_read = msgspec.json.Decoder(_Asked).decode


class Echo(msgspec.Struct, frozen=True):
    """A request, as far as its answer depends on it."""

    fields: Json
    """What every object of the call repeats."""
    allowed: frozenset[str] | None
    """Functions that may be called; None when all may."""
    summarised: bool
    """Whether thoughts are shown as a summary, which the client asked for, and not as they are."""
    obfuscated: bool
    """Whether the length of what is streamed is to be hidden."""


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """What an object says of its call, beside what it repeats."""

    ident: str
    """Of the row, without a prefix."""
    created_at: int
    model: str
    background: bool = False
    service_tier: str = "default"


def echo_of(body: bytes) -> Echo:
    """Read it."""
    asked = _asked(body)
    reasoning = object_of(asked.reasoning)
    choice = flat_choice(asked.tool_choice or "auto")
    return Echo(
        fields=_fields(asked, choice),
        allowed=allowed_by(choice),
        summarised=bool(reasoning.get("summary") or reasoning.get("generate_summary")),
        obfuscated=object_of(asked.stream_options).get("include_obfuscation") is True,
    )


def response_object(
    call: Call,
    echo: Echo,
    status: str,
    *,
    output: list[Json] | None = None,
    usage: Json | None = None,
    error: Json | None = None,
    reason: str | None = None,
    completed_at: int | None = None,
) -> Json:
    """All required keys; `reason` is why it is incomplete."""
    return {
        "id": f"resp_{call.ident}",
        "object": "response",
        "created_at": call.created_at,
        "completed_at": completed_at,
        "status": status,
        "background": call.background,
        "model": call.model,
        "output": output or [],
        "usage": usage,
        "error": error,
        "incomplete_details": None if reason is None else {"reason": reason},
        "service_tier": call.service_tier,
        **echo.fields,
    }


def _asked(body: bytes) -> _Asked:
    try:
        try:
            return _read(body)
        except UnicodeDecodeError:
            return _read(body.decode(errors="replace"))
    except FAULTS:
        return _Asked()


def _fields(asked: _Asked, choice: object) -> Json:
    limits = (asked.max_output_tokens, asked.max_completion_tokens, asked.max_tokens)
    fields: Json = {
        "instructions": asked.instructions,
        "max_output_tokens": next((limit for limit in limits if _is_number(limit)), None),
        "max_tool_calls": asked.max_tool_calls if _is_number(asked.max_tool_calls) else None,
        "metadata": asked.metadata if isinstance(asked.metadata, dict) else {},
        "parallel_tool_calls": asked.parallel_tool_calls is not False,
        "previous_response_id": _string(asked.previous_response_id),
        "prompt_cache_key": _string(asked.prompt_cache_key),
        "reasoning": _reasoning(asked),
        "safety_identifier": _string(asked.safety_identifier),
        "store": asked.store is not False,
        "temperature": _or(asked.temperature, 1.0),
        "text": _text(asked),
        "tool_choice": choice,
        "tools": [flat_tool(tool) for tool in list_of(asked.tools)],
        "top_logprobs": _or(asked.top_logprobs, 0),
        "top_p": _or(asked.top_p, 1.0),
        "presence_penalty": _or(asked.presence_penalty, 0.0),
        "frequency_penalty": _or(asked.frequency_penalty, 0.0),
        "truncation": asked.truncation if asked.truncation in ("auto", "disabled") else "disabled",
    }
    for name in ("user", "prompt_cache_retention"):
        if getattr(asked, name) is not None:
            fields[name] = getattr(asked, name)
    talk = asked.conversation
    if talk is not None:
        fields["conversation"] = {"id": talk} if isinstance(talk, str) else talk
    return fields


def _reasoning(asked: _Asked) -> Json | None:
    given = object_of(asked.reasoning)
    effort = given.get("effort") or _string(asked.reasoning_effort)
    summary = given.get("summary") or given.get("generate_summary")
    return {"effort": effort, "summary": summary} if effort or summary or given else None


def _text(asked: _Asked) -> Json:
    given = object_of(asked.text)
    wanted = object_of(given.get("format") or asked.response_format)
    text: Json = {"format": _format(wanted)}
    verbosity = given.get("verbosity") or _string(asked.verbosity)
    if verbosity:
        text["verbosity"] = verbosity
    return text


def _format(wanted: Json) -> Json:
    if wanted.get("type") == "json_object":
        return {"type": "json_object"}
    if wanted.get("type") != "json_schema":
        return {"type": "text"}
    given = object_of(wanted.get("json_schema")) or wanted
    return {
        "type": "json_schema",
        "name": _string(given.get("name")) or "",
        "description": _string(given.get("description")),
        "schema": object_of(given.get("schema")),
        "strict": given.get("strict") is True,
    }


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _or(value: Any, otherwise: float) -> Any:
    return value if _is_number(value) else otherwise


def _string(value: object) -> str | None:
    return value if isinstance(value, str) else None
