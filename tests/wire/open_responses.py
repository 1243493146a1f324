"""Responses objects and their events as a closed schema (spec/wire-api §1.4 to §1.6, names of reasoning events by §8).

What is missing, of another type, or not in the schema raises `msgspec.ValidationError`.
"""

from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from dwctl.wire.sse import data_of, events

Json = dict[str, Any]
Count = Annotated[int, msgspec.Meta(ge=0)]
Number = int | float
Ident = Annotated[str, msgspec.Meta(min_length=1)]
Name = Annotated[str, msgspec.Meta(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
Status = Literal["in_progress", "completed", "incomplete"]


class Closed(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Nothing but its members, and all of them."""


class OutputText(Closed, tag_field="type", tag="output_text"):
    text: str
    annotations: list[Json]
    logprobs: list[Json]


class Refusal(Closed, tag_field="type", tag="refusal"):
    refusal: str


class ReasoningText(Closed, tag_field="type", tag="reasoning_text"):
    text: str


class SummaryText(Closed, tag_field="type", tag="summary_text"):
    text: str


class Message(Closed, tag_field="type", tag="message"):
    id: Ident
    status: Status
    role: Literal["assistant"]
    content: list[OutputText | Refusal]
    phase: Literal["commentary", "final_answer"] | msgspec.UnsetType = msgspec.UNSET


class FunctionCall(Closed, tag_field="type", tag="function_call"):
    id: Ident
    status: Status
    call_id: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    name: Ident
    arguments: str


class FunctionCallOutput(Closed, tag_field="type", tag="function_call_output"):
    id: Ident
    status: Status
    call_id: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    output: str


class Reasoning(Closed, tag_field="type", tag="reasoning"):
    id: Ident
    status: Status
    summary: list[SummaryText]
    content: list[ReasoningText] | msgspec.UnsetType = msgspec.UNSET


class McpCall(Closed, tag_field="type", tag="mcp_call"):
    """Beside the specification: a tool that the server runs (decision 0042)."""

    id: Ident
    status: Literal["in_progress", "completed", "incomplete", "failed"]
    server_label: Literal["dwctl"]
    name: Ident
    arguments: str
    output: str | None
    error: None
    approval_request_id: None


Item: TypeAlias = Message | FunctionCall | FunctionCallOutput | Reasoning | McpCall


class Tool(Closed, tag_field="type", tag="function"):
    name: Name
    description: str | None
    parameters: Json | None
    strict: bool | None


class ChosenFunction(Closed, tag_field="type", tag="function"):
    name: str


class AllowedTools(Closed, tag_field="type", tag="allowed_tools"):
    tools: list[ChosenFunction]
    mode: Literal["none", "auto", "required"]


class TextFormat(Closed, tag_field="type", tag="text"):
    pass


class JsonObject(Closed, tag_field="type", tag="json_object"):
    pass


class JsonSchema(Closed, tag_field="type", tag="json_schema"):
    name: str
    description: str | None
    schema: Json
    strict: bool


class Text(Closed):
    format: TextFormat | JsonObject | JsonSchema
    verbosity: Literal["low", "medium", "high"] | msgspec.UnsetType = msgspec.UNSET


class Thinking(Closed):
    effort: str | None
    summary: str | None


class InputDetails(Closed):
    cached_tokens: Count
    cache_write_tokens: Count


class OutputDetails(Closed):
    reasoning_tokens: Count


class Usage(Closed):
    input_tokens: Count
    input_tokens_details: InputDetails
    output_tokens: Count
    output_tokens_details: OutputDetails
    total_tokens: Count


class Reason(Closed):
    reason: Literal["max_output_tokens", "content_filter", "max_tool_calls"]


class Failure(Closed):
    code: Literal["server_error", "rate_limit_exceeded"]
    message: str


class Response(Closed):
    id: Annotated[str, msgspec.Meta(pattern="^resp_")]
    object: Literal["response"]
    created_at: int
    completed_at: int | None
    status: Literal["queued", "in_progress", "completed", "failed", "incomplete"]
    incomplete_details: Reason | None
    model: str
    previous_response_id: str | None
    instructions: str | None
    output: list[Item]
    error: Failure | None
    tools: list[Tool]
    tool_choice: Literal["none", "auto", "required"] | ChosenFunction | AllowedTools
    truncation: Literal["auto", "disabled"]
    parallel_tool_calls: bool
    text: Text
    top_p: Number
    presence_penalty: Number
    frequency_penalty: Number
    top_logprobs: Count
    temperature: Number
    reasoning: Thinking | None
    usage: Usage | None
    max_output_tokens: int | None
    max_tool_calls: int | None
    store: bool
    background: bool
    service_tier: str
    metadata: dict[str, str]
    safety_identifier: str | None
    prompt_cache_key: str | None
    user: str | msgspec.UnsetType = msgspec.UNSET


class Event(Closed, tag_field="type"):
    sequence_number: Count


class _OfResponse(Event):
    response: Response


class Created(_OfResponse, tag="response.created"):
    pass


class Queued(_OfResponse, tag="response.queued"):
    pass


class InProgress(_OfResponse, tag="response.in_progress"):
    pass


class Completed(_OfResponse, tag="response.completed"):
    pass


class Failed(_OfResponse, tag="response.failed"):
    pass


class Incomplete(_OfResponse, tag="response.incomplete"):
    pass


class _OfItem(Event):
    output_index: Count
    item: Item


class ItemAdded(_OfItem, tag="response.output_item.added"):
    pass


class ItemDone(_OfItem, tag="response.output_item.done"):
    pass


class _InItem(Event):
    item_id: Ident
    output_index: Count


class _InContent(_InItem):
    content_index: Count


class PartAdded(_InContent, tag="response.content_part.added"):
    part: OutputText | Refusal | ReasoningText


class PartDone(_InContent, tag="response.content_part.done"):
    part: OutputText | Refusal | ReasoningText


class TextDelta(_InContent, tag="response.output_text.delta", kw_only=True):
    delta: str
    logprobs: list[Json]
    obfuscation: str | msgspec.UnsetType = msgspec.UNSET


class TextDone(_InContent, tag="response.output_text.done"):
    text: str
    logprobs: list[Json]


class AnnotationAdded(_InContent, tag="response.output_text.annotation.added"):
    annotation_index: Count
    annotation: Json


class RefusalDelta(_InContent, tag="response.refusal.delta", kw_only=True):
    delta: str
    obfuscation: str | msgspec.UnsetType = msgspec.UNSET


class RefusalDone(_InContent, tag="response.refusal.done"):
    refusal: str


class ArgumentsDelta(_InItem, tag="response.function_call_arguments.delta", kw_only=True):
    delta: str
    obfuscation: str | msgspec.UnsetType = msgspec.UNSET


class ArgumentsDone(_InItem, tag="response.function_call_arguments.done"):
    name: str
    arguments: str


class McpBegun(_InItem, tag="response.mcp_call.in_progress"):
    pass


class McpCompleted(_InItem, tag="response.mcp_call.completed"):
    pass


class McpFailed(_InItem, tag="response.mcp_call.failed"):
    pass


class McpArgumentsDelta(_InItem, tag="response.mcp_call_arguments.delta"):
    delta: str


class McpArgumentsDone(_InItem, tag="response.mcp_call_arguments.done"):
    arguments: str


class ReasoningDelta(_InContent, tag="response.reasoning_text.delta", kw_only=True):
    delta: str
    obfuscation: str | msgspec.UnsetType = msgspec.UNSET


class ReasoningDone(_InContent, tag="response.reasoning_text.done"):
    text: str


class _InSummary(_InItem):
    summary_index: Count


class SummaryPartAdded(_InSummary, tag="response.reasoning_summary_part.added"):
    part: SummaryText


class SummaryPartDone(_InSummary, tag="response.reasoning_summary_part.done"):
    part: SummaryText


class SummaryDelta(_InSummary, tag="response.reasoning_summary_text.delta", kw_only=True):
    delta: str
    obfuscation: str | msgspec.UnsetType = msgspec.UNSET


class SummaryDone(_InSummary, tag="response.reasoning_summary_text.done"):
    text: str


class InnerError(Closed):
    message: str
    type: str
    param: str | None
    code: str | None


class Error(Event, tag="error"):
    code: str | None
    message: str
    param: str | None
    error: InnerError


AnyEvent: TypeAlias = (
    Created
    | Queued
    | InProgress
    | Completed
    | Failed
    | Incomplete
    | ItemAdded
    | ItemDone
    | PartAdded
    | PartDone
    | TextDelta
    | TextDone
    | AnnotationAdded
    | RefusalDelta
    | RefusalDone
    | ArgumentsDelta
    | ArgumentsDone
    | McpBegun
    | McpCompleted
    | McpFailed
    | McpArgumentsDelta
    | McpArgumentsDone
    | ReasoningDelta
    | ReasoningDone
    | SummaryPartAdded
    | SummaryPartDone
    | SummaryDelta
    | SummaryDone
    | Error
)
_event = msgspec.json.Decoder(AnyEvent)
_LAST = ("response.completed", "response.failed", "response.incomplete", "error")


def response(value: Any) -> Response:
    """A Responses object that fits."""
    return msgspec.convert(value, Response)


def told(stream: bytes) -> list[Json]:
    """The events of a whole stream: each fits, is named by its type and numbered in order, and `[DONE]` is the last."""
    pieces = list(events(stream))
    assert pieces, "no events"
    assert data_of(pieces[-1]) == b"[DONE]"
    found: list[Json] = []
    for number, piece in enumerate(pieces[:-1]):
        _event.decode(data_of(piece))
        value = msgspec.json.decode(data_of(piece))
        assert piece.startswith(b"event: %b\n" % value["type"].encode())
        assert value["sequence_number"] == number
        found.append(value)
    assert [event["type"] for event in found if event["type"] in _LAST] == [found[-1]["type"]]
    return found


class Rebuilt:
    """The output as a client puts it together from the events alone; what does not follow the order raises."""

    def __init__(self) -> None:
        self.items: list[Json] = []
        self.done: set[int] = set()
        self.calls: dict[int, list[str]] = {}
        """What was told of tools of the server that are not done."""

    def feed(self, event: Json) -> None:
        """The next event."""
        kind = event["type"].removeprefix("response.")
        if kind == "output_item.added":
            assert event["output_index"] == len(self.items)
            assert event["item"]["status"] == "in_progress"
            self.items.append(msgspec.json.decode(msgspec.json.encode(event["item"])))
        elif "output_index" in event:
            at = event["output_index"]
            assert at not in self.done, "an item that is done changes"
            item = self.items[at]
            if kind == "output_item.done":
                # What a tool gives comes at once.
                ours = item["type"] == "mcp_call"
                told = ("status", "output") if ours else ("status",)
                assert event["item"] == item | {name: event["item"][name] for name in told}
                assert event["item"]["status"] in ("completed", "incomplete", *(["failed"] if ours else []))
                if ours:
                    ended = "completed" if event["item"]["status"] == "completed" else "failed"
                    assert self.calls.pop(at) == ["in_progress", ended]
                self.items[at] = event["item"]
                self.done.add(at)
                return
            assert event["item_id"] == item["id"]
            if kind.startswith("mcp_call."):
                self.calls.setdefault(at, []).append(kind.removeprefix("mcp_call."))
                return
            self._inside(item, kind, event)

    def _inside(self, item: Json, kind: str, event: Json) -> None:
        what, _, step = kind.rpartition(".")
        if what == "function_call_arguments":
            if step == "delta":
                item["arguments"] += event["delta"]
            else:
                assert (event["arguments"], event["name"]) == (item["arguments"], item["name"])
            return
        if what == "mcp_call_arguments":
            if step == "delta":
                item["arguments"] += event["delta"]
            else:
                assert event["arguments"] == item["arguments"]
            return
        parts = item.setdefault("summary" if "summary" in what else "content", [])
        at = event["summary_index" if "summary" in what else "content_index"]
        if step == "added" and what != "output_text.annotation":
            assert at == len(parts)
            parts.append(dict(event["part"]))
            return
        assert at == len(parts) - 1
        part = parts[at]
        name = "refusal" if what == "refusal" else "text"
        if what == "output_text.annotation":
            assert event["annotation_index"] == len(part["annotations"])
            part["annotations"] = [*part["annotations"], event["annotation"]]
        elif what in ("content_part", "reasoning_summary_part"):
            assert event["part"] == part
        elif step == "delta":
            part[name] += event["delta"]
            if "logprobs" in event:
                part["logprobs"] = part["logprobs"] + event["logprobs"]
        else:
            assert event[name] == part[name]


def rebuilt(found: list[Json]) -> list[Json]:
    """The output, put together."""
    made = Rebuilt()
    for event in found:
        made.feed(event)
    assert len(made.done) == len(made.items)
    return made.items
