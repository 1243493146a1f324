"""Which model answers a call: the one asked for, unless its traffic rules say otherwise (spec/gateway A1.6). Pure."""

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
        raise Refused(_denied(model, key))
    target = None if rule.target is None else snapshot.models.get(rule.target)
    if target is None or not target.targets:
        raise Refused(_leads_nowhere(model))
    return target


def _denied(model: Model, key: Key) -> Problem:
    text = f"The model '{model.alias}' takes no calls with keys of the purpose '{key.purpose}'."
    return Problem(status=403, message=text, param="model", code="forbidden")


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
