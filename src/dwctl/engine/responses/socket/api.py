"""The route: `ws(s)://…/ai/v1/responses`."""

from collections.abc import MutableMapping
from typing import Any

from litestar import Router, WebSocket, websocket
from litestar.handlers import WebsocketRouteHandler

from dwctl.engine.responses.socket.connection import ResponseConnection
from dwctl.engine.responses.socket.settings import SocketSettings
from dwctl.identity.authenticate import bearer
from dwctl.identity.secrets import digest
from dwctl.wire.errors import Problem
from dwctl.wire.inference import Inference

KEY_PROTOCOL = "openai-insecure-api-key."
"""A browser cannot set headers of a WebSocket, so its key comes as the name of a subprotocol."""


def router(inference: Inference, settings: SocketSettings) -> Router:
    """The one route."""
    return Router(path="/ai/v1", route_handlers=[_handler(inference, settings)], include_in_schema=False)


def _handler(inference: Inference, settings: SocketSettings) -> WebsocketRouteHandler:
    @websocket("/responses")
    async def converse(socket: WebSocket[Any, Any, Any]) -> None:
        """A conversation: each message is a turn."""
        receive: Any = socket.receive
        send: Any = socket.send
        offered: list[str] = socket.scope["subprotocols"]
        secret = bearer(socket.headers) or _of_a_browser(offered)
        key = None if secret is None else digest(secret)
        if key is None or not inference.knows(key):
            text = "No API key was sent." if secret is None else "Incorrect API key provided."
            await receive()
            await _deny(send, Problem(status=401, message=text, code="invalid_api_key"))
            return
        chosen = [name for name in offered if not name.startswith(KEY_PROTOCOL)]
        await socket.accept(chosen[0] if chosen else None)
        scope: Any = socket.scope
        connection = ResponseConnection(inference, settings, key, scope, receive, send)
        await connection.run()

    return converse


def _of_a_browser(offered: list[str]) -> str | None:
    found = [name[len(KEY_PROTOCOL) :] for name in offered if name.startswith(KEY_PROTOCOL)]
    return found[0] if found else None


async def _deny(send: Any, problem: Problem) -> None:
    """An ordinary answer in place of the upgrade."""
    start: MutableMapping[str, Any] = {
        "type": "websocket.http.response.start",
        "status": problem.status,
        "headers": [(b"content-type", b"application/json")],
    }
    await send(start)
    await send({"type": "websocket.http.response.body", "body": problem.body(), "more_body": False})
