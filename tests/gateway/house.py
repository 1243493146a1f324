"""The gateway behind the real port, with a routing state of the test's choosing and a recording in memory."""

import asyncio
import ssl
from collections.abc import Callable
from contextlib import AsyncExitStack
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

import msgspec

from dwctl.core.clock import Clock, SystemClock
from dwctl.core.ids import new_id
from dwctl.core.metrics import Metrics
from dwctl.core.settings import Duration
from dwctl.gateway.funds import Funds
from dwctl.gateway.parts import Parts, parts_of
from dwctl.gateway.pipeline import Gateway
from dwctl.gateway.realtime import Realtime
from dwctl.gateway.settings import GatewaySettings, UpstreamSettings
from dwctl.gateway.tools.box import ToolBox
from dwctl.gateway.tools.client import ToolClient
from dwctl.gateway.tools.settings import ToolSettings
from dwctl.gateway.upstream.client import UpstreamClient
from dwctl.requests.record import Record
from dwctl.routing.limit_book import LimitBook
from dwctl.routing.pool import Strategy, pool_of
from dwctl.routing.snapshot import EVERYONE, Key, Model, Purpose, Routing, Snapshot, Target, Timeouts
from dwctl.server.limits import ListenerSettings
from dwctl.server.listener import Listener
from dwctl.wire.cors import NO_CORS, Cors
from tests.gateway.ledger import Ledger
from tests.gateway.wire import DEADLINE, Answer, Wire

SECRET = "sk-test-0123456789abcdef"
CHAT = "/ai/v1/chat/completions"
MESSAGES = [{"role": "user", "content": "Say hello."}]


def key(purpose: Purpose = "realtime", groups: tuple[str, ...] = (), expires_at: float | None = None) -> Key:
    """A key of a fresh account."""
    return Key(
        id=new_id(),
        owner_id=new_id(),
        creator_id=new_id(),
        purpose=purpose,
        groups=frozenset(groups),
        expires_at=expires_at,
    )


def target(
    url: str,
    model_name: str = "fake-model",
    auth: tuple[str, str] | None = None,
    timeouts: Timeouts | None = None,
    *,
    adapts_responses: bool = False,
) -> Target:
    """One endpoint, whose server knows `/v1/responses` itself unless told otherwise."""
    return Target(
        endpoint_id=new_id(),
        endpoint_name="fake",
        url=url,
        model_name=model_name,
        auth_header=auth,
        timeouts=timeouts,
        adapts_responses=adapts_responses,
    )


def model(alias: str, *targets: Target, groups: tuple[str, ...] = (EVERYONE,)) -> Model:
    """A chat model."""
    return Model(
        id=new_id(),
        alias=alias,
        type="CHAT",
        groups=frozenset(groups),
        targets=targets,
        created=1_700_000_000,
    )


def pool(alias: str, *targets: Target, strategy: Strategy = "priority", **fallback: Any) -> Model:
    """A chat model with several targets, which are tried in their order unless told otherwise."""
    return msgspec.structs.replace(model(alias, *targets), pool=pool_of(strategy, fallback))


def snapshot(keys: dict[str, Key], *models: Model, version: int = 1) -> Snapshot:
    """A routing state; keys by their secret."""
    digests = {sha256(secret.encode()).digest(): known for secret, known in keys.items()}
    return Snapshot(version=version, keys=digests, models={known.alias: known for known in models})


class House:
    """Everything, running."""

    def __init__(
        self,
        *models: Model,
        keys: dict[str, Key] | None = None,
        settings: GatewaySettings | None = None,
        tls: ssl.SSLContext | None = None,
        max_record_bytes: int = 1 << 20,
        listener: ListenerSettings | None = None,
        cors: Cors = NO_CORS,
        limits: LimitBook | None = None,
        funds: Funds | None = None,
        strict: bool = False,
        application: Any = None,
        max_body_bytes: int = 32 << 20,
        uploads_folder: Path | None = None,
        gateway: Callable[[Parts], Gateway] = Gateway,
        clock: Clock | None = None,
        tools: ToolSettings | None = None,
    ) -> None:
        settings = settings or GatewaySettings()
        self.ledger = Ledger()
        self.metrics = Metrics()
        self.routing = Routing(snapshot({SECRET: key()} if keys is None else keys, *models))
        self.client = UpstreamClient(settings.upstream, sweep_every=0.02, tls=tls)
        parts = parts_of(
            routing=self.routing,
            recording=self.ledger,
            client=self.client,
            settings=settings,
            clock=clock or SystemClock(),
            metrics=self.metrics,
            daemon_id=new_id(),
            max_record_bytes=max_record_bytes,
            cors=cors,
            limits=limits,
            funds=funds,
            strict=strict,
            max_body_bytes=max_body_bytes,
            uploads_folder=uploads_folder,
        )
        self.gateway = gateway(parts)
        self.tool_client = ToolClient(settings.upstream, sweep_every=0.02)
        self.gateway.tools = ToolBox(self.tool_client, tools or ToolSettings(), self.metrics)
        self.listener = Listener(
            host="127.0.0.1",
            port=0,
            settings=listener or ListenerSettings(drain=Duration(0.2)),
            handler=self.gateway,
            application=application or no_application,
            metrics=self.metrics,
            upgrades=Realtime(
                calls=self.gateway,
                routing=self.routing,
                client=self.client,
                settings=settings,
                daemon_id=new_id(),
                cors=cors,
            ),
        )
        self.port = 0
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self.client.start()
        await self.tool_client.start()
        await self.listener.start()
        self.port = int(self.listener.address.rpartition(":")[2])
        tasks = await self._stack.enter_async_context(asyncio.TaskGroup())
        for client in (self.client, self.tool_client):
            self._stack.callback(tasks.create_task(client.run()).cancel)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.listener.stop()
        await self.client.stop()
        await self.tool_client.stop()
        await self._stack.aclose()

    def wire(self) -> Wire:
        """A connection of a client."""
        return Wire("127.0.0.1", self.port)

    async def call(
        self, body: dict[str, Any] | bytes, path: str = CHAT, headers: dict[str, str] | None = None
    ) -> Answer:
        """One call on a connection of its own."""
        async with self.wire() as wire:
            wire.send(path, encoded(body), {**bearer(), **(headers or {})})
            return await wire.answer()

    async def get(self, path: str, headers: dict[str, str] | None = None) -> Answer:
        """One GET."""
        async with self.wire() as wire:
            wire.send(path, headers=bearer() if headers is None else headers)
            return await wire.answer()

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until something holds."""
        try:
            async with asyncio.timeout(DEADLINE):
                while not condition():
                    await asyncio.sleep(0.005)
        except TimeoutError:
            raise AssertionError(f"waited in vain until {what}") from None

    async def recorded(self, count: int = 1) -> Record:
        """The last of so many records."""
        await self.until(lambda: len(self.ledger.finished) >= count, f"{count} calls are recorded")
        assert len(self.ledger.finished) == count
        return self.ledger.finished[-1][0]


def bearer(secret: str = SECRET) -> dict[str, str]:
    """The headers of a client."""
    return {"authorization": f"Bearer {secret}", "content-type": "application/json"}


def encoded(body: dict[str, Any] | bytes) -> bytes:
    """JSON, unless it is bytes already."""
    return body if isinstance(body, bytes) else msgspec.json.encode(body)


def chat(alias: str = "m", **more: Any) -> dict[str, Any]:
    """A chat request."""
    return {"model": alias, "messages": MESSAGES, **more}


def upstream_settings(**values: Any) -> GatewaySettings:
    """Settings with other limits."""
    return GatewaySettings(upstream=UpstreamSettings(**values))


async def no_application(scope: Any, receive: Any, send: Any) -> None:
    """What is not the gateway's is answered with 404 here."""
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b""})
