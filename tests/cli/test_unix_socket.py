"""A Unix socket beside the port: the same product, with one worker or several."""

from pathlib import Path

import httpx
import pytest

from tests.cli.command import dwctl
from tests.server_process import Product

pytestmark = pytest.mark.xdist_group("cli")


def ask(path: Path) -> str:
    """What the product answers there."""
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url="http://dwctl") as client:
        return client.get("/healthz").text


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.long)])
def test_it_answers_there_and_on_its_port(data_dir: Path, workers: int) -> None:
    path = data_dir / "dwctl.sock"
    product = Product(data_dir, arguments=["--uds", str(path), "--workers", str(workers)])
    product.start()
    try:
        assert [ask(path) for _ in range(4)] == ["OK"] * 4
        assert httpx.get(f"{product.address}/healthz", trust_env=False).text == "OK"
        told = dwctl(
            "serve",
            "--uds",
            path,
            "--port",
            "0",
            "--join",
            directory=data_dir,
            environment={"DWCTL_DATA_DIR": str(data_dir)},
        )
        assert (told.status, f"listener.unix_socket {path} is taken" in told.errors) == (1, True)
        assert ask(path) == "OK"
        product.kill()
        # What a killed one has left is in nobody's way.
        assert path.is_socket()
        product.start()
        assert ask(path) == "OK"
    finally:
        product.close()
    assert not path.exists()


def test_what_is_no_socket_is_left_alone(data_dir: Path) -> None:
    path = data_dir / "file"
    path.write_text("mine")
    told = dwctl("serve", "--uds", path, "--port", "0", "--data-dir", data_dir, directory=data_dir)
    assert (told.status, "is taken" in told.errors) == (1, True)
    assert path.read_text() == "mine"


@pytest.mark.long
def test_a_path_that_cannot_be(data_dir: Path) -> None:
    for path in (data_dir / "no" / "such" / "directory.sock", data_dir / ("long" * 40)):
        told = dwctl("serve", "--uds", path, "--port", "0", "--data-dir", data_dir, directory=data_dir)
        assert (told.status, "cannot be opened" in told.errors) == (1, True)
