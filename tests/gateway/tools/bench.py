"""What the tests of tools share: a model with tools, and a key of an account that has them."""

from typing import Any

import msgspec

from dwctl.core.ids import new_id
from dwctl.gateway.tools.settings import ToolSettings
from dwctl.routing.snapshot import Model
from dwctl.routing.tools import Tool
from dwctl.usage.prices import Tariffs
from tests.fakes.shapes import Json
from tests.fakes.upstream import FakeUpstream
from tests.gateway.house import SECRET, House, key, model, target

PATH = "/ai/v1/responses"
GROUP = "00000000-0000-4000-8000-0000000000aa"
SCHEMA: Json = {"type": "object", "properties": {"city": {"type": "string"}}}


def tool(server: FakeUpstream, name: str, *, groups: tuple[str, ...] = (GROUP,), **more: Any) -> Tool:
    """A tool of this server."""
    values: dict[str, Any] = {
        "id": new_id(),
        "name": name,
        "description": f"Does {name}.",
        "parameters": SCHEMA,
        "url": f"http://{server.host}:{server.port}/tools/{name}",
        "secret": None,
        "timeout": 5.0,
        "groups": frozenset(groups),
    }
    return Tool(**values | more)


def tooled(
    upstream: FakeUpstream, *tools: Tool, native: bool = False, tariffs: Tariffs | None = None
) -> Model:
    """A model with tools, whose server knows only chat completions unless told otherwise."""
    made = model("m", target(upstream.url, adapts_responses=not native))
    return msgspec.structs.replace(made, tools=tools, tariffs=tariffs)


def keys(*groups: str) -> dict[str, Any]:
    """The key of an account in these groups."""
    return {SECRET: key(groups=groups or (GROUP,))}


def house(made: Model, bounds: ToolSettings | None = None, **more: Any) -> House:
    """A gateway with this model, whose key has its tools."""
    return House(made, keys=more.pop("keys", None) or keys(), tools=bounds, **more)


def asked(**more: Any) -> Json:
    """A call."""
    return {"model": "m", "input": "How is it?", **more}


def kinds(answer: Json) -> list[str]:
    """Types of the items of a response."""
    return [item["type"] for item in answer["output"]]


def results(answer: Json) -> list[str]:
    """What tools said."""
    return [item["output"] for item in answer["output"] if item["type"] == "mcp_call"]


def at_rest(running: House) -> bool:
    """Nothing is held for any call."""
    gateway = running.gateway
    held = (gateway.funds.held, gateway.funds.spent, gateway._gate.held)
    return gateway.in_flight == 0 and not any(held)
