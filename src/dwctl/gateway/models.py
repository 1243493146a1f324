"""`GET /ai/v1/models` and `/ai/v1/models/{id}` (spec/gateway A1.5, spec/wire-api §2.3): what a key can reach."""

from urllib.parse import unquote

import msgspec

from dwctl.gateway.admit import unknown_model
from dwctl.routing.access import lists, may_use
from dwctl.routing.snapshot import Key, Model, Snapshot
from dwctl.wire.errors import Refused

PATH = b"/ai/v1/models"
MAX_LISTS = 1000
"""Rendered lists kept: one for each set of groups and of models that a key of this snapshot has asked with."""


class ModelPages:
    """Renders the answers; a list is rendered once for a snapshot and a set of groups."""

    __slots__ = ("_lists", "_version")

    def __init__(self) -> None:
        self._version = -1
        self._lists: dict[tuple[frozenset[str], frozenset[str] | None], bytes] = {}

    def page(self, snapshot: Snapshot, key: Key, path: bytes) -> bytes:
        """The JSON for a path; raises `Refused` with 404 for a model that is not there for this key."""
        name = unquote(path[len(PATH) + 1 :].decode("utf-8", "replace"))
        if not name:
            return self._list(snapshot, key)
        model = snapshot.models.get(name)
        if model is None or not may_use(key, model) or not lists(key, model):
            raise Refused(unknown_model(name))
        return msgspec.json.encode(_shown(model))

    def _list(self, snapshot: Snapshot, key: Key) -> bytes:
        if snapshot.version != self._version or len(self._lists) >= MAX_LISTS:
            self._version = snapshot.version
            self._lists = {}
        place = (key.groups, None if key.allowed is None else key.allowed.models)
        known = self._lists.get(place)
        if known is None:
            usable = [
                model for model in snapshot.models.values() if may_use(key, model) and lists(key, model)
            ]
            usable.sort(key=lambda model: model.alias)
            known = msgspec.json.encode({"object": "list", "data": [_shown(model) for model in usable]})
            self._lists[place] = known
        return known


def claims(path: bytes) -> bool:
    """Whether a path is the list's or a model's; a model's id may contain slashes."""
    return path == PATH or path.startswith(PATH + b"/")


def _shown(model: Model) -> dict[str, object]:
    owner = model.targets[0].endpoint_name if model.targets else "dwctl"
    return {"id": model.alias, "object": "model", "created": model.created, "owned_by": owner}
