"""A chat completion as a message, and a model server's error as one of the Messages API. Pure, tolerant.

Whatever a model server says, nothing here raises: fields of another type than the contract has count as not there.
"""

from collections.abc import Collection
from typing import Any

import msgspec

from dwctl.wire.loose import decoded, error_text, list_of, object_of, string_of
from dwctl.wire.messages.problems import MessagesProblem, status_of, type_of
from dwctl.wire.messages.shapes import Block, Message, TextBlock, ThinkingBlock, ToolUseBlock, Usage

_STOPS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}
_MOST = 2**53
MAX_ERROR = 4096
"""Characters of a model server's own words that are repeated."""


def message_of(body: bytes, ident: str, model: str, stops: Collection[str]) -> Message | None:
    """The answer; None when there is no chat completion in `body`. `stops` are the request's stop sequences."""
    reply = object_of(decoded(body))
    choice = first_choice(reply)
    if choice is None:
        return None
    said = object_of(choice.get("message"))
    content: list[Block] = []
    thoughts = thoughts_of(said)
    if thoughts:
        content.append(ThinkingBlock(thoughts))
    text = text_of(said)
    if text:
        content.append(TextBlock(text))
    calls = list_of(said.get("tool_calls"))
    for number, call in enumerate(map(object_of, calls)):
        function = object_of(call.get("function"))
        content.append(
            ToolUseBlock(
                string_of(call.get("id")) or f"toolu_{ident}_{number}",
                string_of(function.get("name")),
                arguments_of(function.get("arguments")),
            )
        )
    reason, sequence = stop_of(choice, stops, calls=bool(calls))
    return Message(
        id=f"msg_{ident}",
        model=model,
        content=content,
        stop_reason=reason or "end_turn",
        stop_sequence=sequence,
        usage=usage_of(reply.get("usage")),
    )


def problem_of_reply(status: int, body: bytes) -> MessagesProblem:
    """What a model server's error says."""
    reply = object_of(decoded(body))
    text = error_text(reply.get("error")) or string_of(reply.get("message")) or string_of(reply.get("detail"))
    status = status_of(status)
    return MessagesProblem(
        status=status, message=text[:MAX_ERROR] or "The model server failed.", type=type_of(status)
    )


def first_choice(reply: dict[str, Any]) -> dict[str, Any] | None:
    """The one choice; this API knows no others."""
    for choice in list_of(reply.get("choices")):
        if isinstance(choice, dict):
            return choice
    return None


def text_of(said: dict[str, Any]) -> str:
    """The text of a message or of a piece of one; a refusal is text too."""
    content = said.get("content")
    if isinstance(content, list):
        content = "".join(string_of(object_of(part).get("text")) for part in content)
    return string_of(content) or string_of(said.get("refusal"))


def thoughts_of(said: dict[str, Any]) -> str:
    """What the model thought, by either name that servers have for it."""
    return string_of(said.get("reasoning_content")) or string_of(said.get("reasoning"))


def stop_of(choice: dict[str, Any], stops: Collection[str], *, calls: bool) -> tuple[str | None, str | None]:
    """Why the model stopped, and the sequence that did it where the server tells; None while it has not."""
    finish = choice.get("finish_reason")
    if not isinstance(finish, str):
        return None, None
    # Two servers' extensions: vLLM's and SGLang's.
    for value in (choice.get("stop_reason"), choice.get("matched_stop")):
        if isinstance(value, str) and value in stops:
            return "stop_sequence", value
    reason = _STOPS.get(finish, "end_turn")
    return ("tool_use" if calls and reason == "end_turn" else reason), None


def usage_of(counted: object) -> Usage:
    """Tokens from a chat completion's `usage`."""
    counts = object_of(counted)
    cached = _count(object_of(counts.get("prompt_tokens_details")).get("cached_tokens"))
    prompt = _count(counts.get("prompt_tokens"))
    return Usage(
        input_tokens=max(0, prompt - cached),
        cache_read_input_tokens=min(cached, prompt),
        output_tokens=_count(counts.get("completion_tokens")),
    )


def arguments_of(arguments: object) -> msgspec.Raw:
    """A tool's input: always an object, for clients pass it on as named arguments."""
    if isinstance(arguments, dict):
        return msgspec.Raw(msgspec.json.encode(arguments))
    text = string_of(arguments).strip()
    value = decoded(text.encode()) if text else {}
    if isinstance(value, dict):
        return msgspec.Raw(text.encode() or b"{}")
    if value is None and text == "null":
        return msgspec.Raw(b"{}")
    return msgspec.Raw(msgspec.json.encode({"arguments": text}))


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST else 0
