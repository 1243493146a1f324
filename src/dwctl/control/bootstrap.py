"""What a start sets up beyond the schema: the administrator, an imported server, a first key.

Each step is repeatable, so a start that is killed in the middle is completed by the next one. A password is set
only for an administrator who has none.
"""

from urllib.parse import urlsplit
from uuid import UUID

import msgspec

from dwctl.control.endpoints.actions import EndpointActions
from dwctl.control.endpoints.discovery import normal_url
from dwctl.control.endpoints.store import EndpointStore
from dwctl.control.endpoints.structs import EndpointCreate, EndpointUpdate
from dwctl.control.keys.store import KeyStore
from dwctl.control.keys.structs import KeyCreate
from dwctl.control.models.store import Filter, ModelStore
from dwctl.control.users.store import UserStore
from dwctl.control.users.structs import UserCreate
from dwctl.core.clock import Clock
from dwctl.core.errors import Conflict
from dwctl.core.ids import new_uuid
from dwctl.identity.principal import NIL, STANDARD, Principal
from dwctl.identity.secrets import Passwords, new_key, new_password
from dwctl.identity.store import IdentityStore
from dwctl.routing.change import Propagation
from dwctl.web.paging import Window

FIRST_KEY = "first key"
_EVERYTHING = Window(0, 1_000_000)


class Administrator(msgspec.Struct, frozen=True):
    """The administrator's account."""

    id: UUID
    has_password: bool


class Import(msgspec.Struct, frozen=True, kw_only=True):
    """A server's models, open to everyone."""

    url: str
    models: tuple[str, ...]
    chat_model: str | None


class Bootstrap:
    """The steps."""

    def __init__(
        self,
        *,
        identity: IdentityStore,
        users: UserStore,
        endpoints: EndpointActions,
        endpoint_store: EndpointStore,
        models: ModelStore,
        keys: KeyStore,
        passwords: Passwords,
        propagation: Propagation,
        clock: Clock,
    ) -> None:
        self._identity = identity
        self._users = users
        self._endpoints = endpoints
        self._endpoint_store = endpoint_store
        self._models = models
        self._keys = keys
        self._passwords = passwords
        self._propagation = propagation
        self._clock = clock

    async def administrator(self, email: str, password: str | None) -> Administrator:
        """The account of `email`, made if it is missing; refuses a first password that is too short or too long.

        It gets the password later, by `first_password`: what keeps a start from succeeding must not use up
        the one time at which a generated password is shown.
        """
        account = await self._identity.account_by_email(email)
        has_password = account is not None and account.password_hash is not None
        if password is not None and not has_password:
            self._passwords.check_length(password, "admin_password")
        if account is None:
            wanted = UserCreate(username=email, email=email, roles=["PlatformManager"])
            return Administrator(await self._users.create(wanted, is_admin=True), has_password=False)
        await self._users.make_administrator(account.id, ["PlatformManager", STANDARD])
        return Administrator(account.id, has_password)

    async def first_password(self, admin: UUID, password: str | None) -> str | None:
        """Give the administrator a password; the one that was made when none is configured."""
        chosen = password or new_password()
        await self._identity.set_password(admin, await self._passwords.hash(chosen), self._clock.now())
        return None if password is not None else chosen

    async def knows(self, url: str) -> bool:
        """Whether a server was imported before."""
        return await self._endpoint_store.by_url(normal_url(url)) is not None

    async def import_server(self, admin: UUID, url: str, key: str | None) -> Import:
        """Take over a server's models; the endpoint is made once for an address.

        New models are open to everyone from the first; a model that was closed since stays closed.
        """
        address = normal_url(url)
        endpoint_id = await self._endpoint_store.by_url(address)
        if endpoint_id is None:
            endpoint_id = await self._add_endpoint(admin, address, key)
        else:
            if key is not None:
                who = Principal(user_id=admin, email="", roles=frozenset(), is_admin=True)
                await self._endpoints.update(who, endpoint_id, EndpointUpdate(api_key=key))
            await self._endpoints.sync(endpoint_id, admin, open_to=NIL)
        models, _ = await self._models.page(
            Filter(endpoint=endpoint_id, status="active", sort="alias", order="asc"), _EVERYTHING
        )
        chat = next((model.alias for model in models if model.model_type == "CHAT"), None)
        return Import(url=address, models=tuple(model.alias for model in models), chat_model=chat)

    async def first_key(self, admin: UUID) -> str | None:
        """The secret of the administrator's first key, if it is made now; the gateway knows it when this returns."""
        _, count = await self._keys.page(admin, Window(0, 1), self._clock.now())
        if count:
            return None
        made = new_key()
        wanted = KeyCreate(name=FIRST_KEY, description="Made by the first start with --upstream.")
        key_id = new_uuid()
        try:
            async with self._propagation.confirm("api_keys", str(key_id)):
                await self._keys.create(key_id, admin, admin, wanted, made)
        except Conflict:
            return None
        return made.secret

    async def _add_endpoint(self, admin: UUID, address: str, key: str | None) -> UUID:
        """Named by the address; a number is added when the name is taken by an endpoint of another address."""
        parts = urlsplit(address)
        base = parts.netloc.rpartition("@")[2] or address
        taken = {endpoint.name for endpoint in await self._endpoint_store.page()}
        number = 1
        name = base
        while name in taken:
            number += 1
            name = f"{base} {number}"
        wanted = EndpointCreate(name=name, url=address, api_key=key)
        return await self._endpoints.add(admin, wanted, open_to=NIL)
