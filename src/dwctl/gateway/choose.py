"""Which targets a call is sent to, in order. Pure."""

from collections.abc import Iterator

from dwctl.routing.snapshot import Model, Target


def targets(model: Model) -> Iterator[Target]:
    """The targets of a model in the order in which they are tried."""
    return iter(model.targets)
