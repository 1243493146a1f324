"""`migrate`, `doctor` and `user password`, with and without a running server."""

import asyncio
import socket
from pathlib import Path

import asyncpg
import httpx
import pytest

from dwctl import __version__
from dwctl.core.compiled import is_compiled
from dwctl.db.embedded import EmbeddedPostgres
from tests.cli.command import Ended, dwctl
from tests.fakes.upstream import upstream_in_thread
from tests.server_process import Product

pytestmark = pytest.mark.xdist_group("cli")
NEW = "another long password"


def run(data_dir: Path, *arguments: str, given: str = "") -> Ended:
    """A command on the data of `data_dir`, with a port that nobody else has."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    return dwctl(
        *arguments,
        "--data-dir",
        data_dir,
        directory=data_dir.parent,
        environment={"DWCTL_PORT": port},
        given=given,
    )


def sign_in(address: str, email: str, password: str) -> int:
    with httpx.Client(base_url=address, trust_env=False) as client:
        return client.post("/authentication/login", json={"email": email, "password": password}).status_code


def test_help_and_version(data_dir: Path) -> None:
    told = dwctl("--help", directory=data_dir)
    assert told.status == 0
    for command in ("serve", "migrate", "doctor", "user"):
        assert command in told.output
    compiled = ", compiled" if is_compiled() else ""
    assert dwctl("--version", directory=data_dir).output == f"dwctl, version {__version__}{compiled}\n"


def test_an_unknown_flag_is_status_2(data_dir: Path) -> None:
    ended = dwctl("serve", "--prot", "1", directory=data_dir)
    assert ended.status == 2
    assert "--port" in ended.errors


def test_before_the_first_start(data_dir: Path) -> None:
    doctor = run(data_dir, "doctor")
    assert (doctor.status, "FAIL" in doctor.output) == (0, False)
    assert "still empty: dwctl serve or dwctl migrate sets it up" in doctor.output
    migrated = run(data_dir, "migrate")
    assert migrated.output.startswith("applied 0001")
    assert run(data_dir, "migrate").output == "The database is up to date.\n"
    healthy = run(data_dir, "doctor", "--ledger")
    assert (healthy.status, "FAIL" in healthy.output) == (0, False)
    assert "ok    ledger: rows cost 0, charges 0; entries sum up to 0, balances 0\n" in healthy.output
    unknown = run(data_dir, "user", "password", "nobody@example.com", given=f"{NEW}\n")
    assert unknown.status == 1
    assert "no account with the e-mail nobody@example.com" in unknown.errors


async def _miscount(data_dir: Path) -> str:
    """A batch that says of a request that it was completed, which nobody ever made."""
    server = EmbeddedPostgres(data_dir)
    await server.start()
    try:
        connection = await asyncpg.connect(server.dsn)
        batch_id = await connection.fetchval(
            """insert into batches (
                id, owner_id, creator_id, run_key_id, endpoint, completion_window, output_file_id, error_file_id,
                expires_at, total, completed, first_id, last_id
            )
            select id, id, id, id, '/v1/chat/completions', '24h', id, id, now(), 2, 1, uuidv7_floor(now()),
                uuidv7_floor(now())
            from gen_random_uuid() id
            returning id"""
        )
        await connection.close()
    finally:
        await server.stop()
    return str(batch_id)


def test_the_doctor_names_a_batch_that_counts_otherwise(data_dir: Path) -> None:
    assert run(data_dir, "migrate").status == 0
    batch_id = asyncio.run(_miscount(data_dir))
    ill = run(data_dir, "doctor", "--ledger")
    assert ill.status == 1
    text = f"FAIL  ledger: batch {batch_id}: completed requests: it says 1, and 0 was found\n"
    assert text in ill.output, ill.output
    assert ill.output.count("FAIL  ledger: batch") == 1


@pytest.mark.long
def test_beside_a_running_server(data_dir: Path) -> None:
    with upstream_in_thread() as upstream:
        product = Product(data_dir, upstream=upstream.url)
        product.start()
        try:
            doctor = run(data_dir, "doctor")
            assert doctor.status == 0, doctor.output
            assert f"ok    port: process {product.pid} answers on {product.address}\n" in doctor.output
            assert f"1 models at {upstream.url}" in doctor.output
            assert f"process {product.pid} answers on {product.address}" in doctor.output
            assert (doctor.status, "FAIL" in doctor.output) == (0, False)
            assert run(data_dir, "migrate").output == "The database is up to date.\n"
            short = run(data_dir, "user", "password", product.admin_email, given="short\n")
            assert (short.status, "password: " in short.errors) == (1, True)
            changed = run(data_dir, "user", "password", product.admin_email, given=f"{NEW}\n")
            assert changed.status == 0
            assert NEW not in changed.output
            assert sign_in(product.address, product.admin_email, product.admin_password) == 401
            assert sign_in(product.address, product.admin_email, NEW) == 200
        finally:
            product.close()
    alone = run(data_dir, "doctor")
    assert alone.status == 1
    assert "FAIL  model server " in alone.output


def test_the_doctor_finds_a_taken_port(data_dir: Path) -> None:
    assert run(data_dir, "migrate").status == 0
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ended = dwctl("doctor", "--data-dir", data_dir, directory=data_dir, environment={"DWCTL_PORT": port})
    assert ended.status == 1
    assert f"FAIL  port: 127.0.0.1:{port} is taken by another program. Choose another port" in ended.output


@pytest.mark.long
def test_after_a_server_was_killed(data_dir: Path) -> None:
    """What it wrote about itself is still there, and it is not."""
    product = Product(data_dir)
    product.start()
    product.kill()
    doctor = run(data_dir, "doctor")
    assert (doctor.status, "FAIL" in doctor.output) == (0, False)
    assert " is free\n" in doctor.output
    assert run(data_dir, "migrate").output == "The database is up to date.\n"
    assert run(data_dir, "user", "password", product.admin_email, given=f"{NEW}\n").status == 0
    joined = run(data_dir, "serve", "--join")
    assert (joined.status, "start without --join" in joined.errors) == (1, True)


def test_the_doctor_finds_a_database_that_is_away_and_a_directory_that_is_none(data_dir: Path) -> None:
    url = {"DATABASE_URL": "postgresql://someone:hunter2@127.0.0.1:9/dwctl"}
    ended = dwctl("doctor", "--data-dir", data_dir, directory=data_dir, environment=url)
    assert ended.status == 1
    assert "FAIL  database: PostgreSQL at 127.0.0.1:9/dwctl cannot be reached" in ended.output
    assert "hunter2" not in ended.output + ended.errors
    file = data_dir / "file"
    file.touch()
    ended = run(file, "doctor")
    assert ended.status == 1
    assert f"FAIL  data directory: the data directory {file} cannot be written" in ended.output
    assert "--data-dir" in ended.output
