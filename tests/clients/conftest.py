"""The clients, installed once, and a product in front of a model server that only knows chat completions."""

import shutil
import subprocess
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.contract.tool_house import Given
from tests.fakes.conversation import OTHER, TOOL, ConversationServer
from tests.fakes.tools import ToolServer
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
    with upstream_in_thread(ToolServer(get_weather=lambda asked: {"degrees": 21} | asked)) as tools:
        give_tool(running, tools)
        yield running
    running.close()
    shutil.rmtree(home, ignore_errors=True)


def give_tool(product: Product, server: UpstreamThread) -> None:
    """One of the two models has a tool of the server."""
    with httpx.Client(base_url=product.address, timeout=20, trust_env=False) as admin:
        given = {"email": product.admin_email, "password": product.admin_password}
        admin.post("/authentication/login", json=given).raise_for_status()
        Given(admin, server, OTHER).tool(TOOL)
