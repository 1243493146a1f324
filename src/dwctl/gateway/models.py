"""`GET /ai/v1/models` and `/ai/v1/models/{id}` (spec/gateway A1.5, spec/wire-api §2.3): what a key can reach.

A client that names a version of Anthropic's API gets that API's shapes.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import unquote

import msgspec

from dwctl.core.ids import new_id
from dwctl.gateway.admission import Caller
from dwctl.gateway.admit import unknown_model
from dwctl.gateway.caller import caller_of
from dwctl.gateway.reply import page_of
from dwctl.routing.access import lists, may_use
from dwctl.routing.snapshot import Key, Model, Snapshot
from dwctl.wire.cors import Cors
from dwctl.wire.errors import Refused
from dwctl.wire.exchange import Exchange
from dwctl.wire.messages.problems import in_messages

PATH = b"/ai/v1/models"
ANTHROPIC = b"anthropic-version"
"""The header by which that API's clients are known."""
MAX_LISTS = 1000
"""Rendered lists kept: one for each set of groups and of models that a key of this snapshot has asked with, in each
shape."""


class ModelPages:
    """Renders the answers; a list is rendered once for a snapshot and a set of groups."""

    __slots__ = ("_lists", "_version")

    def __init__(self) -> None:
        self._version = -1
        self._lists: dict[tuple[frozenset[str], frozenset[str] | None, bool], bytes] = {}

    def answer(
        self,
        snapshot: Snapshot,
        exchange: Exchange,
        cors: Cors,
        key_of: Callable[[Snapshot, Exchange, Caller], Key],
    ) -> bytes:
        """A whole answer; raises `Refused`, in the words of the client's API."""
        anthropic = exchange.header(ANTHROPIC) is not None
        try:
            caller = caller_of(exchange, cors)
            key = key_of(snapshot, exchange, caller)
            body = self.page(snapshot, key, exchange.path, anthropic=anthropic)
        except Refused as refusal:
            raise Refused(in_messages(refusal.problem) if anthropic else refusal.problem) from refusal
        return page_of(exchange, b"x-request-id: %b\r\n%b" % (new_id().encode(), caller.cors), body)

    def page(self, snapshot: Snapshot, key: Key, path: bytes, *, anthropic: bool = False) -> bytes:
        """The JSON for a path; raises `Refused` with 404 for a model that is not there for this key."""
        name = unquote(path[len(PATH) + 1 :].decode("utf-8", "replace"))
        if not name:
            return self._list(snapshot, key, anthropic=anthropic)
        model = snapshot.models.get(name)
        if model is None or not may_use(key, model) or not lists(key, model):
            raise Refused(unknown_model(name))
        return msgspec.json.encode(_shown_to_anthropic(model) if anthropic else _shown(model))

    def _list(self, snapshot: Snapshot, key: Key, *, anthropic: bool) -> bytes:
        if snapshot.version != self._version or len(self._lists) >= MAX_LISTS:
            self._version = snapshot.version
            self._lists = {}
        place = (key.groups, None if key.allowed is None else key.allowed.models, anthropic)
        known = self._lists.get(place)
        if known is None:
            usable = [
                model for model in snapshot.models.values() if may_use(key, model) and lists(key, model)
            ]
            usable.sort(key=lambda model: model.alias)
            known = self._lists[place] = msgspec.json.encode(
                _anthropic(usable) if anthropic else _openai(usable)
            )
        return known


def claims(path: bytes) -> bool:
    """Whether a path is the list's or a model's; a model's id may contain slashes."""
    return path == PATH or path.startswith(PATH + b"/")


def _openai(models: list[Model]) -> dict[str, object]:
    return {"object": "list", "data": [_shown(model) for model in models]}


def _shown(model: Model) -> dict[str, object]:
    owner = model.targets[0].endpoint_name if model.targets else "dwctl"
    return {"id": model.alias, "object": "model", "created": model.created, "owned_by": owner}


def _anthropic(models: list[Model]) -> dict[str, object]:
    """All on one page, whatever page was asked for."""
    return {
        "data": [_shown_to_anthropic(model) for model in models],
        "has_more": False,
        "first_id": models[0].alias if models else None,
        "last_id": models[-1].alias if models else None,
    }


def _shown_to_anthropic(model: Model) -> dict[str, object]:
    created = datetime.fromtimestamp(model.created, UTC)
    return {"type": "model", "id": model.alias, "display_name": model.alias, "created_at": created}
