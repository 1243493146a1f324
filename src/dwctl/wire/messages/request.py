"""A Messages request as a request for a chat completion. Pure.

What has no counterpart is refused where leaving it out would change what the client asked for (server tools, files by
id), and left out where it would not (cache marks, tiers of service, headers of beta features).
"""

from typing import Annotated, Any, Literal

import msgspec

from dwctl.wire.messages.blocks import (
    AssistantBlock,
    Base64Source,
    Document,
    Image,
    Text,
    TextSource,
    Thinking,
    ToolResult,
    ToolUse,
    UserBlock,
)
from dwctl.wire.reading import read, wrong

Json = dict[str, Any]
_COUNT = Annotated[int, msgspec.Meta(ge=1)]
LOW_BUDGET = 4096
"""Thinking tokens below which an effort is low."""
HIGH_BUDGET = 16384
"""Thinking tokens from which an effort is high."""


class _Metadata(msgspec.Struct):
    user_id: str | None = None


class _Choice(msgspec.Struct):
    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool = False


class _Thinking(msgspec.Struct):
    type: str
    budget_tokens: _COUNT | None = None


class _Format(msgspec.Struct):
    type: Literal["json_schema"]
    schema: msgspec.Raw


class _Output(msgspec.Struct):
    effort: str | None = None
    format: _Format | None = None


class _Request(msgspec.Struct, kw_only=True):
    model: str | None = None
    messages: Annotated[list[msgspec.Raw], msgspec.Meta(min_length=1)]
    max_tokens: _COUNT
    system: str | list[Text] | None = None
    tools: list[msgspec.Raw] | None = None
    tool_choice: _Choice | None = None
    thinking: _Thinking | None = None
    output_config: _Output | None = None
    metadata: _Metadata | None = None
    stop_sequences: list[str] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stream: bool = False


class _Message(msgspec.Struct):
    role: Literal["user", "assistant", "system"]
    content: msgspec.Raw


class _Tool(msgspec.Struct):
    type: str | None = None
    name: str = ""
    description: str | None = None
    input_schema: msgspec.Raw = msgspec.Raw(b"")
    strict: bool | None = None


class ChatRequest(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What goes upstream, as far as such clients can say it."""

    model: str | None = None
    messages: list[Json]
    max_tokens: int
    stream: bool = False
    stream_options: Json | None = None
    tools: list[Json] | None = None
    tool_choice: str | Json | None = None
    parallel_tool_calls: bool | None = None
    reasoning_effort: str | None = None
    response_format: Json | None = None
    stop: list[str] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    user: str | None = None


_request = msgspec.json.Decoder(_Request)
_message = msgspec.json.Decoder(_Message)
_tool = msgspec.json.Decoder(_Tool)
_content = msgspec.json.Decoder(str | list[msgspec.Raw])
_user_block = msgspec.json.Decoder(UserBlock)
_assistant_block = msgspec.json.Decoder(AssistantBlock)
_text_block = msgspec.json.Decoder(Text)


def chat_request(body: bytes) -> ChatRequest:
    """Translate; raises `Refused` with 400 that names the field."""
    asked = read(_request, body, "")
    messages: list[Json] = []
    if asked.system:
        text = asked.system if isinstance(asked.system, str) else _lines(asked.system)
        messages.append({"role": "system", "content": text})
    for number, raw in enumerate(asked.messages):
        _add_message(messages, bytes(raw), f"messages.{number}")
    choice = asked.tool_choice
    return ChatRequest(
        model=asked.model,
        messages=messages,
        max_tokens=asked.max_tokens,
        stream=asked.stream,
        stream_options={"include_usage": True} if asked.stream else None,
        tools=[_function(bytes(raw), f"tools.{number}") for number, raw in enumerate(asked.tools or ())]
        or None,
        tool_choice=None if choice is None or not asked.tools else _tool_choice(choice),
        parallel_tool_calls=False if choice is not None and choice.disable_parallel_tool_use else None,
        reasoning_effort=_effort(asked),
        response_format=_response_format(asked.output_config),
        stop=asked.stop_sequences or None,
        temperature=asked.temperature,
        top_p=asked.top_p,
        top_k=asked.top_k,
        user=None if asked.metadata is None else asked.metadata.user_id,
    )


def _add_message(messages: list[Json], raw: bytes, place: str) -> None:
    message = read(_message, raw, place)
    place = f"{place}.content"
    content = read(_content, bytes(message.content), place)
    if isinstance(content, str):
        messages.append({"role": message.role, "content": content})
    elif message.role == "user":
        blocks = [read(_user_block, bytes(raw), f"{place}.{index}") for index, raw in enumerate(content)]
        _add_user(messages, blocks, place)
    elif message.role == "assistant":
        said = [read(_assistant_block, bytes(raw), f"{place}.{index}") for index, raw in enumerate(content)]
        messages.append(_assistant(said, place))
    else:
        texts = [read(_text_block, bytes(raw), f"{place}.{index}") for index, raw in enumerate(content)]
        messages.append({"role": "system", "content": _lines(texts)})


def _add_user(messages: list[Json], blocks: list[UserBlock], place: str) -> None:
    """Results of tools first, for they must follow the calls; pictures in them go with the user's own parts."""
    parts: list[Json] = []
    for index, block in enumerate(blocks):
        if not isinstance(block, ToolResult):
            parts.append(_part(block, f"{place}.{index}"))
            continue
        text = block.content
        if text is None or isinstance(text, str):
            text = text or ""
        else:
            inner = f"{place}.{index}.content"
            parts += [
                _part(each, f"{inner}.{number}")
                for number, each in enumerate(text)
                if not isinstance(each, Text)
            ]
            text = _lines([each for each in text if isinstance(each, Text)])
        messages.append({"role": "tool", "tool_call_id": block.tool_use_id, "content": text})
    if len(parts) == 1 and parts[0]["type"] == "text":
        messages.append({"role": "user", "content": parts[0]["text"]})
    elif parts:
        messages.append({"role": "user", "content": parts})


def _part(block: Text | Image | Document, place: str) -> Json:
    if isinstance(block, Text):
        return {"type": "text", "text": block.text}
    source = block.source
    if isinstance(source, TextSource):
        return {"type": "text", "text": source.data}
    if isinstance(block, Image):
        url = _embedded(source) if isinstance(source, Base64Source) else source.url
        return {"type": "image_url", "image_url": {"url": url}}
    if not isinstance(source, Base64Source):
        raise wrong(f"{place}.source.type", "expected base64 or text")
    return {
        "type": "file",
        "file": {"filename": block.title or "document.pdf", "file_data": _embedded(source)},
    }


def _embedded(source: Base64Source) -> str:
    return f"data:{source.media_type};base64,{source.data}"


def _assistant(blocks: list[AssistantBlock], place: str) -> Json:
    """The model's turn. What it thought goes along while a tool's result is awaited: then some models need it."""
    calls: list[Json] = []
    for index, block in enumerate(blocks):
        if isinstance(block, ToolUse):
            arguments = bytes(block.input)
            if not arguments.startswith(b"{"):
                raise wrong(f"{place}.{index}.input", "expected an object")
            function = {"name": block.name, "arguments": arguments.decode("utf-8", "replace")}
            calls.append({"id": block.id, "type": "function", "function": function})
    text = "".join(block.text for block in blocks if isinstance(block, Text))
    message: Json = {"role": "assistant", "content": text if text or not calls else None}
    if calls:
        thoughts = "".join(block.thinking for block in blocks if isinstance(block, Thinking))
        if thoughts:
            message["reasoning_content"] = thoughts
        message["tool_calls"] = calls
    return message


def _lines(blocks: list[Text]) -> str:
    return "\n".join(block.text for block in blocks)


def _function(raw: bytes, place: str) -> Json:
    tool = read(_tool, raw, place)
    if tool.type not in (None, "custom"):
        text = f"the server tool '{tool.type}' is not available here; expected a tool of the type 'custom'"
        raise wrong(f"{place}.type", text)
    if not tool.name:
        raise wrong(f"{place}.name", "field required")
    if not bytes(tool.input_schema).startswith(b"{"):
        raise wrong(f"{place}.input_schema", "expected an object with a JSON schema")
    function: Json = {"name": tool.name, "parameters": tool.input_schema}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def _tool_choice(choice: _Choice) -> str | Json:
    if choice.type == "any":
        return "required"
    if choice.type != "tool":
        return choice.type
    if not choice.name:
        raise wrong("tool_choice.name", "field required")
    return {"type": "function", "function": {"name": choice.name}}


def _effort(asked: _Request) -> str | None:
    """What is said outright, else what a budget of thinking amounts to; nothing where nothing is said."""
    if asked.output_config is not None and asked.output_config.effort is not None:
        return asked.output_config.effort
    thinking = asked.thinking
    if thinking is None or thinking.type != "enabled":
        return None
    if thinking.budget_tokens is None:
        raise wrong("thinking.budget_tokens", "field required")
    if thinking.budget_tokens >= HIGH_BUDGET:
        return "high"
    return "low" if thinking.budget_tokens < LOW_BUDGET else "medium"


def _response_format(output: _Output | None) -> Json | None:
    if output is None or output.format is None:
        return None
    if not bytes(output.format.schema).startswith(b"{"):
        raise wrong("output_config.format.schema", "expected an object with a JSON schema")
    schema = {"name": "output", "schema": output.format.schema, "strict": True}
    return {"type": "json_schema", "json_schema": schema}
