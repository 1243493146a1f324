"""Who may use which model (spec: groups and the Everyone group). Pure."""

from dwctl.routing.snapshot import EVERYONE, Key, Model

INFERENCE_PURPOSES = frozenset({"realtime", "batch", "playground"})
"""Purposes that may call models; `platform` keys administer and may not."""


def may_use(key: Key, model: Model) -> bool:
    """Whether the key's account shares a group with the model, or the model is open to everyone."""
    return EVERYONE in model.groups or not model.groups.isdisjoint(key.groups)


def lists(key: Key, model: Model) -> bool:
    """Whether the key's own list of models, if it has one, has this one."""
    allowed = key.allowed
    return allowed is None or allowed.models is None or model.alias in allowed.models


def may_infer(key: Key, now: float) -> bool:
    """Whether the key may call models at all at this moment (unix seconds)."""
    return key.purpose in INFERENCE_PURPOSES and (key.expires_at is None or key.expires_at > now)
