"""`dwctl user`."""

import asyncio
from pathlib import Path

from dwctl.cli.context import Context, load
from dwctl.core.clock import SystemClock
from dwctl.core.errors import BadRequest, NotFound
from dwctl.identity.secrets import Passwords
from dwctl.identity.store import IdentityStore
from dwctl.server.data_directory import beside_server, prepare
from dwctl.server.storage import open_storage


def set_password(config: Path | None, data_dir: Path | None, email: str, password: str) -> None:
    """Replace a password, whether the server runs or not."""
    context = load(config, {"data_dir": data_dir})
    prepare(context.data_dir)
    with beside_server(context.data_dir, "dwctl user password") as join:
        asyncio.run(_set_password(context, email, password, join=join))


async def _set_password(context: Context, email: str, password: str, *, join: bool) -> None:
    passwords = Passwords(context.settings.auth.native.password)
    if "\n" in password or not password:
        raise BadRequest("password: expected one line that is not empty")
    passwords.check_length(password)
    async with open_storage(context.settings, context.data_dir, join=join) as storage:
        store = IdentityStore(storage.database)
        account = await store.account_by_email(email)
        if account is None:
            raise NotFound(f"there is no account with the e-mail {email}")
        await store.set_password(account.id, await passwords.hash(password), SystemClock().now())
