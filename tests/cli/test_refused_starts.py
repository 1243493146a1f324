"""What keeps `dwctl serve` from starting is said in a line that names it and what to do."""

import socket
from pathlib import Path

import pytest

from tests.cli.command import dwctl
from tests.fakes.upstream import upstream_in_thread
from tests.server_process import Product

pytestmark = pytest.mark.xdist_group("cli")


def refused(directory: Path, *arguments: str | Path, **environment: str) -> str:
    """What `serve` says before it ends with status 1."""
    ended = dwctl(
        "serve", "--data-dir", directory / "data", *arguments, directory=directory, environment=environment
    )
    assert ended.status == 1, ended.output
    assert ended.errors.startswith("dwctl: ") or "\ndwctl: " in ended.errors
    return ended.errors


def test_a_port_that_is_taken(data_dir: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = refused(data_dir, "--port", str(port))
    assert str(port) in said
    assert "--port" in said


@pytest.mark.long
def test_a_start_that_is_refused_uses_up_nothing_that_is_shown_once(data_dir: Path) -> None:
    home = data_dir / "data"
    with socket.socket() as taken, upstream_in_thread() as upstream:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        refused(data_dir, "--port", "0", "--upstream", "http://127.0.0.1:9/v1")
        refused(data_dir, "--port", str(taken.getsockname()[1]), "--upstream", upstream.url)
        home.chmod(0o755)
        product = Product(home, upstream=upstream.url)
        product.start()
        try:
            assert product.admin_password
            assert product.key.startswith("sk-")
        finally:
            product.close()


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("run", "run cannot be made: File exists"),
        ("postgres.log", "PostgreSQL cannot be started: "),
        ("spool", "calls cannot be recorded in "),
    ],
)
def test_something_is_in_the_way(data_dir: Path, name: str, told: str) -> None:
    place = data_dir / "data" / name
    place.parent.mkdir(mode=0o755)
    if name == "postgres.log":
        place.mkdir()
    else:
        place.touch()
    assert told in refused(data_dir, "--port", "0")


def test_a_lock_that_is_anothers(data_dir: Path) -> None:
    (data_dir / "data" / "lock").mkdir(parents=True)
    said = refused(data_dir)
    assert f"{data_dir / 'data' / 'lock'} cannot be opened" in said
    assert "--data-dir" in said


def test_a_home_that_is_none(data_dir: Path) -> None:
    ended = dwctl("serve", "--data-dir", "~nobody-of-this-name/x", directory=data_dir)
    assert ended.status == 1
    assert "there is no such home directory: ~nobody-of-this-name/x" in ended.errors


def test_a_data_directory_that_cannot_be_written(data_dir: Path) -> None:
    (data_dir / "data").write_text("a file where the directory should be")
    said = refused(data_dir)
    assert f"the data directory {data_dir / 'data'} cannot be written" in said
    assert "--data-dir" in said


def test_a_database_that_cannot_be_reached(data_dir: Path) -> None:
    said = refused(data_dir, DATABASE_URL="postgresql://someone:hunter2@127.0.0.1:9/dwctl")
    assert "PostgreSQL at 127.0.0.1:9/dwctl cannot be reached" in said
    assert "DATABASE_URL" in said
    assert "hunter2" not in said


def test_a_database_address_that_is_none(data_dir: Path) -> None:
    assert "database.url cannot be read" in refused(data_dir, DATABASE_URL="nonsense")


def test_a_model_server_that_is_down(data_dir: Path) -> None:
    said = refused(data_dir, "--port", "0", "--upstream", "http://127.0.0.1:9/v1")
    assert "--upstream: " in said
    assert "127.0.0.1:9" in said


def test_an_address_of_a_model_server_that_is_none(data_dir: Path) -> None:
    said = refused(data_dir, "--port", "0", "--upstream", "localhost:8000")
    assert "--upstream: expected an address such as http://127.0.0.1:8000/v1, got 'localhost:8000'" in said


def test_secrets_that_can_be_guessed_are_refused_where_others_can_reach_it(data_dir: Path) -> None:
    said = refused(data_dir, "--host", "0.0.0.0", DWCTL_SECRET_KEY="change-me-please-change-me-please")
    assert "secret_key is too weak" in said
    assert 'export DWCTL_SECRET_KEY="$(openssl rand -hex 32)"' in said


def test_damaged_secrets_are_not_replaced(data_dir: Path) -> None:
    (data_dir / "data").mkdir()
    (data_dir / "data" / "secrets.json").write_text("{")
    said = refused(data_dir)
    assert "secrets.json cannot be read" in said
    assert (data_dir / "data" / "secrets.json").read_text() == "{"
