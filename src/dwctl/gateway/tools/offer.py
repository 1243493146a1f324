"""What a call is offered, and the bodies of its rounds. Pure; raises `Refused` with 400 that names the field.

A call has all tools that its model and its account's groups share. One that names some of them by
`{"type": "hosted_tool", "name": …}` has those alone. The model is shown them as functions, beside the client's own.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from dwctl.routing.tools import Tool
from dwctl.wire.errors import Problem, Refused
from dwctl.wire.loose import FAULTS, object_of

HOSTED = "hosted_tool"
_FUNCTION = "function"
_NULL = msgspec.Raw(b"null")
_ECHOED = ("tools", "tool_choice")
_EMPTY_ARGUMENTS: dict[str, Any] = {"type": "object", "properties": {}}
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class _Named(msgspec.Struct):
    type: Any = None
    name: Any = None


_named = msgspec.json.Decoder(_Named).decode


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """One call's."""

    tools: Mapping[str, Tool]
    """By name."""
    members: Mapping[str, msgspec.Raw]
    """Of the body that the model server gets."""
    asked: tuple[msgspec.Raw, ...]
    """The items of its input."""
    most: int | None
    """How many tools the client lets it call; None does not limit."""
    echoed: Mapping[str, bytes]
    """What of it the client said otherwise: members of the response object by name, as JSON."""

    @property
    def body(self) -> bytes:
        """Of the first round."""
        return _encode(self.members)

    def following(self, items: Iterable[bytes]) -> bytes:
        """Of a later round: all that was asked, and the items since. A choice that forced a call has been heeded."""
        members = dict(self.members)
        members["input"] = msgspec.Raw(b"[%b]" % b",".join((*map(bytes, self.asked), *items)))
        if "tool_choice" in members:
            members["tool_choice"] = _unforced(members["tool_choice"])
        return _encode(members)


def offer_of(body: bytes, tools: Iterable[Tool], groups: frozenset[str]) -> Offer | None:
    """None for a call that has no tools; what is wrong with its own ones others tell."""
    available = {tool.name: tool for tool in tools if not tool.groups.isdisjoint(groups)}
    try:
        members = _members(body)
        raws = _items(members.get("tools", _NULL)) if members.get("tools", _NULL) != _NULL else []
        known = [_named(raw) for raw in raws]
        asked = _asked(members.get("input", _NULL))
    except FAULTS:
        return None
    hosted = [(number, one) for number, one in enumerate(known) if one.type == HOSTED]
    for number, one in hosted:
        if one.name not in available:
            raise _unknown(number, one.name, available)
    if hosted:
        wanted = {str(one.name) for _, one in hosted}
        available = {name: tool for name, tool in available.items() if name in wanted}
    elif not available or bytes(members.get("tool_choice", _NULL)) == b'"none"':
        return None
    for number, one in enumerate(known):
        if one.type == _FUNCTION and one.name in available:
            raise _collision(number, one.name)
    own = [raw for raw, one in zip(raws, known, strict=True) if one.type != HOSTED]
    sent = dict(members)
    sent["tools"] = msgspec.Raw(b"[%b]" % b",".join([*map(bytes, own), *map(_shown, available.values())]))
    if "tool_choice" in sent:
        sent["tool_choice"] = _by_function(sent["tool_choice"])
    defaults = {"tools": b"[]", "tool_choice": b'"auto"'}
    return Offer(
        tools=available,
        members=sent,
        asked=asked,
        most=_most(members.get("max_tool_calls", _NULL)),
        echoed={name: _or(members.get(name), defaults[name]) for name in _ECHOED},
    )


def _asked(given: msgspec.Raw) -> tuple[msgspec.Raw, ...]:
    text = bytes(given)
    if text == b"null":
        return ()
    if text.startswith(b'"'):
        return (msgspec.Raw(b'{"type":"message","role":"user","content":%b}' % text),)
    return tuple(_items(given))


def _or(given: msgspec.Raw | None, default: bytes) -> bytes:
    text = b"null" if given is None else bytes(given)
    return default if text == b"null" else text


def _most(given: msgspec.Raw) -> int | None:
    """What is no number others refuse."""
    most = _decode(given)
    return most if isinstance(most, int) and not isinstance(most, bool) else None


def _shown(tool: Tool) -> bytes:
    """As the model is told of it. Not strict: schemas of the strict kind are another language."""
    return _encode(
        {
            "type": _FUNCTION,
            "name": tool.name,
            "description": tool.description,
            "parameters": _EMPTY_ARGUMENTS if tool.parameters is None else tool.parameters,
            "strict": False,
        }
    )


def _by_function(given: msgspec.Raw) -> msgspec.Raw:
    """A choice among tools as one among functions."""
    choice = _decode(given)
    if not isinstance(choice, dict):
        return given
    if isinstance(choice.get("tools"), list):
        choice["tools"] = [_function(one) for one in choice["tools"]]
    return msgspec.Raw(_encode(_function(choice)))


def _function(one: object) -> object:
    return {**one, "type": _FUNCTION} if isinstance(one, dict) and one.get("type") == HOSTED else one


def _unforced(given: msgspec.Raw) -> msgspec.Raw:
    choice = _decode(given)
    kind = object_of(choice).get("type")
    if choice == "required" or kind == _FUNCTION:
        return msgspec.Raw(b'"auto"')
    if kind == "allowed_tools" and choice.get("mode") == "required":
        return msgspec.Raw(_encode({**choice, "mode": "auto"}))
    return given


def _unknown(number: int, name: object, available: Mapping[str, Tool]) -> Refused:
    text = f"Unknown hosted tool: '{str(name)[:64]}'. Available tools: [{', '.join(sorted(available))}]"
    return Refused(_wrong(f"tools.{number}.name", text))


def _collision(number: int, name: str) -> Refused:
    text = f"Tool name collision: '{name}' is a tool of the server; give the function another name."
    return Refused(_wrong(f"tools.{number}.name", text))


def _wrong(param: str, text: str) -> Problem:
    return Problem(status=400, message=text, param=param, code="invalid_value")
