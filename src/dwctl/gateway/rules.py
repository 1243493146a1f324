"""Which model answers a call: the one asked for, unless its traffic rules say otherwise (spec/gateway A1.6). Pure."""

from dwctl.routing.rules import BATCH, denied
from dwctl.routing.snapshot import Key, Model, Snapshot
from dwctl.wire.errors import Problem, Refused


def answering(snapshot: Snapshot, key: Key, model: Model) -> Model:
    """The model whose targets are called.

    Of a redirect's target neither the access nor the rules are asked: one step, so no chains and no loops.
    """
    rule = None if model.rules is None else model.rules.get(key.purpose)
    if rule is None:
        if not model.targets:
            raise Refused(_empty(model))
        return model
    if not rule.redirect:
        raise Refused(_denied(model, key.purpose))
    target = None if rule.target is None else snapshot.models.get(rule.target)
    if target is None or not target.targets:
        raise Refused(_leads_nowhere(model))
    return target


def pass_later(model: Model) -> None:
    """Raise for a model that will turn the call away when it is run as a batch is."""
    rule = None if model.rules is None else model.rules.get(BATCH)
    if rule is not None and not rule.redirect:
        raise Refused(_denied(model, BATCH))


def _denied(model: Model, purpose: str) -> Problem:
    return Problem(status=403, message=denied(model.alias, purpose), param="model", code="forbidden")


def _empty(model: Model) -> Problem:
    return Problem(
        status=503,
        message=f"There is no model server behind '{model.alias}' at the moment.",
        type="server_error",
        code="service_unavailable",
        headers=((b"retry-after", b"1"),),
    )


def _leads_nowhere(model: Model) -> Problem:
    return Problem(
        status=502,
        message=f"Calls to '{model.alias}' are led to a model that is not there. Please contact your administrator.",
        type="server_error",
        code="upstream_error",
    )
