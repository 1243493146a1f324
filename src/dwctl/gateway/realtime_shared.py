"""What all realtime sessions of a process share: who may open one, its row, the way to its model server."""

import asyncio
import ssl

import msgspec

from dwctl.core.ids import new_id
from dwctl.core.reach import NotAllowed
from dwctl.core.services import TaskSet
from dwctl.gateway.admission import Admission, Caller
from dwctl.gateway.admit import admit
from dwctl.gateway.failures import busy, not_recorded
from dwctl.gateway.peek import Peeker
from dwctl.gateway.realtime_calls import Calls
from dwctl.gateway.rendered import Upstream
from dwctl.gateway.routes import PREFIX, IdStyle, Route
from dwctl.gateway.settings import GatewaySettings
from dwctl.gateway.upstream.client import UpstreamClient
from dwctl.gateway.upstream.connection import Failure
from dwctl.gateway.upstream.tunnel import TunnelConnection
from dwctl.requests.record import Record
from dwctl.routing.snapshot import Key, Routing
from dwctl.usage.budgets.windows import Purse, purses
from dwctl.wire.cors import NO_CORS, Cors
from dwctl.wire.errors import Problem, Refused
from dwctl.wire.exchange import Exchange

ROUTE = Route(path="/v1/realtime", id_style=IdStyle.HEADER_ONLY, forces_usage=False)
PATH = PREFIX + ROUTE.path.encode()


class Shared:
    """One for each process."""

    def __init__(
        self,
        *,
        calls: Calls,
        routing: Routing,
        client: UpstreamClient,
        settings: GatewaySettings,
        daemon_id: str,
        cors: Cors = NO_CORS,
    ) -> None:
        self.calls = calls
        self.settings = settings
        self.client = client
        self.tasks = TaskSet()
        self.sessions = 0
        """How many are open or being opened."""
        self.cors = cors
        self._routing = routing
        self._daemon_id = daemon_id
        self._peeker = Peeker()

    def admit(self, exchange: Exchange, caller: Caller, model: str | None) -> Admission:
        """By the same rules as every call; raises `Refused`."""
        snapshot = self._routing.snapshot
        key = self.calls.key(snapshot, exchange, caller)
        if model is None and caller.override is None:
            text = "Missing required parameter: 'model'. Send it in the query."
            raise Refused(Problem(status=400, message=text, param="model", code="missing_required_parameter"))
        peeked = self._peeker.peek(msgspec.json.encode({"model": model}))
        admission = admit(snapshot, key, caller, peeked)
        if self.calls.recording.refusal is not None:
            raise Refused(not_recorded(self.calls.recording.refusal))
        if self.sessions >= self.settings.realtime.max_sessions:
            raise Refused(busy(f"{self.sessions} realtime sessions are open already."))
        return admission

    def purses(self, key: Key, digest: bytes | None, began: float) -> tuple[Purse, ...]:
        """Pockets beside credit for the next response of a session that was admitted then, with this key.

        Budgets are those of now, and periods those that the session began in, as its charges are counted.
        """
        known = key if digest is None else self._routing.snapshot.keys.get(digest, key)
        return () if known.budgets is None else purses(known.budgets.all, began)

    def record(self, admission: Admission, caller: Caller, now: float) -> Record:
        """A session's row at its start, in unix seconds."""
        key = admission.key
        return Record(
            id=new_id(),
            created_at=now,
            path=ROUTE.path,
            model=admission.model.alias,
            owner_id=key.owner_id,
            creator_id=key.creator_id,
            key_id=key.id,
            daemon_id=self._daemon_id,
            stream=True,
            purpose=key.purpose,
            user_agent=caller.user_agent,
            tariff_id=None if admission.tariff is None else admission.tariff.id,
        )

    async def connect(
        self, upstream: Upstream, far: TunnelConnection, answered: asyncio.Event
    ) -> tuple[Failure, str] | None:
        """Call the model server and wait until it has answered the opening; gives why it has not."""
        settings, own = self.settings.upstream, upstream.target.timeouts
        connect = (own and own.connect) or settings.connect_timeout
        first_byte = (own and own.first_byte) or settings.first_byte_timeout
        try:
            await self.client.open(upstream.address, lambda: far, connect)
        except TimeoutError:
            return Failure.CONNECT_TIMEOUT, ""
        except NotAllowed as error:
            return Failure.NOT_ALLOWED, str(error)
        except ssl.SSLError as error:
            return Failure.UNREACHABLE, f"TLS: {error}"
        except (OSError, ValueError) as error:
            return Failure.UNREACHABLE, getattr(error, "strerror", None) or str(error)
        try:
            async with asyncio.timeout(first_byte):
                await answered.wait()
        except TimeoutError:
            return Failure.FIRST_BYTE_TIMEOUT, ""
        return None
