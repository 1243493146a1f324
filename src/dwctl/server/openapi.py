"""The OpenAPI documents as the server answers with them, without a server and without a database."""

from secrets import token_urlsafe
from typing import Any

from dwctl import __version__
from dwctl.control.app import build_app
from dwctl.control.plane import build_plane
from dwctl.core.clock import SystemClock
from dwctl.core.seal import Seal
from dwctl.db.postgres import Database
from dwctl.identity.settings import AuthSettings
from dwctl.routing.snapshot import Routing
from dwctl.routing.store import RoutingStore
from dwctl.routing.sync import RoutingSync
from dwctl.server.settings import Settings, config_of
from dwctl.server.workers.fellows import Alone
from dwctl.web.admin_document import with_errors
from dwctl.web.documents import ai_document


class _NoCalls:
    """Implements `Inference` for an application that nothing can call."""

    def claims(self, method: str, path: str) -> bool:
        """Nothing."""
        del method, path
        return False

    def knows(self, key_digest: bytes) -> bool:
        """No key."""
        del key_digest
        return False

    async def run(self, path: str, key_digest: bytes, scope: Any, receive: Any, send: Any) -> None:
        """Nothing is claimed, so nothing comes here."""
        del path, key_digest, scope, receive, send


def admin() -> dict[str, Any]:
    """That of the admin API, from the routes of an application that nothing can call."""
    # Nothing of this is opened or run: routes only need something to belong to. Whatever it would sign dies with it.
    secret_key = token_urlsafe()
    database = Database("")
    seal = Seal(secret_key)
    clock = SystemClock()
    sync = RoutingSync(routing=Routing(), store=RoutingStore(database, seal), clock=clock, fallback_seconds=0)
    settings = AuthSettings()
    plane = build_plane(
        database=database,
        settings=settings,
        secret_key=secret_key,
        seal=seal,
        clock=clock,
        propagation=sync,
        recorded=Alone(),
    )
    app = build_app(
        plane=plane,
        config=config_of(Settings()),
        cors=settings.security.cors,
        version=__version__,
        checks={},
        metrics=None,
        ai_routes=[],
        inference=_NoCalls(),
    )
    return with_errors(app.openapi_schema.to_schema())


def ai() -> dict[str, Any]:
    """That of the AI API."""
    return ai_document(__version__)


DOCUMENTS = {"admin": admin, "ai": ai}
"""By the name that the command takes."""
