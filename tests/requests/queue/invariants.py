"""What holds of batches, requests, lanes and queue at every moment (the header of 0019_engine.sql)."""

from collections import Counter
from uuid import UUID

from dwctl.db.postgres import Database, Record
from dwctl.requests.record import State

ENDS = {State.FAILED: "failed", State.COMPLETED: "completed", State.CANCELED: "canceled"}
FINAL = (State.COMPLETED, State.CANCELED)

Final = dict[UUID, tuple[object, ...]]
"""How requests ended that can never change again."""


async def check(database: Database, final: Final) -> None:
    """Compare counters with rows; `final` is what was seen before, and is added to."""
    rows = await database.fetch(
        """select r.id, r.batch_id, r.attempt, r.state, r.position, r.cost, r.line, q.attempt as waiting, c.size
        from requests r left join queue q on q.id = r.id left join contents c on c.id = r.id"""
    )
    for row in rows:
        live = row["state"] == State.PENDING
        assert (row["waiting"] == row["attempt"]) if live else (row["waiting"] is None), dict(row)
        placed = row["line"] is not None and row["state"] in (State.COMPLETED, State.FAILED)
        assert (row["position"] is not None) == placed, dict(row)
        if row["state"] in FINAL:
            seen = (row["state"], row["attempt"], row["position"])
            assert final.setdefault(row["id"], seen) == seen
        else:
            assert row["id"] not in final
    assert (
        await database.fetch_value(
            "select count(*) from queue q where not exists (select from requests r where r.id = q.id)"
        )
        == 0
    )
    for batch in await database.fetch("select * from batches"):
        _check_batch(batch, [row for row in rows if row["batch_id"] == batch["id"]])
    await _check_lanes(database)
    await _check_money(database)


def _check_batch(batch: Record, rows: list[Record]) -> None:
    states = Counter(row["state"] for row in rows)
    never = batch["canceled"] - states[State.CANCELED]
    for state, name in ENDS.items():
        assert batch[name] - (never if name == "canceled" else 0) == states[state], name
    assert never == (0 if batch["cancelling_at"] is None else batch["populated"] - len(rows))
    assert sorted(row["line"] for row in rows) == list(range(len(rows)))
    if batch["cancelling_at"] is None:
        assert batch["populated"] == len(rows)
        assert (batch["started_at"] is not None) == (len(rows) == batch["total"])
    given = (State.COMPLETED, State.FAILED)
    places = {state: sorted(row["position"] for row in rows if row["state"] == state) for state in given}
    assert places[State.COMPLETED] == list(range(1, batch["completed"] + 1))
    errors = places[State.FAILED]
    assert len(set(errors)) == len(errors)
    assert not errors or errors[-1] <= batch["last_error"]
    sizes = {state: sum(row["size"] or 0 for row in rows if row["state"] == state) for state in ENDS}
    assert batch["output_bytes"] == sizes[State.COMPLETED]
    assert batch["error_bytes"] == sizes[State.FAILED]
    assert batch["cost"] == sum(row["cost"] or 0 for row in rows)
    ended = [name for name in ("completed_at", "failed_at", "cancelled_at") if batch[name] is not None]
    over = batch["completed"] + batch["failed"] + batch["canceled"] == batch["total"]
    retrying = batch["retry_to"] is not None and batch["cancelling_at"] is None
    assert len(ended) == (1 if over and not retrying else 0), (ended, dict(batch))
    if ended and batch["cancelling_at"] is not None:
        assert ended == ["cancelled_at"]
    elif ended:
        expected = (
            "completed_at" if batch["completed"] else "failed_at" if batch["failed"] else "cancelled_at"
        )
        assert ended == [expected]


async def _check_lanes(database: Database) -> None:
    lanes = await database.fetch(
        """select a.*, b.started_at, b.cancelling_at, (select count(*) from queue q where q.lane_id = a.id) as waiting
        from lanes a join batches b on b.id = a.batch_id"""
    )
    for lane in lanes:
        assert lane["live"] == lane["waiting"], dict(lane)
        assert lane["closed"] == (lane["started_at"] is None or lane["cancelling_at"] is not None), dict(lane)
    lost = "select count(*) from queue q where not exists (select from lanes a where a.id = q.lane_id)"
    assert await database.fetch_value(lost) == 0
    promised = await database.fetch(
        """select b.total - b.populated as left, (select sum(promised) from lanes a where a.batch_id = b.id) as promised
        from batches b where cancelling_at is null and started_at is null"""
    )
    assert all(row["left"] == row["promised"] for row in promised)


async def _check_money(database: Database) -> None:
    """Every attempt is charged at most once, and a request's row says what it was charged in all."""
    twice = await database.fetch(
        "select request_id, attempt from ledger_entries group by request_id, attempt having count(*) > 1"
    )
    assert twice == []
    wrong = await database.fetch(
        """select r.id, r.cost, sum(-e.amount) from requests r join ledger_entries e on e.request_id = r.id
        group by r.id, r.cost having coalesce(r.cost, 0) <> sum(-e.amount)"""
    )
    assert wrong == []
    apart = await database.fetch(
        """select b.id, b.cost, b.charges, b.charged_at, e.cost, e.charges, e.charged_at
        from batches b
        left join (
            select batch_id, -sum(amount) as cost, count(*) as charges, min(created_at) as charged_at
            from ledger_entries where batch_id is not null group by batch_id
        ) e on e.batch_id = b.id
        where (b.cost, b.charges, b.charged_at)
            is distinct from (coalesce(e.cost, 0), coalesce(e.charges, 0), e.charged_at)"""
    )
    assert apart == []
    lost = """select count(*) from ledger_entries e
        join requests r on r.id = e.request_id left join batches b on b.id = r.batch_id
        where e.batch_id is distinct from b.id"""
    assert await database.fetch_value(lost) == 0
