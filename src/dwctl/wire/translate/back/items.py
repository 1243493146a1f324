"""The messages of a chat as the input items of a Responses request. Pure; raises `Refused` with the message's place.

What belongs to clients alone in messages that come back is read over: annotations, and the name of the function in a
result, which the call has said.
"""

from typing import Annotated, Any

import msgspec

from dwctl.wire.loose import decoded, object_of
from dwctl.wire.reading import read, wrong
from dwctl.wire.translate.chats import arguments_of, thoughts_of

Json = dict[str, Any]
_MISSING = "missing_required_parameter"
_Ident = Annotated[str, msgspec.Meta(min_length=1)]
_SPEAKERS = ("user", "system", "developer")


class _Message(msgspec.Struct):
    role: str
    content: str | list[msgspec.Raw] | None = None
    name: str | None = None
    refusal: str | None = None
    tool_calls: list[msgspec.Raw] | None = None
    tool_call_id: str | None = None
    function_call: Json | None = None
    audio: Json | None = None


class _Function(msgspec.Struct):
    name: _Ident
    arguments: str | Json = ""


class _Call(msgspec.Struct):
    id: _Ident
    type: str = "function"
    function: _Function | None = None


class _Image(msgspec.Struct):
    url: str
    detail: str | None = None


class _File(msgspec.Struct):
    file_data: str | None = None
    filename: str | None = None
    file_id: str | None = None


class _Video(msgspec.Struct):
    url: str


class _Part(msgspec.Struct):
    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: _Image | None = None
    file: _File | None = None
    input_audio: Json | None = None
    video_url: _Video | None = None


_message = msgspec.json.Decoder(_Message)
_call = msgspec.json.Decoder(_Call)
_part = msgspec.json.Decoder(_Part)


def items_of(raw: bytes, place: str) -> list[Json]:
    """The items that say what one message says, in their order."""
    message = read(_message, raw, place)
    if message.role == "tool":
        return [_result(message, place)]
    if message.name is not None:
        raise wrong(f"{place}.name", "the model's server knows speakers by their role alone")
    if message.role == "assistant":
        return _answer(message, object_of(decoded(raw)), place)
    if message.role not in _SPEAKERS:
        expected = ", ".join((*_SPEAKERS, "assistant", "tool"))
        raise wrong(f"{place}.role", f"expected one of {expected}, got '{message.role[:64]}'")
    content = message.content
    if content is None:
        raise wrong(f"{place}.content", "field required", _MISSING)
    if not isinstance(content, str):
        return [_spoken(message.role, _parts(content, place, texts_alone=message.role != "user"))]
    return [_spoken(message.role, content)]


def _spoken(role: str, content: str | list[Json]) -> Json:
    return {"type": "message", "role": role, "content": content}


def _result(message: _Message, place: str) -> Json:
    if not message.tool_call_id:
        raise wrong(f"{place}.tool_call_id", "field required", _MISSING)
    content = message.content or ""
    output = content if isinstance(content, str) else _parts(content, place, texts_alone=False)
    return {"type": "function_call_output", "call_id": message.tool_call_id, "output": output}


def _answer(message: _Message, said: Json, place: str) -> list[Json]:
    """What the model thought, what it said, and whom it called."""
    for name in ("function_call", "audio"):
        if getattr(message, name) is not None:
            raise wrong(f"{place}.{name}", "the model's server cannot be told of it")
    items: list[Json] = []
    thoughts = thoughts_of(said, "\n")
    if thoughts:
        items.append({"type": "reasoning", "summary": [{"type": "summary_text", "text": thoughts}]})
    text, refusal = _said(message.content, place)
    refusal += message.refusal or ""
    calls = message.tool_calls or ()
    if refusal:
        told = [{"type": "output_text", "text": text}] if text else []
        items.append(_spoken("assistant", [*told, {"type": "refusal", "refusal": refusal}]))
    elif text or not calls:
        items.append(_spoken("assistant", text))
    return items + [_called(bytes(each), f"{place}.tool_calls.{number}") for number, each in enumerate(calls)]


def _said(content: str | list[msgspec.Raw] | None, place: str) -> tuple[str, str]:
    """Text and refusal of an answer."""
    if content is None or isinstance(content, str):
        return content or "", ""
    text = refusal = ""
    for number, raw in enumerate(content):
        at = f"{place}.content.{number}"
        part = read(_part, bytes(raw), at)
        if part.type == "text":
            text += _required(part.text, f"{at}.text")
        elif part.type == "refusal":
            refusal += _required(part.refusal, f"{at}.refusal")
        elif part.type != "thinking":
            raise wrong(f"{at}.type", f"expected text or refusal, got '{part.type[:64]}'")
    return text, refusal


def _called(raw: bytes, place: str) -> Json:
    call = read(_call, raw, place)
    if call.type != "function":
        raise wrong(
            f"{place}.type", f"expected 'function': '{call.type[:64]}' cannot be used with this model"
        )
    if call.function is None:
        raise wrong(f"{place}.function", "field required", _MISSING)
    arguments = arguments_of({"arguments": call.function.arguments})
    return {
        "type": "function_call",
        "call_id": call.id,
        "name": call.function.name,
        "arguments": arguments,
    }


def _parts(content: list[msgspec.Raw], place: str, *, texts_alone: bool) -> list[Json]:
    return [
        _input_part(bytes(raw), f"{place}.content.{number}", texts_alone=texts_alone)
        for number, raw in enumerate(content)
    ]


def _input_part(raw: bytes, place: str, *, texts_alone: bool) -> Json:
    part = read(_part, raw, place)
    kind = part.type
    if kind == "text":
        return {"type": "input_text", "text": _required(part.text, f"{place}.text")}
    if texts_alone:
        raise wrong(f"{place}.type", f"expected text in a message of this role, got '{kind[:64]}'")
    if kind == "image_url":
        image = part.image_url
        if image is None:
            raise wrong(f"{place}.image_url", "field required", _MISSING)
        # Some servers insist on the detail; this one is what nothing means.
        return {"type": "input_image", "image_url": image.url, "detail": image.detail or "auto"}
    if kind == "file":
        if part.file is None:
            raise wrong(f"{place}.file", "field required", _MISSING)
        given = msgspec.structs.asdict(part.file)
        return {"type": "input_file", **{name: value for name, value in given.items() if value is not None}}
    if kind == "input_audio":
        if part.input_audio is None:
            raise wrong(f"{place}.input_audio", "field required", _MISSING)
        return {"type": "input_audio", "input_audio": part.input_audio}
    if kind == "video_url":
        if part.video_url is None:
            raise wrong(f"{place}.video_url", "field required", _MISSING)
        return {"type": "input_video", "video_url": part.video_url.url}
    raise wrong(f"{place}.type", f"a part of the type '{kind[:64]}' cannot be used with this model")


def _required(value: str | None, place: str) -> str:
    if value is None:
        raise wrong(place, "field required", _MISSING)
    return value
