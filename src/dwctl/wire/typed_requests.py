"""The requests of OpenAI's API as strict mode takes them (spec/gateway A1.15, spec/wire-api §1.3, §2.4 to §2.6).

Only the types are held here: whether a number is in range depends on the model and is the model server's to say.
Members without a place here are let through, at every level.
"""

from typing import Any, Literal

import msgspec

Free = dict[str, Any]


class ImageUrl(msgspec.Struct):
    """`image_url` of a part."""

    url: str
    detail: str | None = None


class Part(msgspec.Struct):
    """A part of a message's content, of any type."""

    type: str
    text: str | None = None
    image_url: ImageUrl | None = None

    def __post_init__(self) -> None:
        """What the two types that the schema knows cannot do without."""
        if self.type == "text" and self.text is None:
            raise ValueError("a part of the type 'text' has the field 'text'")
        if self.type == "image_url" and self.image_url is None:
            raise ValueError("a part of the type 'image_url' has the field 'image_url'")


class CalledFunction(msgspec.Struct):
    """The function of a call."""

    name: str
    arguments: str


class ToolCall(msgspec.Struct):
    """A call that the model made earlier."""

    id: str | None = None
    type: str = "function"
    function: CalledFunction | None = None


class Message(msgspec.Struct):
    """A message of a chat."""

    role: str
    content: str | list[Part] | None = None
    name: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None


class Function(msgspec.Struct):
    """A function that the model may call."""

    name: str
    description: str | None = None
    parameters: Free | None = None
    strict: bool | None = None


class ChatTool(msgspec.Struct):
    """A tool of a chat."""

    type: str
    function: Function | None = None

    def __post_init__(self) -> None:
        """A function tool has its function."""
        if self.type == "function" and self.function is None:
            raise ValueError("a tool of the type 'function' has the field 'function'")


class StreamOptions(msgspec.Struct):
    """`stream_options`."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class Format(msgspec.Struct):
    """The form that a text is asked for in."""

    type: str


class Sampling(msgspec.Struct, kw_only=True):
    """What chat and text completions have in common."""

    model: str
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    n: int | None = None
    max_tokens: int | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    logit_bias: dict[str, float] | None = None
    user: str | None = None


class ChatRequest(Sampling, kw_only=True):
    """`POST /v1/chat/completions`."""

    messages: list[Message]
    max_completion_tokens: int | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    tools: list[ChatTool] | None = None
    tool_choice: str | Free | None = None
    parallel_tool_calls: bool | None = None
    response_format: Format | None = None
    service_tier: str | None = None


class CompletionRequest(Sampling, kw_only=True):
    """`POST /v1/completions`."""

    prompt: str | list[str | int | list[int]] | None = None
    suffix: str | None = None
    echo: bool | None = None
    best_of: int | None = None
    logprobs: int | None = None

    def __post_init__(self) -> None:
        """One kind of prompt."""
        _of_one_kind("prompt", self.prompt)


class EmbeddingRequest(msgspec.Struct, kw_only=True):
    """`POST /v1/embeddings`."""

    model: str
    input: str | list[str | int | list[int]]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = None
    user: str | None = None

    def __post_init__(self) -> None:
        """One kind of input."""
        _of_one_kind("input", self.input)


class Item(msgspec.Struct, kw_only=True):
    """An input item of any type; one without a type is a message."""

    type: str = "message"
    id: str | None = None
    status: str | None = None
    role: str | None = None
    content: str | list[Free] | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | Free | None = None
    output: Any = None

    def __post_init__(self) -> None:
        """What the types that the schema knows cannot do without."""
        for field in _REQUIRED.get(self.type, ()):
            if getattr(self, field) is None:
                raise ValueError(f"an item of the type '{self.type}' has the field '{field}'")


_REQUIRED = {
    "message": ("role", "content"),
    "function_call": ("call_id", "name", "arguments"),
    "function_call_output": ("call_id", "output"),
}


class ResponseTool(msgspec.Struct, kw_only=True):
    """A tool of a Responses request; a function stands flat in it."""

    type: str
    name: str | msgspec.UnsetType = msgspec.UNSET
    description: str | msgspec.UnsetType | None = msgspec.UNSET
    parameters: Free | msgspec.UnsetType | None = msgspec.UNSET
    strict: bool | None = None

    def __post_init__(self) -> None:
        """A function has its three fields; null counts."""
        if self.type != "function":
            return
        for field in ("name", "description", "parameters"):
            if getattr(self, field) is msgspec.UNSET:
                raise ValueError(f"a tool of the type 'function' has the field '{field}'")


class TextSettings(msgspec.Struct):
    """`text`."""

    format: Format | None = None
    verbosity: str | None = None


class Reasoning(msgspec.Struct):
    """`reasoning`."""

    effort: str | None = None
    summary: str | None = None


class ResponseRequest(msgspec.Struct, kw_only=True):
    """`POST /v1/responses`."""

    model: str
    input: str | list[Item]
    instructions: str | None = None
    previous_response_id: str | None = None
    tools: list[ResponseTool] | None = None
    tool_choice: str | Free | None = None
    parallel_tool_calls: bool | None = None
    max_output_tokens: int | None = None
    max_tool_calls: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_logprobs: int | None = None
    text: TextSettings | None = None
    reasoning: Reasoning | None = None
    include: list[str] | None = None
    truncation: Literal["auto", "disabled"] | None = None
    metadata: dict[str, str] | None = None
    store: bool | None = None
    background: bool | None = None
    stream: bool | None = None
    service_tier: str | None = None
    user: str | None = None


def _of_one_kind(field: str, given: str | list[str | int | list[int]] | None) -> None:
    if isinstance(given, list) and len({type(one) for one in given}) > 1:
        raise ValueError(f"{field}: expected only strings, only integers or only arrays of integers")
