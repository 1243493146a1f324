"""The gateway's paths, and what is particular to each."""

from enum import Enum

import msgspec

from dwctl.gateway.dialect import Dialect
from dwctl.gateway.messages import Messages

PREFIX = b"/ai"


class IdStyle(Enum):
    """How a reply carries the request's id (README table of the contract)."""

    TOP = "top"
    """`id` of the JSON object and of each chunk."""
    RESPONSE = "response"
    """`id` of the JSON object; `response.id` in stream events."""
    HEADER_ONLY = "header"
    """The body stays as it came."""


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One inference path."""

    path: str
    """As upstreams and rows name it, such as `/v1/chat/completions`."""
    id_style: IdStyle
    forces_usage: bool
    """Whether streams are asked for usage by `stream_options.include_usage`."""
    dialect: Dialect | None = None
    """What translates, where clients of the route speak another protocol than model servers."""


ROUTES = {
    PREFIX + route.path.encode(): route
    for route in (
        Route(path="/v1/chat/completions", id_style=IdStyle.TOP, forces_usage=True),
        Route(path="/v1/completions", id_style=IdStyle.HEADER_ONLY, forces_usage=True),
        Route(path="/v1/embeddings", id_style=IdStyle.HEADER_ONLY, forces_usage=False),
        Route(path="/v1/responses", id_style=IdStyle.RESPONSE, forces_usage=False),
    )
}
ROUTES[PREFIX + b"/v1/messages"] = msgspec.structs.replace(
    ROUTES[PREFIX + b"/v1/chat/completions"], dialect=Messages()
)
