"""A model server that speaks the Responses API and nothing else, strict in what it takes (spec/wire-api §1.3-1.6)."""

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from tests.fakes import shapes
from tests.fakes.answers import Answer, Framing, frames, json_reply, stream_reply
from tests.fakes.incoming import Request
from tests.fakes.model import MODEL
from tests.fakes.shapes import Json


class _Closed(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    pass


class InputText(_Closed, tag_field="type", tag="input_text"):
    """A part of a message."""

    text: str


class InputImage(_Closed, tag_field="type", tag="input_image"):
    """A picture."""

    image_url: str
    detail: Literal["low", "high", "auto"]


class InputFile(_Closed, tag_field="type", tag="input_file"):
    """A file."""

    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


class InputAudio(_Closed, tag_field="type", tag="input_audio"):
    """Sound."""

    input_audio: Json


class InputVideo(_Closed, tag_field="type", tag="input_video"):
    """A film."""

    video_url: str


class OutputText(_Closed, tag_field="type", tag="output_text"):
    """What the model said earlier."""

    text: str


class Refusal(_Closed, tag_field="type", tag="refusal"):
    """What it declined."""

    refusal: str


class SummaryText(_Closed, tag_field="type", tag="summary_text"):
    """What it thought, summed up."""

    text: str


_Shown = InputText | InputImage | InputFile | InputAudio | InputVideo


class Message(_Closed, tag_field="type", tag="message"):
    """Somebody says something."""

    role: Literal["user", "assistant", "system", "developer"]
    content: str | list[_Shown | OutputText | Refusal]

    def __post_init__(self) -> None:
        """Each role has its own parts."""
        allowed: tuple[type, ...] = (InputText,)
        if self.role == "user":
            allowed = (InputText, InputImage, InputFile, InputAudio, InputVideo)
        elif self.role == "assistant":
            allowed = (OutputText, Refusal)
        for part in () if isinstance(self.content, str) else self.content:
            if not isinstance(part, allowed):
                raise ValueError(f"a part of a {self.role} cannot be {type(part).__name__}")


class FunctionCall(_Closed, tag_field="type", tag="function_call"):
    """The model calls a function."""

    call_id: str
    name: str
    arguments: str


class FunctionCallOutput(_Closed, tag_field="type", tag="function_call_output"):
    """Its result."""

    call_id: str
    output: str | list[_Shown]


class Reasoning(_Closed, tag_field="type", tag="reasoning"):
    """What the model thought."""

    summary: list[SummaryText]


class Tool(_Closed):
    """A function."""

    type: Literal["function"]
    name: str
    parameters: Json | None
    strict: bool
    description: str | None = None


class Body(_Closed):
    """A request. Of a list of fields only what chats can say is taken, and extras that servers have."""

    model: str
    input: list[Message | FunctionCall | FunctionCallOutput | Reasoning]
    store: bool
    stream: bool = False
    stream_options: Json | None = None
    tools: list[Tool] | None = None
    tool_choice: str | Json | None = None
    parallel_tool_calls: bool | None = None
    text: Json | None = None
    reasoning: Json | None = None
    include: list[str] | None = None
    top_logprobs: int | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    user: str | None = None
    metadata: Json | None = None
    service_tier: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    top_k: int | None = None
    chat_template_kwargs: Json | None = None

    @classmethod
    def taken(cls, body: bytes) -> "Body":
        """Read one; raises `msgspec.ValidationError` for what is not in the API."""
        return msgspec.json.decode(body, type=cls)


def text(words: str, **more: Any) -> Json:
    """A message of the model."""
    return shapes.output_message(words) | more


def called(call_id: str, name: str, arguments: str) -> Json:
    """A call of a function."""
    return {
        "id": f"fc_{call_id}",
        "type": "function_call",
        "status": "completed",
        "call_id": call_id,
        "name": name,
        "arguments": arguments,
    }


def thought(words: str, *, summarised: bool = False) -> Json:
    """What the model thought."""
    part = {"type": "summary_text" if summarised else "reasoning_text", "text": words}
    parts = {"summary": [part]} if summarised else {"summary": [], "content": [part]}
    return {"id": "rs_fake", "type": "reasoning", "status": "completed", **parts}


def refused(words: str) -> Json:
    """The model declines."""
    return shapes.output_message("") | {"content": [{"type": "refusal", "refusal": words}]}


def response(*output: Json, model: str = MODEL, **more: Any) -> Json:
    """A response that has ended with these items."""
    return shapes.response(model, "", prompt=9, completion=5) | {"output": list(output)} | more


def usage(given: int, made: int, *, cached: int = 0, reasoning: int = 0) -> Json:
    """Token counts."""
    return {
        "input_tokens": given,
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": 0},
        "output_tokens": made,
        "output_tokens_details": {"reasoning_tokens": reasoning},
        "total_tokens": given + made,
    }


def events_of(ended: Json, size: int = 3) -> list[Json]:
    """The events of a stream that ends with this response; texts come in pieces of so many characters."""
    begun = ended | {"status": "in_progress", "output": [], "usage": None, "error": None}

    def bodies() -> Iterator[Json]:
        yield {"type": "response.created", "response": begun}
        yield {"type": "response.in_progress", "response": begun}
        for index, item in enumerate(ended["output"]):
            empty: Json = {name: [] for name in ("content", "summary") if name in item}
            if item["type"] == "function_call":
                empty = {"arguments": ""}
            added = item | empty | {"status": "in_progress"}
            yield {"type": "response.output_item.added", "output_index": index, "item": added}
            yield from _inside(item, index, size)
            yield {"type": "response.output_item.done", "output_index": index, "item": item}
        yield {"type": f"response.{ended['status']}", "response": ended}

    return [{**body, "sequence_number": number} for number, body in enumerate(bodies())]


_KINDS = {
    "output_text": ("response.output_text", "text", "content_index", "response.content_part"),
    "refusal": ("response.refusal", "refusal", "content_index", "response.content_part"),
    "reasoning_text": ("response.reasoning_text", "text", "content_index", "response.content_part"),
    "summary_text": (
        "response.reasoning_summary_text",
        "text",
        "summary_index",
        "response.reasoning_summary_part",
    ),
}


def _inside(item: Json, index: int, size: int) -> Iterator[Json]:
    place = {"item_id": item["id"], "output_index": index}
    if item["type"] == "function_call":
        whole = item["arguments"]
        for piece in _cut(whole, size):
            yield {"type": "response.function_call_arguments.delta", **place, "delta": piece}
        done = {"arguments": whole, "name": item["name"]}
        yield {"type": "response.function_call_arguments.done", **place, **done}
        return
    for name in ("summary", "content"):
        for number, part in enumerate(item.get(name, [])):
            kind, member, at, shell = _KINDS[part["type"]]
            here = {**place, at: number}
            yield {"type": f"{shell}.added", **here, "part": part | {member: ""}}
            for piece in _cut(part[member], size):
                yield {"type": f"{kind}.delta", **here, "delta": piece}
            for count, annotation in enumerate(part.get("annotations", [])):
                told = {"annotation_index": count, "annotation": annotation}
                yield {"type": "response.output_text.annotation.added", **here, **told}
            yield {"type": f"{kind}.done", **here, member: part[member]}
            yield {"type": f"{shell}.done", **here, "part": part}


def _cut(words: str, size: int) -> list[str]:
    return [words[at : at + size] for at in range(0, len(words), size)]


class ResponsesServer(msgspec.Struct, frozen=True, kw_only=True):
    """Answers every request with a response of these items, whole or streamed."""

    models: tuple[str, ...] = (MODEL,)
    key: str | None = None
    """The whole value of `authorization` that a request needs."""
    output: tuple[Json, ...] = (text("Hello from the fake model."),)
    more: Json = {}
    """What else the response says, such as its usage."""
    gap: float = 0.0
    """Seconds before each event of a stream."""
    size: int = 3

    def __call__(self, request: Request) -> Answer:
        """The answer to one request."""
        if self.key is not None and request.header("authorization") != self.key:
            return _refusal(401, "Incorrect API key provided.", code="invalid_api_key")
        if request.method == "GET" and request.path == "/v1/models":
            return json_reply(shapes.models(self.models))
        if request.path != "/v1/responses":
            return _refusal(404, f"Unknown URL ({request.method} {request.path}).", code="unknown_url")
        try:
            body = Body.taken(request.body)
        except msgspec.ValidationError as error:
            return _refusal(400, str(error), param="input")
        if body.model not in self.models:
            return _refusal(404, "The model does not exist.", param="model", code="model_not_found")
        if body.max_output_tokens is not None and body.max_output_tokens < 16:
            text = "Invalid 'max_output_tokens': integer below minimum value."
            return _refusal(400, text, param="max_output_tokens", code="integer_below_min_value")
        ended = response(*self.output, model=body.model, **self.more)
        if not body.stream:
            return json_reply(ended)
        events = frames(events_of(ended, self.size), named=True)
        return stream_reply(events, framing=Framing.CHUNKED, gap=self.gap)


def _refusal(status: int, message: str, *, param: str | None = None, code: str | None = None) -> Answer:
    return json_reply(shapes.error(message, param=param, code=code), status=status)
