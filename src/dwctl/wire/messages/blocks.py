"""The content blocks of a Messages request that have a counterpart in chat completions. Pure, shapes only.

Fields that say nothing to a model server, such as `cache_control` and `citations`, are read over.
"""

from typing import TypeAlias

import msgspec


class Base64Source(msgspec.Struct, tag_field="type", tag="base64"):
    """Bytes."""

    media_type: str
    data: str


class UrlSource(msgspec.Struct, tag_field="type", tag="url"):
    """A place to fetch it from."""

    url: str


class TextSource(msgspec.Struct, tag_field="type", tag="text"):
    """A document's plain text."""

    data: str


class Text(msgspec.Struct, tag_field="type", tag="text"):
    """Text."""

    text: str


class Image(msgspec.Struct, tag_field="type", tag="image"):
    """A picture."""

    source: Base64Source | UrlSource


class Document(msgspec.Struct, tag_field="type", tag="document"):
    """A file for the model to read."""

    source: Base64Source | TextSource
    title: str | None = None


class ToolUse(msgspec.Struct, tag_field="type", tag="tool_use"):
    """A tool that the model has called."""

    id: str
    name: str
    input: msgspec.Raw


class ToolResult(msgspec.Struct, tag_field="type", tag="tool_result"):
    """What the tool said."""

    tool_use_id: str
    content: str | list[Text | Image | Document] | None = None


class Thinking(msgspec.Struct, tag_field="type", tag="thinking"):
    """What the model thought."""

    thinking: str


class RedactedThinking(msgspec.Struct, tag_field="type", tag="redacted_thinking"):
    """What it thought, unreadable."""


UserBlock: TypeAlias = Text | Image | Document | ToolResult
AssistantBlock: TypeAlias = Text | ToolUse | Thinking | RedactedThinking
