"""The test server's databases."""

import itertools

import asyncpg

from dwctl.db.embedded import EmbeddedPostgres


class Server:
    """A running embedded server that hands out databases."""

    def __init__(self, embedded: EmbeddedPostgres) -> None:
        self._embedded = embedded
        self._numbers = itertools.count(1)

    def dsn_of(self, name: str) -> str:
        """Connection string of a database."""
        return self._embedded.dsn_of(name)

    async def clone(self, template: str) -> str:
        """A copy of a database, by its files: a few hundredths of a second."""
        name = f"test_{next(self._numbers)}"
        await self.run(f"create database {name} template {template} strategy file_copy")
        return name

    async def drop(self, name: str) -> None:
        """Remove a database and whoever is still connected."""
        await self.run(f"drop database {name} with (force)")

    async def run(self, sql: str) -> None:
        """A statement about databases and roles."""
        connection = await asyncpg.connect(self._embedded.dsn_of("postgres"))
        try:
            await connection.execute(sql)
        finally:
            await connection.close()
