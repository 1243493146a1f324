"""Each client's rounds against a model that only knows chat completions: nothing but the base URL is set."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.fakes.conversation import MODEL
from tests.server_process import Product

HELLO = "Hello to you."
ADA = "You are Ada."
WEATHER = "The weather: 21 degrees in Paris."
REPORT = "Paris 21"
COUNTED = "1 2 3 4 5 6 7 8 9 10"

PYTHON = {
    "openai": {
        "create": HELLO,
        "stream": HELLO,
        "tools": WEATHER,
        "schema": REPORT,
        "continues": ADA,
        "conversation": ADA,
        "background": HELLO,
        "resumes": COUNTED,
        "cancels": "cancelled",
        "deletes": "gone",
        "items": "Hi",
        "socket": ADA,
    },
    "agents": {
        "create": HELLO,
        "stream": HELLO,
        "tools": WEATHER,
        "streamed_tools": WEATHER,
        "continues": ADA,
        "conversation": ADA,
        "socket": WEATHER,
    },
    "langchain": {"create": HELLO, "stream": HELLO, "tools": WEATHER, "schema": REPORT, "continues": ADA},
}
NODE = {
    "openai": {
        "create": HELLO,
        "stream": HELLO,
        "tools": WEATHER,
        "continues": ADA,
        "background": HELLO,
        "cancels": "cancelled",
        "resumes": COUNTED,
    },
    "vercel": {
        "create": HELLO,
        "stream": HELLO,
        "tools": WEATHER,
        "streamed_tools": WEATHER,
        "schema": REPORT,
        "continues": ADA,
    },
}
WITHIN = 180.0


def check(command: list[str], where: Path, product: Product, expected: dict[str, str]) -> None:
    """Run a client's rounds; what it says of those that fail is shown."""
    ran = subprocess.run(
        [*command, product.base_url, product.key, MODEL],
        cwd=where,
        check=True,
        capture_output=True,
        text=True,
        timeout=WITHIN,
    )
    assert json.loads(ran.stdout.splitlines()[-1]) == expected, ran.stderr[-4000:]


@pytest.mark.parametrize("client", PYTHON)
def test_python(client: str, python: Path, house: Product) -> None:
    rounds = Path(__file__).parent / "python" / "run.py"
    check([str(python), str(rounds), client], python.parent, house, PYTHON[client])


@pytest.mark.parametrize("client", NODE)
def test_node(client: str, node: Path, house: Product) -> None:
    check(["node", "run.mjs", client], node, house, NODE[client])
