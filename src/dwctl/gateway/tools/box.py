"""Takes calls whose models use tools of the server. Implements `Toolbox`."""

from dwctl.core.metrics import Metrics
from dwctl.gateway.admission import Admission
from dwctl.gateway.aside import Begun, Ways, put_aside
from dwctl.gateway.pipeline import Gateway
from dwctl.gateway.routes import Route
from dwctl.gateway.tools.counts import ToolCounts
from dwctl.gateway.tools.loop import ToolLoop
from dwctl.gateway.tools.offer import offer_of
from dwctl.gateway.tools.rounds import RoundGateway, rounds_of
from dwctl.gateway.tools.settings import ToolSettings
from dwctl.gateway.upstream.client import UpstreamClient
from dwctl.wire.exchange import Exchange


class ToolBox:
    """One for each process."""

    def __init__(self, client: UpstreamClient, settings: ToolSettings, metrics: Metrics) -> None:
        self._client = client
        self._settings = settings
        self._counts = ToolCounts()
        self._rounds: dict[Gateway, RoundGateway] = {}
        metrics.registry.register(self._counts)

    def take(self, ways: Ways, exchange: Exchange, admission: Admission, route: Route, begun: Begun) -> bool:
        """Whether the call has such tools, and is answered from here; raises `Refused`."""
        # What counts tokens has no adapter: it runs nothing.
        if admission.model.tools is None or route.adapter is None or not isinstance(ways, Gateway):
            return False
        caller, _, peeked = begun
        sent = ways.with_context(exchange.body, peeked, admission.key)
        offer = offer_of(sent, admission.model.tools, admission.key.groups)
        if offer is None:
            return False
        if peeked.background or peeked.tier is not None:
            if route.adapter.serves(admission.answering):
                # What cannot be translated is told before it is accepted.
                route.adapter.dialect.request(offer.body)
            if put_aside(ways, exchange, admission, route, sent, caller, peeked):
                return True
        rounds = self._rounds.get(ways)
        if rounds is None:
            rounds = self._rounds[ways] = rounds_of(ways)
        ToolLoop(
            gateway=ways,
            rounds=rounds,
            client=self._client,
            settings=self._settings,
            counts=self._counts,
            exchange=exchange,
            caller=caller,
            peeked=peeked,
            offer=offer,
        ).begin()
        return True
