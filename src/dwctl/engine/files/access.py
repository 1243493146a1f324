"""Whether the lines of a file may call the models that they name (spec/platform §8.1). Pure."""

from collections.abc import Sequence
from uuid import UUID

from dwctl.core.errors import BadRequest, Forbidden
from dwctl.engine.files.lines import Target
from dwctl.engine.files.store import Access
from dwctl.routing.access import lists, may_use
from dwctl.routing.snapshot import Allowed, Key, Snapshot

EMBEDDINGS = "/v1/embeddings"
_PATHS = {
    "EMBEDDINGS": frozenset({EMBEDDINGS}),
    "RERANKER": frozenset({"/v1/rerank", "/v1/score"}),
}
_OF_ONE_TYPE = frozenset().union(*_PATHS.values())


def check(snapshot: Snapshot, owner_id: UUID, access: Access, targets: Sequence[Target]) -> None:
    """Raise for the first line whose model is out of reach or not called by such a path."""
    caller = Key(
        id="",
        owner_id=str(owner_id),
        creator_id="",
        purpose="batch",
        groups=access.groups,
        allowed=None if access.models is None else Allowed(models=access.models),
    )
    for target in targets:
        model = snapshot.models.get(target.model)
        if model is None or not may_use(caller, model) or not lists(caller, model):
            raise Forbidden(
                f"Line {target.line}: model '{target.model[:200]}' has not been configured or is not available to user"
            )
        paths = _PATHS.get(model.type)
        if target.url not in paths if paths is not None else target.url in _OF_ONE_TYPE:
            expected = "a path for chats" if paths is None else " or ".join(sorted(paths))
            raise BadRequest(
                f"Line {target.line}: url: expected {expected}, for the model '{target.model}' is of the type "
                f"{model.type}; got {target.url}"
            )
