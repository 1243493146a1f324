"""`/admin/api/v1/ai/*`: the gateway's paths for a session (spec/platform §0.4)."""

from typing import Any

from litestar import Router, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath
from litestar.response import Response
from litestar.response.base import ASGIResponse
from litestar.status_codes import HTTP_200_OK
from litestar.types import Message, Receive, Scope, Send

from dwctl.control.playground.actions import PlaygroundActions
from dwctl.identity.principal import Principal
from dwctl.web.authentication import Who
from dwctl.wire.inference import Inference


class Passed(ASGIResponse):
    """The gateway's answer, as it comes, with the headers that every answer of the application carries."""

    def __init__(self, inference: Inference, path: str, key: bytes, headers: dict[str, str]) -> None:
        super().__init__()
        self._inference = inference
        self._path = path
        self._key = key
        self._always = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the gateway answer."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                there = {name.lower() for name, _ in message["headers"]}
                always = [
                    (name.encode(), value.encode())
                    for name, value in self._always.items()
                    if name.encode() not in there
                ]
                message["headers"] = [*message["headers"], *always]
            await send(message)

        await self._inference.run(self._path, self._key, scope, receive, with_headers)


class CallResponse(Response[None]):
    """What a route returns for it."""

    def __init__(self, inference: Inference, path: str, key: bytes) -> None:
        super().__init__(None)
        self._inference = inference
        self._path = path
        self._key = key

    def to_asgi_response(self, *_: Any, **__: Any) -> ASGIResponse:
        """The gateway's own."""
        return Passed(self._inference, self._path, self._key, dict(self.headers))


class Playground:
    """What both routes call."""

    def __init__(self, actions: PlaygroundActions, inference: Inference) -> None:
        self._actions = actions
        self._inference = inference

    async def answer(self, who: Principal, method: str, path: str) -> Response[None]:
        """As the gateway answers this person on this path below `/ai`."""
        inner = "/ai/" + path.lstrip("/")
        key = await self._actions.key(who, self._inference, method, inner)
        return CallResponse(self._inference, inner, key)


@post("/{path:path}", status_code=HTTP_200_OK)
async def call_model(
    principal: Who, playground: NamedDependency[Playground], path: FromPath[str]
) -> Response[None]:
    """Call a model as the person who is signed in: the AI API's paths below `/ai`, without a key."""
    return await playground.answer(principal, "POST", path)


@get("/{path:path}")
async def read_models(
    principal: Who, playground: NamedDependency[Playground], path: FromPath[str]
) -> Response[None]:
    """The models that the person who is signed in may use, as the AI API lists them."""
    return await playground.answer(principal, "GET", path)


def router(actions: PlaygroundActions, inference: Inference) -> Router:
    """Both routes."""
    playground = Playground(actions, inference)
    return Router(
        path="/",
        route_handlers=[call_model, read_models],
        dependencies={"playground": Provide(lambda: playground, sync_to_thread=False)},
        tags=["playground"],
    )
