"""A call's body as one target is sent it, by what its server speaks and how it wants effort to be said. Pure."""

from collections.abc import Iterable

import msgspec

from dwctl.gateway.peeked import Peek
from dwctl.gateway.prepare import request_body, turns
from dwctl.gateway.reasoning import RESPONSES, with_effort
from dwctl.gateway.rendered import Upstream
from dwctl.gateway.routes import Route
from dwctl.routing.snapshot import Target
from dwctl.wire.errors import Refused
from dwctl.wire.splice import Member
from dwctl.wire.translate.back.problems import in_chats
from dwctl.wire.translate.back.request import response_request

_model = Member("model")


def body_for(upstream: Upstream, asked: bytes, peeked: Peek, route: Route) -> tuple[bytes, bool]:
    """The body, and whether the client is not to see the usage; raises `Refused` for what the target cannot do."""
    target = upstream.target
    if upstream.turned:
        body = _model.set(_turned(asked, target), msgspec.json.encode(target.model_name))
        # A response tells its usage by itself.
        return body, peeked.stream and not peeked.includes_usage
    if target.reasoning is not None:
        asked = with_effort(asked, target.reasoning, route.path)
    return request_body(asked, peeked, route, target.model_name)


def check_effort(body: bytes, targets: Iterable[Target], path: str) -> None:
    """Refuse what one of a pool's targets cannot be told of effort, before any of them is asked."""
    for target in targets:
        if target.reasoning is None:
            continue
        if not turns(target, path):
            with_effort(body, target.reasoning, path)
            continue
        try:
            asked = response_request(body)
        except Refused:
            # It is not asked at all; others may be.
            continue
        _with_effort(asked, target, body)


def _turned(asked: bytes, target: Target) -> bytes:
    """A chat as a request that the target's server knows."""
    return _with_effort(response_request(asked), target, asked)


def _with_effort(body: bytes, target: Target, asked: bytes) -> bytes:
    if target.reasoning is None:
        return body
    try:
        return with_effort(body, target.reasoning, RESPONSES)
    except Refused as refusal:
        raise Refused(in_chats(refusal.problem, asked)) from refusal
