"""The control plane on a fresh database, and people who call it."""

import itertools
import os
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import httpx
import msgspec
from litestar import Litestar

from dwctl.control.app import build_app
from dwctl.control.components.structs import ComponentCreate
from dwctl.control.endpoints.structs import EndpointCreate
from dwctl.control.groups.store import GroupStore
from dwctl.control.groups.structs import GroupCreate
from dwctl.control.keys.structs import KeyCreate
from dwctl.control.models.structs import ModelCreate
from dwctl.control.organizations.structs import OrganizationCreate
from dwctl.control.plane import Plane, build_plane
from dwctl.control.tools.structs import ToolSourceCreate
from dwctl.control.users.store import UserStore
from dwctl.control.users.structs import UserCreate
from dwctl.core.clock import SystemClock
from dwctl.core.dial import Dialer
from dwctl.core.ids import moment_of, new_id, new_uuid
from dwctl.core.metrics import Metrics
from dwctl.core.networks import Networks, parse_network
from dwctl.core.seal import Seal
from dwctl.db.listen import Listener
from dwctl.db.postgres import Database
from dwctl.engine.batches.actions import BatchActions
from dwctl.engine.batches.api import router as batches_router
from dwctl.engine.batches.creation import Creation
from dwctl.engine.batches.store import BatchStore
from dwctl.engine.conversations.api import router as conversations_router
from dwctl.engine.conversations.store import ConversationStore
from dwctl.engine.daemons.actions import DaemonActions
from dwctl.engine.daemons.api import router as daemons_router
from dwctl.engine.daemons.store import DaemonStore
from dwctl.engine.files.actions import FileActions
from dwctl.engine.files.api import router as files_router
from dwctl.engine.files.settings import FileLimits
from dwctl.engine.files.store import FileStore
from dwctl.engine.files.upload import Uploads
from dwctl.engine.responses.actions import ResponseActions
from dwctl.engine.responses.api import router as responses_router
from dwctl.engine.responses.callers import Callers
from dwctl.engine.responses.compact.actions import Compacting
from dwctl.engine.responses.compact.api import router as compact_router
from dwctl.engine.responses.settings import ContextSettings
from dwctl.engine.settings import BatchSettings
from dwctl.gateway.parts import parts_of
from dwctl.gateway.pipeline import Gateway
from dwctl.gateway.settings import GatewaySettings
from dwctl.gateway.upstream.client import UpstreamClient
from dwctl.identity.attempts import WINDOW
from dwctl.identity.principal import NIL, Principal, Role
from dwctl.identity.secrets import Passwords
from dwctl.identity.sessions import Sessions
from dwctl.identity.settings import AuthSettings, NativeSettings, PasswordSettings
from dwctl.requests.endings import Endings
from dwctl.requests.frames import Kind, entry_of
from dwctl.requests.queue.store import QueueStore
from dwctl.requests.record import Record, State
from dwctl.requests.singles.store import SingleStore
from dwctl.requests.store import RequestStore
from dwctl.requests.writer import Committer
from dwctl.routing.change import Propagation
from dwctl.routing.hidden_keys.store import HiddenKeys
from dwctl.routing.snapshot import Routing
from dwctl.routing.store import RoutingStore
from dwctl.routing.sync import RoutingSync
from dwctl.server.contexts import contexts_of
from dwctl.server.inner_calls import InnerCalls
from dwctl.server.settings import Settings, config_of
from dwctl.server.streams import streams_of
from dwctl.usage.ledger import Booking, LedgerStore
from dwctl.usage.settings import NO_CREDIT, CreditSettings
from dwctl.wire.compaction import Compactions
from tests.gateway.ledger import Ledger

SECRET = "a secret key for tests, 32 bytes and more"
ADMIN = "/admin/api/v1"
# The cheapest hash: how dear it is belongs to the settings, not to these tests.
CHEAP = PasswordSettings(argon2_memory_kib=8, argon2_iterations=1)
DEAD_AFTER = 30.0
CHEAP_AUTH = AuthSettings(native=NativeSettings(password=CHEAP))
USUAL_BATCHES = BatchSettings()


class Person(msgspec.Struct, frozen=True):
    """An account and the headers of its session."""

    id: UUID
    email: str
    headers: dict[str, str]
    principal: Principal


def idle_sync(database: Database, seal: Seal) -> RoutingSync:
    """A sync that does not run: nobody waits for it."""
    return RoutingSync(
        routing=Routing(),
        store=RoutingStore(database, seal),
        clock=SystemClock(),
        fallback_seconds=10,
    )


def calls(routing: Routing) -> InnerCalls:
    """The gateway as the control plane has it; no model server is ever called from here."""
    settings = GatewaySettings()
    parts = parts_of(
        routing=routing,
        recording=Ledger(),
        client=UpstreamClient(settings.upstream),
        settings=settings,
        clock=SystemClock(),
        metrics=Metrics(),
        daemon_id=str(UUID(int=1)),
        max_record_bytes=1 << 20,
    )
    return InnerCalls(Gateway(parts), routing, max_body_bytes=1 << 20)


async def _well() -> str | None:
    return None


async def _up() -> bytes:
    return b"up 1\n"


class Settled:
    """Everything that was recorded is in the database."""

    async def flush(self) -> bool:
        """Nothing is left to do."""
        return True


class LaterClock(SystemClock):
    """The system's clock, but that what is measured in seconds can be made to lie far in the past."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def monotonic(self) -> float:
        """Seconds from an arbitrary moment, which is put off."""
        return super().monotonic() + self._ahead

    def skip(self) -> None:
        """All that is counted for a while counts no more."""
        self._ahead += 2 * WINDOW


class Built(msgspec.Struct):
    """A plane and its application, which take long to build, and for which database they were last used."""

    database: Database
    dsn: str
    clock: LaterClock
    plane: Plane
    app: Litestar


class Houses:
    """The usual application, built once in a process.

    It keeps nothing between two tests but tries of passwords, which the clock makes old: the rest is in the database,
    and `Database` is opened for each test on another. The fixture `house` and `House(database)` take it from here.
    """

    def __init__(self) -> None:
        self._usual: Built | None = None

    def usual(self, database: Database) -> Built:
        """With the usual settings; a second one on the same database is another one."""
        built = self._usual
        if built is None or built.database is not database or built.dsn == database.dsn:
            built = build(database, CHEAP_AUTH)
            if self._usual is None or self._usual.database is not database:
                self._usual = built
            return built
        built.dsn = database.dsn
        built.clock.skip()
        return built


def build(
    database: Database,
    settings: AuthSettings,
    propagation: Propagation | None = None,
    proxies: Iterable[str] = (),
    dialer: Dialer | None = None,
    credit: CreditSettings = NO_CREDIT,
    batches: BatchSettings = USUAL_BATCHES,
) -> Built:
    """A plane and its application."""
    clock = LaterClock()
    seal = Seal(SECRET)
    propagation = propagation or idle_sync(database, seal)
    plane = build_plane(
        database=database,
        settings=settings,
        secret_key=SECRET,
        seal=seal,
        clock=clock,
        propagation=propagation,
        proxies=Networks(map(parse_network, proxies)),
        recorded=Settled(),
        dialer=dialer,
        credit=credit,
        windows=batches.allowed_completion_windows,
    )
    routing = Routing()
    file_store = FileStore(database)
    uploads = Uploads(
        store=file_store,
        routing=routing,
        daemon_id=NIL,
        batches=BatchSettings(),
        limits=FileLimits(),
        max_body_bytes=1 << 20,
    )
    files = FileActions(file_store, uploads, routing)
    store = BatchStore(database)
    creation = Creation(store, HiddenKeys(database, propagation, "batch"), batches)
    actions = BatchActions(store, creation, QueueStore(database), clock)
    inner = calls(Routing())
    streams = streams_of(
        database, Listener(database.dsn), Metrics(), NIL, most=0, keep_alive=0, connections=10
    )
    responses = ResponseActions(
        RequestStore(database),
        SingleStore(database),
        Callers(plane.identity, plane.authenticator, Networks(map(parse_network, proxies)), ()),
        Settled(),
        Endings(),
        streams.streams,
        streams.reading,
    )
    contexts = contexts_of(ContextSettings(), database, Settled())
    app = build_app(
        plane=plane,
        config=config_of(Settings(batches=batches)),
        cors=settings.security.cors,
        version="1.2.3",
        checks={"database": _well},
        metrics=_up,
        ai_routes=[
            responses_router(responses),
            compact_router(
                responses,
                Compacting(contexts.history, inner, Compactions(SECRET), clock),
                max_body_bytes=1 << 20,
            ),
            files_router(files, plane.authenticator, settings.security.cors.allowed_origins),
            batches_router(actions, plane.authenticator, settings.security.cors.allowed_origins),
            conversations_router(
                contexts.conversations,
                plane.authenticator,
                settings.security.cors.allowed_origins,
            ),
            daemons_router(
                DaemonActions(DaemonStore(database), DEAD_AFTER),
                plane.authenticator,
                settings.security.cors.allowed_origins,
            ),
        ],
        inference=inner,
    )
    return Built(database, database.dsn, clock, plane, app)


_HOUSES = Houses()


class House:
    """Everything in one place."""

    def __init__(
        self,
        database: Database,
        settings: AuthSettings = CHEAP_AUTH,
        propagation: Propagation | None = None,
        proxies: Sequence[str] = (),
        dialer: Dialer | None = None,
        credit: CreditSettings = NO_CREDIT,
        batches: BatchSettings = USUAL_BATCHES,
    ) -> None:
        usual = settings is CHEAP_AUTH and credit is NO_CREDIT and propagation is None and dialer is None
        if usual and not proxies and batches is USUAL_BATCHES:
            built = _HOUSES.usual(database)
        else:
            built = build(database, settings, propagation, proxies, dialer, credit, batches)
        self.database = database
        self.settings = settings
        self.plane = built.plane
        self.app = built.app
        self._sessions = Sessions(SECRET, 3600, built.clock)
        self._users = UserStore(database)
        self._groups = GroupStore(database)
        self.routing = RoutingStore(database, Seal(SECRET))
        self._numbers = itertools.count(1)
        self._committer = Committer(database, Path(os.devnull), Metrics())
        self.ledger = LedgerStore(database)

    def number(self) -> int:
        """A fresh one, for names."""
        return next(self._numbers)

    async def person(self, *roles: Role, is_admin: bool = False, password: str | None = None) -> Person:
        """A new account."""
        name = f"person-{self.number()}"
        hashed = None if password is None else await Passwords(CHEAP).hash(password)
        wanted = UserCreate(username=name, email=f"{name}@example.com", roles=list(roles))
        user_id = await self._users.create(wanted, password_hash=hashed, is_admin=is_admin)
        cookie = f"{self.settings.native.session.cookie_name}={self._sessions.sign(user_id)}"
        principal = Principal(user_id=user_id, email=wanted.email, roles=frozenset(roles), is_admin=is_admin)
        return Person(user_id, wanted.email, {"cookie": cookie}, principal)

    async def admin(self) -> Person:
        """A new administrator."""
        return await self.person(is_admin=True)

    async def manager(self) -> Person:
        """A new manager."""
        return await self.person("PlatformManager")

    async def key(self, person: Person, purpose: str = "realtime") -> tuple[UUID, dict[str, str]]:
        """A new key of a person, and the headers that carry it."""
        wanted = KeyCreate(name=f"key-{self.number()}", purpose=purpose)
        key = await self.plane.keys.create(person.principal, person.id, wanted)
        return key.id, {"authorization": f"Bearer {key.key}"}

    async def hidden_key(self, person: Person, purpose: Literal["batch", "playground"] = "batch") -> UUID:
        """The key that a person's session calls with."""
        keys = HiddenKeys(self.database, idle_sync(self.database, Seal(SECRET)), purpose)
        return (await keys.key(person.id, person.id)).id

    async def endpoint(self, url: str, *models: str, open_to: UUID | None = None) -> UUID:
        """A new endpoint with models, without asking the server."""
        wanted = EndpointCreate(
            name=f"endpoint-{self.number()}", url=url, skip_fetch=True, model_filter=list(models) or None
        )
        wanted.sync = bool(models)
        return await self.plane.endpoints.add(UUID(int=0), wanted, open_to)

    async def group(self, *members: Person, models: Iterable[UUID] = ()) -> UUID:
        """A new group with members and models."""
        wanted = GroupCreate(name=f"group-{self.number()}")
        group_id = (await self._groups.create(wanted, UUID(int=0))).id
        for person in members:
            await self._groups.add_user(person.id, group_id)
        for model_id in models:
            await self._groups.add_model(model_id, group_id, UUID(int=0))
        return group_id

    async def tool_source(self) -> UUID:
        """A new tool source that nobody has."""
        wanted = ToolSourceCreate(name=f"tool_{self.number()}", url="http://127.0.0.1:9/tool")
        return (await self.plane.tools.create((await self.manager()).principal, wanted)).id

    async def organization(self, owner: Person) -> UUID:
        """A new organization of a person's."""
        name = f"organization-{self.number()}"
        wanted = OrganizationCreate(name=name, email=f"{name}@example.org")
        return (await self.plane.organizations.create(owner.principal, wanted)).id

    async def routed(self) -> set[str]:
        """Ids of the keys and models that the gateway reads at this moment."""
        store = self.routing
        models, _ = await store.models()
        found = {model.id for model in models}
        async for chunk in store.keys():
            found.update(key.id for _, key in chunk)
        return found

    async def request(
        self, person: Person, key_id: UUID, *, bodies: tuple[bytes, bytes] = (b"{}", b"{}"), **fields: Any
    ) -> UUID:
        """A recorded call of a person's key, with these fields of the record: completed, or in the state given."""
        ident = UUID(str(fields.pop("id", None) or new_id()))
        record = Record(
            id=str(ident),
            created_at=moment_of(ident) / 1000,
            path="/v1/chat/completions",
            model="m",
            owner_id=str(person.id),
            creator_id=str(person.id),
            key_id=str(key_id),
            daemon_id=str(NIL),
        )
        record = msgspec.structs.replace(record, **fields)
        entries = [entry_of(Kind.STARTED, msgspec.json.encode(record), bodies[0])]
        if "state" not in fields:
            ended = {"state": State.COMPLETED, "status_code": 200, "duration_ms": 12.5, **fields}
            ended["completed_at"] = record.created_at + ended["duration_ms"] / 1000
            record = msgspec.structs.replace(record, **ended)
            entries.append(entry_of(Kind.FINISHED, msgspec.json.encode(record), bodies[1]))
        await self._committer.commit(entries)
        return UUID(record.id)

    async def file(self, person: Person, *, name: str = "a.txt") -> UUID:
        """A file of a person's, with nothing in it."""
        ident = new_uuid()
        await self.database.execute(
            "insert into files (id, name, purpose, owner_id, creator_id) values ($1, $2, 'user_data', $3, $3)",
            ident,
            name,
            person.id,
        )
        return ident

    async def conversation(self, person: Person) -> tuple[UUID, str]:
        """A conversation of a person's with one item, and the item's id."""
        ident, item = new_uuid(), f"msg_{new_uuid()}"
        value = msgspec.json.encode({"id": item, "type": "message", "role": "user", "content": "Hi"})
        store = ConversationStore(self.database)
        await store.create(ident, person.id, person.id, {}, [(item, value)])
        return ident, item

    async def grant(self, person: Person, amount: str) -> UUID:
        """Credit for a person."""
        booked = await self.ledger.book(
            Booking(
                kind="admin_grant",
                account_id=person.id,
                amount=Decimal(amount),
                source_id=f"grant-{self.number()}",
            )
        )
        assert booked is not None
        return booked.id

    async def model(self, alias: str) -> UUID:
        """Id of a live model."""
        found: UUID = await self.database.fetch_value(
            "select id from models where alias = $1 and deleted_at is null", alias
        )
        return found

    async def composite(self, alias: str, *components: UUID) -> UUID:
        """A new composite model."""
        manager = (await self.manager()).principal
        wanted = ModelCreate(type="composite", model_name=alias)
        made = await self.plane.models.create(manager, wanted)
        for component_id in components:
            await self.plane.components.add(manager, made.id, component_id, ComponentCreate())
        return made.id

    async def call(
        self,
        method: str,
        path: str,
        who: Person | dict[str, str] | None = None,
        body: Any = None,
        *,
        headers: dict[str, str] | None = None,
        content: bytes | None = None,
        form: dict[str, Any] | None = None,
        base: str = "http://dwctl.test",
    ) -> httpx.Response:
        """One request on its own, so that no cookie is left over."""
        given = who.headers if isinstance(who, Person) else who or {}
        application: Any = self.app
        transport = httpx.ASGITransport(application)
        async with httpx.AsyncClient(transport=transport, base_url=base) as client:
            return await client.request(
                method,
                path,
                json=body,
                content=content,
                files=form,
                headers={**given, **(headers or {})},
            )

    async def api(
        self, method: str, path: str, who: Person | dict[str, str] | None = None, body: Any = None
    ) -> httpx.Response:
        """A call of the admin API."""
        return await self.call(method, ADMIN + path, who, body)
