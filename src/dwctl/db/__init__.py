"""Postgres and nothing else: embedded server, pool, queries, migrations, listen, lease."""
