"""Which calls are queued instead of being run at once. Pure."""

from dwctl.gateway.admission import Admission, Caller
from dwctl.gateway.peek import no_flag
from dwctl.gateway.peeked import Peek
from dwctl.gateway.routes import Route
from dwctl.wire.errors import Refused
from dwctl.wire.stateful import QueuedCall

FLEX = "flex"
"""The `service_tier` of calls that may take longer."""


def queued_call(
    route: Route, admission: Admission, peeked: Peek, caller: Caller, body: bytes
) -> QueuedCall | None:
    """The call as the engine takes it; None for one that is run at once whatever it says.

    Only a route that knows the field heeds it; on all others it goes to the upstream as it came. Raises `Refused` for
    what such a route cannot heed.
    """
    if route.background and peeked.background is None:
        raise Refused(no_flag("background"))
    if route.stores and peeked.store is None:
        raise Refused(no_flag("store"))
    flex = route.flex and peeked.tier == FLEX
    background = route.background and peeked.background is True
    if not flex and not background:
        return None
    key = admission.key
    return QueuedCall(
        path=route.path,
        body=body,
        model=admission.model.alias,
        key_id=key.id,
        owner_id=key.owner_id,
        creator_id=key.creator_id,
        flex=flex,
        background=background,
        stream=peeked.stream,
        stored=peeked.store is not False or not route.stores,
        user_agent=caller.user_agent,
        lines=caller.cors,
        ident=None if peeked.expanded is None else peeked.expanded.ident,
        conversation=None if peeked.expanded is None else peeked.expanded.conversation,
    )
