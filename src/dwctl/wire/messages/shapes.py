"""What a client of the Messages API reads: a message, and the events that a streamed one comes in. Shapes only."""

import msgspec

_encode = msgspec.json.Encoder().encode


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens; those that the model server took from its cache are not among `input_tokens`."""

    input_tokens: int = 0
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int = 0
    output_tokens: int = 0


class TextBlock(msgspec.Struct, tag_field="type", tag="text"):
    """Text."""

    text: str = ""


class ThinkingBlock(msgspec.Struct, tag_field="type", tag="thinking"):
    """What the model thought; never signed, for no model server signs."""

    thinking: str = ""
    signature: str = ""


class ToolUseBlock(msgspec.Struct, tag_field="type", tag="tool_use"):
    """A call of a tool."""

    id: str
    name: str
    input: msgspec.Raw = msgspec.Raw(b"{}")


Block = TextBlock | ThinkingBlock | ToolUseBlock


class Message(msgspec.Struct, tag_field="type", tag="message", kw_only=True):
    """An answer."""

    id: str
    role: str = "assistant"
    model: str
    content: list[Block]
    stop_reason: str | None = None
    stop_sequence: str | None = None
    usage: Usage


class MessageStart(msgspec.Struct, tag_field="type", tag="message_start"):
    """The first event."""

    message: Message


class BlockStart(msgspec.Struct, tag_field="type", tag="content_block_start"):
    """A block begins."""

    index: int
    content_block: Block


class BlockDelta(msgspec.Struct, tag_field="type", tag="content_block_delta"):
    """More of it."""

    index: int
    delta: dict[str, str]


class BlockStop(msgspec.Struct, tag_field="type", tag="content_block_stop"):
    """It is whole."""

    index: int


class MessageDelta(msgspec.Struct, tag_field="type", tag="message_delta"):
    """Why the model stopped, and what was counted."""

    delta: dict[str, str | None]
    usage: Usage


class MessageStop(msgspec.Struct, tag_field="type", tag="message_stop"):
    """The last event."""


Event = MessageStart | BlockStart | BlockDelta | BlockStop | MessageDelta | MessageStop


def event_bytes(event: Event) -> bytes:
    """As it is sent."""
    return named(str(event.__struct_config__.tag), _encode(event))


def named(name: str, data: bytes) -> bytes:
    """A server-sent event with its name."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), data)


def encoded(message: Message) -> bytes:
    """A whole answer's body."""
    return _encode(message)
