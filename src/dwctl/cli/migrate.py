"""`dwctl migrate`."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from dwctl.cli.context import Context, load
from dwctl.server.data_directory import beside_server, prepare
from dwctl.server.storage import open_storage


def run(config: Path | None, data_dir: Path | None, say: Callable[[str], None]) -> None:
    """Apply what is missing and say what that was."""
    context = load(config, {"data_dir": data_dir})
    prepare(context.data_dir)
    with beside_server(context.data_dir, "dwctl migrate") as join:
        done = asyncio.run(_migrate(context, join=join))
    say("\n".join(f"applied {name}" for name in done) or "The database is up to date.")


async def _migrate(context: Context, *, join: bool) -> tuple[str, ...]:
    async with open_storage(context.settings, context.data_dir, join=join) as storage:
        return storage.migrated
