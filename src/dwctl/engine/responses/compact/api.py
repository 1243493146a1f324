"""Its route."""

from typing import Any

from litestar import Request, Response, Router, post
from litestar.handlers import HTTPRouteHandler

from dwctl.engine.responses.actions import ResponseActions
from dwctl.engine.responses.compact.actions import Compacting, Reply
from dwctl.web.peer import peer_of
from dwctl.wire.errors import Refused

_NOT_OURS = frozenset({b"content-length", b"transfer-encoding", b"connection", b"date"})


def router(actions: ResponseActions, compacting: Compacting, *, max_body_bytes: int) -> Router:
    """The one route."""
    return Router(
        path="/ai/v1",
        route_handlers=[_handler(actions, compacting, max_body_bytes)],
        include_in_schema=False,
    )


def _handler(actions: ResponseActions, compacting: Compacting, most: int) -> HTTPRouteHandler:
    @post("/responses/compact", status_code=200, request_max_body_size=most)
    async def compact_response(request: Request[Any, Any, Any]) -> Response[bytes]:
        """Sum up a conversation."""
        key, digest = await actions.caller(request.headers, peer_of(request))
        body = await request.body()
        receive: Any = request.receive
        try:
            reply = await compacting.compact(key, digest, body, request.scope, receive)
        except Refused as refusal:
            problem = refusal.problem
            reply = Reply(problem.status, [(b"content-type", b"application/json")], problem.body())
        headers = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in reply.headers
            if name.lower() not in _NOT_OURS
        }
        kind = headers.pop("content-type", "application/json")
        return Response(reply.body, status_code=reply.status, media_type=kind, headers=headers)

    return compact_response
