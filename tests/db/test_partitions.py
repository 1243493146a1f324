"""The daily partitions, and ids that callers made up."""

from uuid import UUID

from dwctl.db.postgres import Database

INSERT = """
insert into requests (id, state, created_at, owner_id, creator_id, path, model, purpose, origin, service_tier)
values ($1, 2, now(), $1, $1, '/v1/responses', 'm', 'realtime', 'api', 'default')"""


async def test_an_id_in_a_day_to_come_moves(database: Database) -> None:
    foreign: UUID = await database.fetch_value("select uuidv7_floor('2031-05-06 12:00+00')")
    elsewhere = UUID("ffffffff-0000-4000-8000-000000000000")
    for request_id in (foreign, elsewhere):
        await database.execute(INSERT, request_id)
        await database.execute("insert into contents (id, request) values ($1, 'x')", request_id)
        await database.execute("insert into request_bodies (id, request) values ($1, 'x')", request_id)
        await database.execute(
            "insert into response_events (id, attempt, first, last, events) values ($1, 1, 2, 2, 'x')",
            request_id,
        )
    assert await database.fetch_value("select ensure_request_partitions('2031-05-05', 3)") == 12
    assert await database.fetch_value("select ensure_request_partitions('2031-05-05', 3)") == 0
    for table, rows in (
        ("requests", await database.fetch("select id, tableoid::regclass::text from requests order by id")),
        ("contents", await database.fetch("select id, tableoid::regclass::text from contents order by id")),
        (
            "request_bodies",
            await database.fetch("select id, tableoid::regclass::text from request_bodies order by id"),
        ),
        (
            "response_events",
            await database.fetch("select id, tableoid::regclass::text from response_events order by id"),
        ),
    ):
        places = [tuple(row.values()) for row in rows]
        assert places == [(foreign, f"{table}_20310506"), (elsewhere, f"{table}_default")]
