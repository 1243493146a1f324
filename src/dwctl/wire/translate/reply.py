"""A whole chat completion as a Responses object. Pure, tolerant.

Of the reasons for an end, `length` and `content_filter` make a response incomplete; every other one completes it.
"""

from typing import Any

from dwctl.wire.loose import decoded, list_of, object_of, string_of
from dwctl.wire.translate.assembly import Assembly
from dwctl.wire.translate.chats import (
    annotations_of,
    arguments_of,
    calls_of,
    logprobs_of,
    text_of,
    thoughts_of,
    usage_of,
)
from dwctl.wire.translate.echo import Call, Echo, response_object

Json = dict[str, Any]
_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


def response_of(body: bytes, call: Call, echo: Echo, completed_at: int) -> Json | None:
    """The response; None when there is no chat completion in `body`."""
    return response_of_chat(object_of(decoded(body)), call, echo, completed_at)


def response_of_chat(reply: Json, call: Call, echo: Echo, completed_at: int | None) -> Json | None:
    """The same of a completion that has been read; of several choices, all."""
    choices = [choice for choice in list_of(reply.get("choices")) if isinstance(choice, dict)]
    if not choices:
        return None
    assembly = Assembly(call.ident, echo)
    for number, choice in enumerate(choices):
        _tell(assembly, choice, number)
    reason = next(filter(None, map(reason_of, choices)), None)
    return response_object(
        call,
        echo,
        "completed" if reason is None else "incomplete",
        output=assembly.finish(incomplete=reason is not None),
        usage=usage_of(reply.get("usage")),
        reason=reason,
        completed_at=completed_at if reason is None else None,
    )


def reason_of(choice: Json) -> str | None:
    """Why an answer is not complete; None when it is."""
    return _INCOMPLETE.get(string_of(choice.get("finish_reason")))


def _tell(assembly: Assembly, choice: Json, number: int) -> None:
    assembly.turn()
    said = object_of(choice.get("message")) or {"content": choice.get("text")}
    assembly.think(thoughts_of(said, "\n"))
    assembly.say(text_of(said), logprobs_of(choice))
    assembly.cite(annotations_of(said))
    assembly.refuse(string_of(said.get("refusal")))
    for place, made in enumerate(calls_of(said)):
        function = object_of(made.get("function"))
        # Calls of two choices are never one.
        key = (number << 20) + place
        assembly.call(key, string_of(made.get("id")), string_of(function.get("name")), arguments_of(function))
