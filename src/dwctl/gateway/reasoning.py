"""A call's reasoning effort in the words of the target that it goes to (spec/gateway A1.16). Pure.

Only for targets that have a translation; worked out anew for each attempt, since each target has its own.
"""

from typing import Any

import msgspec

from dwctl.wire.errors import Problem, Refused
from dwctl.wire.reasoning import EFFORTS, Effort, Reasoning

CHAT = "/v1/chat/completions"
RESPONSES = "/v1/responses"
COMPLETIONS = "/v1/completions"
_TEMPLATE = ("thinking", "enable_thinking")
_RESPONSES_REASONING = frozenset({"effort", "summary", "generate_summary"})
_LIMITS = {CHAT: ("max_completion_tokens", "max_tokens"), RESPONSES: ("max_output_tokens",)}


class _Fields(msgspec.Struct, gc=False):
    """What says something about thinking, or bounds it."""

    reasoning_effort: Any = None
    reasoning: Any = None
    thinking: Any = None
    thinking_token_budget: Any = None
    chat_template_kwargs: Any = None
    max_completion_tokens: Any = None
    max_tokens: Any = None
    max_output_tokens: Any = None


_fields = msgspec.json.Decoder(_Fields).decode
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def with_effort(body: bytes, reasoning: Reasoning, path: str) -> bytes:
    """The body for a target; raises `Refused` for what the target cannot be told."""
    if path == COMPLETIONS:
        fields = _read(body)
        for name in ("reasoning_effort", "reasoning"):
            if getattr(fields, name) is not None:
                raise _unsupported(name)
        _refuse_native(fields)
        return body
    efforts = reasoning.surfaces.get(path)
    if efforts is None:
        return body
    fields = _read(body)
    name, asked = _asked(fields, path)
    _refuse_native(fields)
    if asked is None:
        return body
    if not isinstance(asked, str) or asked not in EFFORTS:
        shown = f"'{asked}'" if isinstance(asked, str) and len(asked) <= 64 else "another value"
        text = f"Invalid value for '{name}': expected one of {', '.join(EFFORTS)}, but got {shown}."
        raise Refused(Problem(status=400, message=text, param=name, code="invalid_value"))
    effort = efforts.get(asked)
    if effort is None:
        known = ", ".join(efforts) or "no effort at all"
        text = f"The model does not support the value '{asked}' of '{name}'; it supports {known}."
        raise Refused(Problem(status=400, message=text, param=name, code="unsupported_value"))
    if effort.budget:
        _check_limit(fields, effort, path)
    return _written(body, effort, path)


def _asked(fields: _Fields, path: str) -> tuple[str, object]:
    """The parameter of this surface and its value; what the other surface has for it is refused."""
    if path == CHAT:
        if fields.reasoning is not None:
            raise _unsupported("reasoning")
        return "reasoning_effort", fields.reasoning_effort
    if fields.reasoning_effort is not None:
        raise _unsupported("reasoning_effort")
    reasoning = fields.reasoning
    if not isinstance(reasoning, dict):
        return "reasoning.effort", None
    for key in reasoning:
        if key not in _RESPONSES_REASONING:
            raise _unsupported(f"reasoning.{key[:64]}")
    return "reasoning.effort", reasoning.get("effort")


def _refuse_native(fields: _Fields) -> None:
    """A target's own controls would go round the translation."""
    for name in ("thinking", "thinking_token_budget"):
        if getattr(fields, name) is not None:
            raise _unsupported(name)
    if isinstance(fields.chat_template_kwargs, dict):
        for key in _TEMPLATE:
            if key in fields.chat_template_kwargs:
                raise _unsupported(f"chat_template_kwargs.{key}")


def _check_limit(fields: _Fields, effort: Effort, path: str) -> None:
    names = _LIMITS[path]
    given = [getattr(fields, name) for name in names]
    limit = next((value for value in given if isinstance(value, int) and not isinstance(value, bool)), None)
    if limit is None:
        text = f"This effort takes up to {effort.budget} tokens of the answer; set '{names[0]}' to more than that."
        code = "reasoning_budget_requires_max_tokens"
        raise Refused(Problem(status=422, message=text, param=names[0], code=code))
    if effort.budget >= limit:
        name = next(name for name, value in zip(names, given, strict=True) if value is limit)
        text = f"This effort takes up to {effort.budget} tokens: '{name}' must be more than that, but is {limit}."
        code = "reasoning_budget_exceeds_max_tokens"
        raise Refused(Problem(status=400, message=text, param=name, code=code))


def _written(body: bytes, effort: Effort, path: str) -> bytes:
    """The body's top level rebuilt, without the effort and with what the target has for it."""
    members = _members(body)
    changed: dict[str, Any] = {}
    if path == CHAT:
        members.pop("reasoning_effort", None)
    else:
        rest = msgspec.json.decode(members.pop("reasoning"))
        rest.pop("effort", None)
        if rest:
            changed["reasoning"] = rest
    for place, value in effort.writes:
        *parents, last = place
        if not parents:
            changed[last] = value
            continue
        top = parents[0]
        if top not in changed:
            given = msgspec.json.decode(members[top]) if top in members else None
            changed[top] = given if isinstance(given, dict) else {}
        inner = changed[top]
        for key in parents[1:]:
            if not isinstance(inner.get(key), dict):
                inner[key] = {}
            inner = inner[key]
        inner[last] = value
    return msgspec.json.encode({**members, **changed})


def _read(body: bytes) -> _Fields:
    try:
        return _fields(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        text = "The body's reasoning parameters cannot be read."
        raise Refused(Problem(status=400, message=text)) from error


def _unsupported(name: str) -> Refused:
    text = f"The parameter '{name}' is not supported with this model: say how much it should think by the effort."
    return Refused(Problem(status=400, message=text, param=name, code="unsupported_parameter"))
