"""The input items of a Responses request as the messages of a chat. Pure; raises `Refused` with the item's place.

An item that says nothing to a chat-only model server is refused, unless it is there for clients alone: `id`, `status`,
`phase`, annotations and log probabilities of earlier answers are read over, and so are thoughts that only their maker
can decrypt. Thoughts in the plain go along with the answer that they led to, and not where they led to none.
"""

from typing import Annotated, Any

import msgspec

from dwctl.wire.reading import read, wrong

Json = dict[str, Any]
_Ident = Annotated[str, msgspec.Meta(min_length=1)]
_ROLES = ("user", "assistant", "system", "developer")
_LOST = {
    "item_reference": "the item that it refers to is not known here",
    "compaction": "what it holds cannot be read here",
}


class _Kind(msgspec.Struct):
    type: str | None = None
    role: str | None = None


class _Message(msgspec.Struct):
    role: str
    content: str | list[msgspec.Raw] | None = None


class _Call(msgspec.Struct):
    call_id: _Ident
    name: _Ident
    arguments: str


class _Result(msgspec.Struct):
    call_id: _Ident
    output: str | list[msgspec.Raw]


class _Thought(msgspec.Struct):
    text: str = ""


class _Reasoning(msgspec.Struct):
    summary: list[_Thought] | None = None
    content: list[_Thought] | None = None


class _Part(msgspec.Struct):
    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: str | None = None
    detail: str | None = None
    file_id: str | None = None
    file_url: str | None = None
    file_data: str | None = None
    filename: str | None = None
    video_url: str | None = None
    input_audio: Json | None = None


_kind = msgspec.json.Decoder(_Kind)
_message = msgspec.json.Decoder(_Message)
_call = msgspec.json.Decoder(_Call)
_result = msgspec.json.Decoder(_Result)
_reasoning = msgspec.json.Decoder(_Reasoning)
_part = msgspec.json.Decoder(_Part)


class Conversation:
    """Messages as they gather, item by item."""

    def __init__(self) -> None:
        self.messages: list[Json] = []
        self._thoughts = ""
        """What the model thought before the answer that comes next."""
        self._shown: list[Json] = []
        """What is no text in the results of tools: it follows them as a message of the user."""

    def add(self, raw: bytes, place: str) -> None:
        """The next item."""
        known = read(_kind, raw, place)
        kind = known.type or ("message" if known.role is not None else None)
        if kind is None:
            raise wrong(f"{place}.type", "field required", "missing_required_parameter")
        if kind == "function_call_output":
            self._add_result(read(_result, raw, place), place)
            return
        self._show()
        if kind == "message":
            self._add_message(read(_message, raw, place), place)
        elif kind == "function_call":
            self._add_call(read(_call, raw, place))
        elif kind == "reasoning":
            item = read(_reasoning, raw, place)
            self._thoughts += "\n".join(each.text for each in item.content or item.summary or ())
        else:
            why = _LOST.get(kind, "the model's server knows only messages, function calls and their outputs")
            raise wrong(f"{place}.type", f"an item of the type '{kind}' cannot be used: {why}")

    def end(self) -> list[Json]:
        """All messages, once the last item is there."""
        self._show()
        return self.messages

    def _add_message(self, item: _Message, place: str) -> None:
        if item.role not in _ROLES:
            raise wrong(f"{place}.role", f"expected one of {', '.join(_ROLES)}, got '{item.role[:64]}'")
        if item.content is None:
            raise wrong(f"{place}.content", "field required", "missing_required_parameter")
        content: str | list[Json]
        if isinstance(item.content, str):
            content = item.content
        else:
            parts = [
                chat_part(bytes(each), f"{place}.content.{number}", item.role)
                for number, each in enumerate(item.content)
            ]
            content = _content(parts)
        if item.role == "assistant":
            self._answer(content if isinstance(content, str) else _joined(content))
        else:
            self._thoughts = ""
            self.messages.append({"role": item.role, "content": content})

    def _add_call(self, item: _Call) -> None:
        last = self.messages[-1] if self.messages else None
        if last is None or last["role"] != "assistant" or self._thoughts:
            last = self._answer(None)
        function = {"name": item.name, "arguments": item.arguments}
        last.setdefault("tool_calls", []).append(
            {"id": item.call_id, "type": "function", "function": function}
        )

    def _add_result(self, item: _Result, place: str) -> None:
        self._thoughts = ""
        content: str | list[Json]
        if isinstance(item.output, str):
            content = item.output
        else:
            parts = [
                chat_part(bytes(each), f"{place}.output.{number}", "user")
                for number, each in enumerate(item.output)
            ]
            self._shown += [part for part in parts if part["type"] != "text"]
            content = _content([part for part in parts if part["type"] == "text"])
        self.messages.append({"role": "tool", "tool_call_id": item.call_id, "content": content})

    def _answer(self, content: str | None) -> Json:
        """A message of the model, with the thoughts that led to it."""
        message: Json = {"role": "assistant", "content": content}
        if self._thoughts:
            message["reasoning_content"], self._thoughts = self._thoughts, ""
        self.messages.append(message)
        return message

    def _show(self) -> None:
        if self._shown:
            self.messages.append({"role": "user", "content": self._shown})
            self._shown = []


def chat_part(raw: bytes, place: str, role: str) -> Json:
    """A part of a message's content; of a role other than the user's only texts."""
    part = read(_part, raw, place)
    if part.type in ("input_text", "output_text", "text"):
        return {"type": "text", "text": _required(part.text, f"{place}.text")}
    if part.type == "refusal" and role == "assistant":
        return {"type": "text", "text": _required(part.refusal, f"{place}.refusal")}
    if role != "user":
        raise wrong(
            f"{place}.type", f"expected text in a message of the role '{role}', got '{part.type[:64]}'"
        )
    if part.type == "input_image":
        _not_by_id(part, place)
        image = {"url": _required(part.image_url, f"{place}.image_url")}
        if part.detail is not None:
            image["detail"] = part.detail
        return {"type": "image_url", "image_url": image}
    if part.type == "input_file":
        _not_by_id(part, place)
        if part.file_url is not None:
            raise wrong(f"{place}.file_url", "the model's server takes no files by URL; send 'file_data'")
        file = {"file_data": _required(part.file_data, f"{place}.file_data")}
        if part.filename is not None:
            file["filename"] = part.filename
        return {"type": "file", "file": file}
    if part.type == "input_audio":
        if part.input_audio is None:
            raise wrong(f"{place}.input_audio", "field required", "missing_required_parameter")
        return {"type": "input_audio", "input_audio": part.input_audio}
    if part.type == "input_video":
        return {
            "type": "video_url",
            "video_url": {"url": _required(part.video_url, f"{place}.video_url")},
        }
    raise wrong(f"{place}.type", f"a part of the type '{part.type[:64]}' cannot be used with this model")


def _required(value: str | None, place: str) -> str:
    if value is None:
        raise wrong(place, "field required", "missing_required_parameter")
    return value


def _not_by_id(part: _Part, place: str) -> None:
    if part.file_id is not None:
        raise wrong(f"{place}.file_id", "the model's server knows no files by id; send the content itself")


def _content(parts: list[Json]) -> str | list[Json]:
    """A single text as a string, for that is what every server takes."""
    if not parts:
        return ""
    if len(parts) == 1 and parts[0]["type"] == "text":
        text: str = parts[0]["text"]
        return text
    return parts


def _joined(parts: list[Json]) -> str:
    return "".join(part["text"] for part in parts)
