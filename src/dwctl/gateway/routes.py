"""The gateway's paths, and what is particular to each."""

from enum import Enum

import msgspec

from dwctl.gateway.dialect import Dialect
from dwctl.gateway.messages import Messages
from dwctl.gateway.responses import Responses
from dwctl.routing.snapshot import Model

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
    form: bool = False
    """Whether bodies may be `multipart/form-data`."""
    media: bool = False
    """Sounds and images: bodies are not kept with the row, and an answer that is no JSON goes on as it comes."""
    flex: bool = False
    """Whether `service_tier: "flex"` queues a call."""
    background: bool = False
    """Whether `background: true` does."""
    context: bool = False
    """Whether a call may refer to what is stored: an earlier response, a conversation, items, files."""
    stores: bool = False
    """Whether `store: false` keeps a call from being read as a response; elsewhere the field is the model server's."""
    counts: bool = False
    """Whether it tells how many tokens a request would be, and runs nothing: free, and without bodies."""
    adapter: "Adapter | None" = None
    """What stands in where a model's server does not know the route."""


class Adapter(msgspec.Struct, frozen=True):
    """Another route of the model servers that calls go by, translated."""

    via: Route
    dialect: Dialect

    @staticmethod
    def serves(model: Model) -> bool:
        """Whether it stands in for this model; of several targets the first one says.

        Unless that one knows only responses, and another one only chats: of a chat all of them can be made.
        """
        targets = model.targets
        if not targets or not targets[0].adapts_chat:
            return bool(targets) and targets[0].adapts_responses
        return any(target.adapts_responses for target in targets)


def _media(path: str, *, form: bool = False) -> Route:
    return Route(path=path, id_style=IdStyle.HEADER_ONLY, forces_usage=False, form=form, media=True)


ROUTES = {
    PREFIX + route.path.encode(): route
    for route in (
        Route(path="/v1/chat/completions", id_style=IdStyle.TOP, forces_usage=True, flex=True),
        Route(path="/v1/completions", id_style=IdStyle.HEADER_ONLY, forces_usage=True),
        Route(path="/v1/embeddings", id_style=IdStyle.HEADER_ONLY, forces_usage=False),
        Route(
            path="/v1/responses",
            id_style=IdStyle.RESPONSE,
            forces_usage=False,
            flex=True,
            background=True,
            context=True,
            stores=True,
        ),
        Route(path="/v1/rerank", id_style=IdStyle.HEADER_ONLY, forces_usage=False),
        Route(path="/v1/score", id_style=IdStyle.HEADER_ONLY, forces_usage=False),
        Route(path="/v1/moderations", id_style=IdStyle.HEADER_ONLY, forces_usage=False),
        _media("/v1/audio/speech"),
        _media("/v1/audio/transcriptions", form=True),
        _media("/v1/audio/translations", form=True),
        _media("/v1/images/generations"),
        _media("/v1/images/edits", form=True),
        _media("/v1/images/variations", form=True),
    )
}
ROUTES[PREFIX + b"/v1/messages"] = msgspec.structs.replace(
    ROUTES[PREFIX + b"/v1/chat/completions"], dialect=Messages(), flex=False
)
ROUTES[PREFIX + b"/v1/responses/input_tokens"] = msgspec.structs.replace(
    ROUTES[PREFIX + b"/v1/responses"],
    path="/v1/responses/input_tokens",
    id_style=IdStyle.HEADER_ONLY,
    flex=False,
    background=False,
    counts=True,
)
ROUTES[PREFIX + b"/v1/responses"] = msgspec.structs.replace(
    ROUTES[PREFIX + b"/v1/responses"],
    adapter=Adapter(ROUTES[PREFIX + b"/v1/chat/completions"], Responses()),
)
UPLOADS = frozenset(path for path, route in ROUTES.items() if route.form)
