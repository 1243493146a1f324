"""How this process reaches model servers, from its settings: one way for calls, the admin API and the doctor."""

from dwctl.core.dial import Dialer
from dwctl.core.reach import Reach
from dwctl.server.settings import Settings


def dialer_of(settings: Settings) -> Dialer:
    """By the settings."""
    return Dialer(Reach(settings.gateway.upstream.networks))
