"""How this process reaches model servers, from its settings: one way for calls, the admin API and the doctor."""

from dwctl.core.dial import Dialer
from dwctl.core.proxies import read_proxies
from dwctl.core.reach import Reach
from dwctl.core.settings import environment
from dwctl.server.settings import Settings


def dialer_of(settings: Settings) -> Dialer:
    """By the settings, and the environment where they leave open which proxies there are."""
    upstream = settings.gateway.upstream
    return Dialer(
        Reach(upstream.networks), proxies=read_proxies(upstream.proxy, upstream.no_proxy, environment())
    )
