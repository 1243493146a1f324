"""What this process knows of the targets that it calls, whatever snapshot it learned it under. Pure."""

from dwctl.routing.health import Health
from dwctl.routing.snapshot import Target

MAX_KNOWN = 10_000


class Load:
    """How many calls a target has under way, from its choice to the last byte of its answer."""

    __slots__ = ("active",)

    def __init__(self) -> None:
        self.active = 0


class Condition:
    """One target's."""

    __slots__ = ("health", "load")

    def __init__(self) -> None:
        self.load = Load()
        self.health = Health()


class Conditions:
    """By endpoint and upstream model, so that a target keeps what is known of it when the routing state changes."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Condition] = {}

    def of(self, target: Target) -> Condition:
        """The one of a target; made at its first call."""
        place = (target.endpoint_id, target.model_name)
        known = self._known.get(place)
        if known is None:
            if len(self._known) >= MAX_KNOWN:
                self._forget_idle()
            known = self._known[place] = Condition()
        return known

    def _forget_idle(self) -> None:
        self._known = {
            place: known
            for place, known in self._known.items()
            if known.load.active or known.health.until or known.health.failures
        }
