"""What a dead process held of accounts' credit is free once its charges are committed, and not before."""

from decimal import Decimal
from pathlib import Path
from uuid import UUID

import msgspec

from dwctl.core.ids import new_id, new_uuid
from dwctl.db.postgres import Database
from dwctl.requests.record import State
from dwctl.requests.spool import Spool
from tests.requests.test_replay import INSTALLATION, Heir, leave
from tests.requests.test_writer import finished, started

LEASE = (
    "insert into credit_leases (pocket, holder, installation_id, outstanding, serial, bare, expires_at) "
    "values ($1, $2, $3, 10, 1, false, now() + interval '1 minute')"
)


async def holders(database: Database) -> set[UUID]:
    """Who holds credit."""
    return {row["holder"] for row in await database.fetch("select holder from credit_leases")}


async def test_a_lease_ends_with_the_spool_of_its_holder(database: Database, data_dir: Path) -> None:
    heir = Heir(database, data_dir)
    await heir.daemon.start()
    dead, living, elsewhere = new_uuid(), new_uuid(), new_uuid()
    mine = {"daemon_id": str(dead), "tariff_id": new_id()}
    ident = new_id()
    end = finished(ident, State.COMPLETED)
    charged = msgspec.structs.replace(end, cost=Decimal("2.5"), **mine)
    leave(data_dir, dead, [msgspec.structs.replace(started(ident), **mine), charged])
    spool = Spool(data_dir / "spool" / str(living), 1 << 20)
    spool.open()
    account = end.owner_id
    for holder, installation in (
        (dead, INSTALLATION),
        (living, INSTALLATION),
        (heir.id, INSTALLATION),
        (elsewhere, new_uuid()),
    ):
        await database.execute(LEASE, account, holder, installation)
    await heir.replay.take_over()
    assert await holders(database) == {living, heir.id, elsewhere}
    assert await database.fetch_value(
        "select balance from accounts where id = $1::text::uuid", account
    ) == Decimal("-2.5")
    spool.close(delete=True)


async def test_a_lease_without_a_spool_is_one_of_a_process_that_ended_in_order(
    database: Database, data_dir: Path
) -> None:
    heir = Heir(database, data_dir)
    await heir.daemon.start()
    gone, elsewhere = new_uuid(), new_uuid()
    (data_dir / "spool").mkdir(exist_ok=True)
    await database.execute(LEASE, new_id(), gone, INSTALLATION)
    await database.execute(LEASE, new_id(), elsewhere, new_uuid())
    await heir.replay.take_over()
    assert await holders(database) == {elsewhere}
