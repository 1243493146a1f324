"""Tools and the choice among them, in both directions. Pure."""

import re
from typing import Any

import msgspec

from dwctl.wire.loose import list_of, object_of
from dwctl.wire.reading import read, wrong

Json = dict[str, Any]
MAX_ALLOWED = 128
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_MODES = ("none", "auto", "required")


class _Tool(msgspec.Struct):
    type: str
    name: str | None = None
    description: str | None = None
    parameters: Json | None = None
    strict: bool | None = None


_tool = msgspec.json.Decoder(_Tool)


class Tools(msgspec.Struct, frozen=True):
    """What the model server is told."""

    functions: list[Json] | None = None
    """Those that may be called."""
    choice: str | Json | None = None


def chat_tools(raws: list[msgspec.Raw] | None, choice: str | Json | None) -> Tools:
    """The functions as a chat has them; those that the choice forbids are not shown to the model."""
    functions: dict[str, Json] = {}
    for number, raw in enumerate(raws or ()):
        place = f"tools.{number}"
        function = _function(read(_tool, bytes(raw), place), place)
        name = function["name"]
        if name in functions:
            raise wrong(f"{place}.name", f"the function '{name}' stands in the list twice")
        functions[name] = {"type": "function", "function": function}
    told, names = _choice(choice, functions)
    if not functions:
        # Servers refuse a choice among nothing.
        return Tools()
    return Tools([functions[name] for name in functions if names is None or name in names], told)


def allowed_by(choice: object) -> frozenset[str] | None:
    """Names of the functions that may be called by a request's `tool_choice`; None when all may."""
    if choice == "none":
        return frozenset()
    given = object_of(choice)
    if given.get("type") != "allowed_tools":
        return None
    if given.get("mode") == "none":
        return frozenset()
    tools = list_of(given.get("tools"))
    return frozenset(name for tool in tools if isinstance(name := object_of(tool).get("name"), str))


def _function(tool: _Tool, place: str) -> Json:
    if tool.type == "hosted_tool":
        # Whoever has tools of the server does not come here with them (gateway/tools/offer.py).
        raise wrong(f"{place}.name", f"Unknown hosted tool: '{str(tool.name)[:64]}'. Available tools: []")
    if tool.type != "function":
        text = f"the model's server has no tools of the type '{tool.type[:64]}'; expected 'function'"
        raise wrong(f"{place}.type", text)
    if tool.name is None:
        raise wrong(f"{place}.name", "field required", "missing_required_parameter")
    if _NAME.fullmatch(tool.name) is None:
        raise wrong(f"{place}.name", "expected 1 to 64 letters, digits, '_' and '-'")
    function: Json = {"name": tool.name}
    for name in ("description", "parameters", "strict"):
        value = getattr(tool, name)
        if value is not None:
            function[name] = value
    return function


def _choice(
    choice: str | Json | None, functions: dict[str, Json]
) -> tuple[str | Json | None, set[str] | None]:
    """What the model server is told, and the names that it is told of."""
    if choice is None:
        return None, None
    if isinstance(choice, str):
        if choice not in _MODES:
            raise wrong("tool_choice", f"expected {', '.join(_MODES)} or an object, got '{choice[:64]}'")
        if choice == "required" and not functions:
            raise wrong("tool_choice", "'required' needs 'tools'")
        return choice, None
    kind = choice.get("type")
    if kind == "function":
        name = _known(choice, functions, "tool_choice")
        return {"type": "function", "function": {"name": name}}, None
    if kind != "allowed_tools":
        raise wrong("tool_choice.type", "expected 'function' or 'allowed_tools'")
    tools = choice.get("tools")
    if not isinstance(tools, list) or not 0 < len(tools) <= MAX_ALLOWED:
        raise wrong("tool_choice.tools", f"expected a list of 1 to {MAX_ALLOWED} tools")
    mode = choice.get("mode", "auto")
    if mode not in _MODES:
        raise wrong("tool_choice.mode", f"expected {', '.join(_MODES)}")
    names = {_known(tool, functions, f"tool_choice.tools.{number}") for number, tool in enumerate(tools)}
    return mode, names


def _known(tool: object, functions: dict[str, Json], place: str) -> str:
    given = object_of(tool)
    if given.get("type") != "function":
        raise wrong(f"{place}.type", "expected 'function'")
    name = given.get("name")
    if not isinstance(name, str):
        raise wrong(f"{place}.name", "expected the name of a function")
    if name not in functions:
        raise wrong(f"{place}.name", f"there is no function '{name[:64]}' in 'tools'")
    return name


def flat_tool(tool: object) -> object:
    """A function as a Responses object shows it, all five keys, from either API; another tool as it is."""
    given = object_of(tool)
    inner = object_of(given.get("function")) or given
    if given.get("type") != "function":
        return tool
    description, parameters, strict = (inner.get(name) for name in ("description", "parameters", "strict"))
    return {
        "type": "function",
        "name": str(inner.get("name") or ""),
        "description": description if isinstance(description, str) else None,
        "parameters": parameters if isinstance(parameters, dict) else None,
        "strict": strict if isinstance(strict, bool) else None,
    }


def flat_choice(choice: object) -> object:
    """A choice as a Responses object shows it, from either API."""
    if isinstance(choice, str):
        return choice
    given = object_of(choice)
    kind = given.get("type")
    inner = object_of(given.get("function" if kind == "function" else str(kind))) or given
    if kind == "function":
        return {"type": "function", "name": str(inner.get("name") or "")}
    if kind == "allowed_tools":
        tools = [
            {"type": "function", "name": str((object_of(tool.get("function")) or tool).get("name") or "")}
            for tool in map(object_of, list_of(inner.get("tools")))
        ]
        return {"type": "allowed_tools", "tools": tools, "mode": inner.get("mode") or "auto"}
    return given or "auto"
