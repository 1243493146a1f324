"""The list of calls costs what it shows: along one index, to a bound, in a table of many rows."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from dwctl.control.requests.store import DAY_MS, RequestLog, Wanted, statement
from dwctl.core.clock import SystemClock
from dwctl.core.ids import least_of, moment_of
from dwctl.db.postgres import Database
from dwctl.db.queries import Queries
from dwctl.identity.principal import NIL

START = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


def at(seconds: float, low: int = 0) -> UUID:
    """The id of a call so long after `START`."""
    return UUID(int=least_of(int((START.timestamp() + seconds) * 1000)).int + low)


MANY = """
    insert into requests (
        id, state, status_code, created_at, completed_at, owner_id, creator_id, path, model, purpose, origin,
        service_tier, duration_ms
    )
    select
        (lpad(to_hex($1::bigint + n * 100), 12, '0') || '7000' || lpad(to_hex(n), 16, '8'))::uuid,
        4, case when n % 10000 = 7 then 500 else 200 end, to_timestamp(($1 + n * 100) / 1000.0),
        to_timestamp(($1 + n * 100) / 1000.0), case when n % 200 = 3 then $2::uuid else $3::uuid end, $3, '/v1/x',
        case when n % 10000 = 5 then 'rare' else 'usual' end, 'realtime', 'api', 'default', n
    from generate_series(0, 39999) as n
"""


@pytest.fixture
async def crowd(database: Database) -> Database:
    """40,000 calls over 66 minutes of two days; one of 200 is of `OWNER`, one of 10,000 of a rare model."""
    before = int((datetime(2026, 3, 2, tzinfo=UTC) - timedelta(minutes=33)).timestamp() * 1000)
    await database.execute("select ensure_request_partitions('2026-02-20', 20)")
    await database.execute(MANY, before, OWNER, NIL)
    await database.execute("analyze requests")
    return database


OWNER = UUID(int=77)
INDEX_SCANS = ("Index Scan", "Index Only Scan")


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """The steps of a plan that were run."""
    inner = [step for each in plan.get("Plans", ()) for step in nodes(each)]
    return inner if plan.get("Actual Loops") == 0 else [plan, *inner]


TYPES = (
    *("uuid", "uuid", "bigint", "bigint", "text", "integer", "integer", "integer"),
    *("float8", "float8", "text", "uuid", "text", "smallint[]", "text", "boolean", "uuid"),
)


async def explained(
    database: Database, wanted: Wanted, mode: str = "force_custom_plan", scan: int = 20_000
) -> list[dict[str, Any]]:
    """What PostgreSQL does for a page of 50."""
    name, more = statement(wanted)
    sql = Queries.load("dwctl.control.requests")
    filters = (
        *(wanted.model, wanted.status_code, wanted.status_code_min, wanted.status_code_max),
        *(wanted.min_duration_ms, wanted.max_duration_ms, wanted.uri_pattern, wanted.batch, wanted.custom_id),
        *(None, wanted.service_tier, wanted.background),
    )
    given = (wanted.low, wanted.high, scan, 51, *filters, *more)
    values = ", ".join("null" if value is None else f"'{value}'" for value in given)
    async with database.transaction() as connection:
        await connection.execute(sql["without_sorting"])
        await connection.execute(f"set local plan_cache_mode = {mode}")
        await connection.execute(f"prepare page ({', '.join(TYPES[: len(given)])}) as {sql[name]}")
        (plan,) = await connection.fetchval(f"explain (analyze, format json) execute page ({values})")
        await connection.execute("deallocate page")
    return nodes(plan["Plan"])


def looked_at(steps: list[dict[str, Any]]) -> int:
    """Rows that were read, shown or not."""
    scans = [step for step in steps if "Scan" in step["Node Type"] and "Relation Name" in step]
    return sum(step["Actual Rows"] + step.get("Rows Removed by Filter", 0) for step in scans)


MORNING = least_of(int(datetime(2026, 3, 2, 0, 5, tzinfo=UTC).timestamp() * 1000))


CASES: list[tuple[dict[str, Any], str]] = [
    ({}, "pkey"),
    ({"low": at(0)}, "pkey"),
    ({"low": MORNING, "high": least_of(moment_of(MORNING) + 2000)}, "pkey"),
    ({"owner": OWNER}, "owner_id_id_idx"),
    ({"owner": NIL, "model": "usual"}, "owner_id_id_idx"),
    ({"owner": NIL, "high": MORNING, "low": least_of(moment_of(MORNING) - 2000)}, "owner_id_id_idx"),
    ({"model": "rare"}, "model_id_idx"),
    ({"model": "usual", "status_code_min": 200}, "model_id_idx"),
    ({"model": "usual", "low": MORNING, "high": least_of(moment_of(MORNING) + 2000)}, "model_id_idx"),
    ({"model": "unknown"}, "model_id_idx"),
]


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
async def test_a_page_reads_along_an_index_and_not_more_than_it_shows(crowd: Database, mode: str) -> None:
    """Also by the plan that PostgreSQL keeps for all values after five executions."""
    for (narrowed, index), descending in itertools.product(CASES, (True, False)):
        steps = await explained(crowd, Wanted(**narrowed, descending=descending), mode)
        kinds = {step["Node Type"] for step in steps}
        assert not {"Seq Scan", "Sort", "Incremental Sort", "Bitmap Heap Scan"} & kinds, narrowed
        names = {step["Index Name"] for step in steps if "Index Name" in step}
        assert names
        assert all(name.endswith(index) for name in names), narrowed
        # One row of each partition may be looked at beside those that are shown.
        assert looked_at(steps) <= 51 + len(names), narrowed


async def test_a_filter_that_fits_nothing_reads_no_more_than_a_bound(crowd: Database) -> None:
    steps = await explained(crowd, Wanted(status_code=418), scan=1000)
    assert 1000 <= looked_at(steps) <= 1000 + 25


@pytest.mark.parametrize("descending", [True, False])
async def test_rare_calls_are_found_page_by_page_however_far_apart(crowd: Database, descending: bool) -> None:
    log = RequestLog(crowd, SystemClock(), scan=6_000)
    found: list[UUID] = []
    wanted = Wanted(status_code=500, descending=descending)
    for _ in range(20):
        page = await log.find(wanted, 10)
        found += page.ids
        if page.further is None:
            break
        bound = {"high": page.further} if descending else {"low": UUID(int=page.further.int + 1)}
        wanted = msgspec.structs.replace(wanted, **bound)
    assert page.further is None
    expected = await crowd.fetch("select id from requests where status_code = 500 order by id")
    assert found == [row["id"] for row in (reversed(expected) if descending else expected)]
    assert len(found) == 4


async def test_the_least_id_of_a_moment_is_the_databases(database: Database) -> None:
    for moment in (START, datetime(1970, 1, 1, tzinfo=UTC), datetime(2999, 12, 31, 23, 59, 59, 999000, UTC)):
        floor = await database.fetch_value("select uuidv7_floor($1)", moment)
        assert least_of(round(moment.timestamp() * 1000)) == floor
        assert moment_of(floor) == round(moment.timestamp() * 1000)
    assert moment_of(least_of(-1)) == 0
    assert moment_of(least_of(2**60)) == 2**48 - 1


class Noon:
    """A clock that stands, twelve hours into the second day of `crowd`."""

    def now(self) -> float:
        """Unix seconds."""
        return datetime(2026, 3, 2, 12, tzinfo=UTC).timestamp()

    def monotonic(self) -> float:
        """Seconds."""
        return 0.0


async def test_a_page_is_whole_where_the_newest_day_ends(crowd: Database) -> None:
    """A step of a day is tried first: what lies before it follows in the same page."""
    await crowd.execute(MANY, at(-9 * DAY_MS / 1000).int >> 80, OWNER, NIL)
    log = RequestLog(crowd, Noon(), scan=50_000)
    page = await log.find(Wanted(owner=OWNER), 399)
    expected = await crowd.fetch("select id from requests where owner_id = $1 order by id desc", OWNER)
    assert page.ids == [row["id"] for row in expected[:399]]
    assert page.further == page.ids[-1]
    assert (await log.find(Wanted(owner=OWNER, high=page.ids[-1]), 399)).ids == [expected[-1]["id"]]
