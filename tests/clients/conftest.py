"""The clients, installed once, and a product in front of a model server that only knows chat completions."""

import shutil
import subprocess
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.conversation import ConversationServer
from tests.fakes.upstream import UpstreamThread, upstream_in_thread
from tests.server_process import Product

HERE = Path(__file__).parent
WITHIN = 600.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """They need what a registry has, and minutes."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.long)


@pytest.fixture(scope="package")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter that has the Python clients."""
    home = tmp_path_factory.mktemp("clients")
    venv.create(home, with_pip=True)
    interpreter = home / "bin" / "python"
    lock = HERE / "python" / "requirements.lock"
    subprocess.run(
        [interpreter, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", lock],
        check=True,
        timeout=WITHIN,
    )
    return interpreter


@pytest.fixture(scope="package")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that has the JavaScript clients and their rounds."""
    home = tmp_path_factory.mktemp("clients") / "node"
    shutil.copytree(HERE / "node", home, ignore=shutil.ignore_patterns("node_modules"))
    subprocess.run(["npm", "ci", "--silent", "--no-audit"], cwd=home, check=True, timeout=WITHIN)
    return home


@pytest.fixture(scope="package")
def chat_only() -> Iterator[UpstreamThread]:
    """The model server."""
    with upstream_in_thread(ConversationServer()) as running:
        yield running


@pytest.fixture(scope="package")
def house(open_directory: Path, chat_only: UpstreamThread) -> Iterator[Product]:
    """`dwctl serve --upstream URL`, as a user starts it."""
    home = Path(tempfile.mkdtemp(dir=open_directory))
    home.chmod(0o755)
    running = Product(home, upstream=chat_only.url)
    running.start()
    yield running
    running.close()
    shutil.rmtree(home, ignore_errors=True)
