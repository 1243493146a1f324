"""What dead processes leave is taken over once, however often it is tried."""

import os
from pathlib import Path
from uuid import UUID

import msgspec

from dwctl.core.ids import new_id, new_uuid
from dwctl.core.metrics import Metrics
from dwctl.db.postgres import Database
from dwctl.requests import frames
from dwctl.requests.daemons import Daemon
from dwctl.requests.frames import Kind
from dwctl.requests.record import Record, State
from dwctl.requests.replay import Replay
from dwctl.requests.settings import RecordingSettings
from dwctl.requests.spool import Spool, segment_path
from dwctl.requests.store import RequestStore
from dwctl.requests.writer import Committer
from tests.fakes.clock import FakeClock
from tests.requests.test_writer import finished, started

INSTALLATION = new_uuid()


class Heir:
    """A living process with the services that inherit."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.id = new_uuid()
        self.folder = folder
        settings = RecordingSettings(dead_after_secs=60)
        self.clock = FakeClock()
        self.daemon = Daemon(
            database=database,
            daemon_id=self.id,
            installation_id=INSTALLATION,
            version="test",
            settings=settings,
        )
        self.replay = Replay(
            database=database,
            committer=Committer(database, folder / "rejected.jsonl", Metrics()),
            spools=folder / "spool",
            daemon_id=self.id,
            installation_id=INSTALLATION,
            settings=settings,
            clock=self.clock,
        )

    async def register(self, database: Database, ident: UUID, *, silent_for: int = 0) -> None:
        await database.execute(
            "insert into daemons (id, kind, hostname, pid, version, installation_id, last_heartbeat) "
            "values ($1, 'gateway', 'h', 1, 'test', $2, now() - make_interval(secs => $3))",
            ident,
            INSTALLATION,
            silent_for,
        )


def leave(folder: Path, daemon: UUID, records: list[Record]) -> None:
    """A spool as a killed process leaves it: the last frame torn."""
    spool = Spool(folder / "spool" / str(daemon), 1 << 20)
    spool.open()
    for record in records:
        meta = msgspec.json.encode(record)
        kind = Kind.FINISHED if record.completed_at else Kind.STARTED
        spool.write(frames.frame(kind, meta, b"body"))
    end = spool.position.offset
    spool.close(delete=False)
    with segment_path(spool.folder, 1).open("r+b") as file:
        file.seek(end)
        file.write(b"\x10\x00\x00\x00torn")


async def test_a_spool_is_replayed_and_calls_without_an_end_are_interrupted(
    database: Database, data_dir: Path
) -> None:
    heir = Heir(database, data_dir)
    await heir.daemon.start()
    dead = new_uuid()
    await heir.register(database, dead)
    done, cut = new_id(), new_id()
    mine = {"daemon_id": str(dead)}
    leave(
        data_dir,
        dead,
        [
            msgspec.structs.replace(started(done), **mine),
            msgspec.structs.replace(started(cut), **mine),
            msgspec.structs.replace(finished(done, State.COMPLETED), **mine),
        ],
    )
    (data_dir / "spool" / "lost+found").mkdir()
    assert not await heir.replay.caught_up(within=0)
    for _ in range(2):
        await heir.replay.take_over()
    assert await heir.replay.caught_up()
    store = RequestStore(database)
    row, broken = await store.get(UUID(done)), await store.get(UUID(cut))
    assert row is not None
    assert broken is not None
    assert (row.state, row.request, row.response) == (State.COMPLETED, b"body", b"body")
    assert (broken.state, broken.error_code, broken.status_code) == (State.FAILED, "interrupted", 500)
    assert not (data_dir / "spool" / str(dead)).exists()
    assert await database.fetch_value("select stopped_at is not null from daemons where id = $1", dead)


async def test_what_else_lies_among_the_spools_keeps_nobody_from_inheriting(
    database: Database, data_dir: Path
) -> None:
    heir = Heir(database, data_dir)
    await heir.daemon.start()
    dead, call = new_uuid(), new_id()
    await heir.register(database, dead)
    leave(data_dir, dead, [msgspec.structs.replace(started(call), daemon_id=str(dead))])
    (data_dir / "spool" / str(dead) / "probe").write_bytes(b"left by a kill on a full disk")
    (data_dir / "spool" / "0-not-ours").mkdir()
    await heir.replay.take_over()
    assert [path.name for path in (data_dir / "spool").iterdir()] == ["0-not-ours"]
    assert not list((data_dir / "spool" / "0-not-ours").iterdir())


async def test_a_living_process_keeps_its_spool_and_its_calls(database: Database, data_dir: Path) -> None:
    heir = Heir(database, data_dir)
    await heir.daemon.start()
    other = new_uuid()
    await heir.register(database, other)
    spool = Spool(data_dir / "spool" / str(other), 1 << 20)
    spool.open()
    call = msgspec.structs.replace(started(new_id()), daemon_id=str(other))
    meta = msgspec.json.encode(call)
    spool.write(frames.frame(Kind.STARTED, meta, b""))
    await heir.replay.take_over()
    assert await database.fetch_value("select count(*) from requests") == 0
    spool.close(delete=True)


async def test_calls_of_a_process_that_fell_silent_are_interrupted(
    database: Database, data_dir: Path
) -> None:
    heir = Heir(database, data_dir)
    await heir.daemon.start()
    committer = Committer(database, data_dir / "rejected.jsonl", Metrics())
    calls = {}
    for silent_for in (30, 90):
        daemon = new_uuid()
        await heir.register(database, daemon, silent_for=silent_for)
        calls[silent_for] = new_id()
        record = msgspec.structs.replace(started(calls[silent_for]), daemon_id=str(daemon))
        meta = msgspec.json.encode(record)
        await committer.commit([frames.entry_of(Kind.STARTED, meta, b"")])

    async def states() -> dict[int, int]:
        await heir.replay.take_over()
        return {
            silent: await database.fetch_value("select state from requests where id = $1", UUID(ident))
            for silent, ident in calls.items()
        }

    # Nobody is judged by a silence that may have been the database's.
    assert await states() == {30: State.PROCESSING, 90: State.PROCESSING}
    heir.clock.advance(59)
    assert await states() == {30: State.PROCESSING, 90: State.PROCESSING}
    heir.clock.advance(1)
    assert await states() == {30: State.PROCESSING, 90: State.FAILED}


async def test_todays_ids_fall_into_a_daily_partition(database: Database, data_dir: Path) -> None:
    heir = Heir(database, data_dir)
    await heir.daemon.start()
    await heir.daemon.stop()
    committer = Committer(database, data_dir / "rejected.jsonl", Metrics())
    fresh, foreign = new_id(), "ffffffff-ffff-4fff-8fff-ffffffffffff"
    for ident in (fresh, foreign):
        meta = msgspec.json.encode(started(ident))
        await committer.commit([frames.entry_of(Kind.STARTED, meta, b"")])
    tables = {
        str(row["id"]): row["name"]
        for row in await database.fetch("select id, tableoid::regclass::text as name from requests")
    }
    assert tables[foreign] == "requests_default"
    assert tables[fresh].startswith("requests_2")
    assert await database.fetch_value("select ensure_request_partitions(current_date, 1)") == 0


async def test_a_folder_that_is_being_made_or_removed_is_left_alone_unless_that_was_broken_off(
    database: Database, data_dir: Path
) -> None:
    heir = Heir(database, data_dir)
    await heir.daemon.start()
    folder = data_dir / "spool" / str(new_uuid())
    # Without a lock file: its owner has just made it, or is just about to remove it.
    folder.mkdir(parents=True)
    now = heir.clock.now()
    os.utime(folder, (now - 59, now - 59))
    await heir.replay.take_over()
    assert list(folder.iterdir()) == []
    os.utime(folder, (now - 61, now - 61))
    await heir.replay.take_over()
    assert not folder.exists()
