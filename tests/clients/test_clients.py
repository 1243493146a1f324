"""Each client's rounds against a model that only knows chat completions: nothing but the base URL is set."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.fakes.conversation import MODEL, OTHER
from tests.server_process import Product

HELLO = "Hello to you."
ADA = "You are Ada."
WEATHER = "The weather: 21 degrees in Paris."
REPORT = "Paris 21"
SERVED = 'The weather: {"degrees":21,"city":"Paris"}.'
"""Of the model that has a tool of the server."""
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
        "server_tools": SERVED,
        "server_tools_streamed": SERVED,
        "server_tools_continue": ADA,
    },
    "agents": {
        "create": HELLO,
        "stream": HELLO,
        "tools": WEATHER,
        "streamed_tools": WEATHER,
        "continues": ADA,
        "conversation": ADA,
        "socket": WEATHER,
        "server_tools": SERVED,
        "server_tools_streamed": SERVED,
        "server_tools_beside_own": SERVED,
        "server_tools_continue": ADA,
        "server_tools_in_a_conversation": ADA,
        "server_tools_over_a_socket": SERVED,
    },
    "langchain": {
        "create": HELLO,
        "stream": HELLO,
        "tools": WEATHER,
        "schema": REPORT,
        "continues": ADA,
        "server_tools": SERVED,
        "server_tools_streamed": SERVED,
        "server_tools_continue": ADA,
    },
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
        "server_tools": SERVED,
        "server_tools_streamed": SERVED,
    },
    "vercel": {
        "create": HELLO,
        "stream": HELLO,
        "tools": WEATHER,
        "streamed_tools": WEATHER,
        "schema": REPORT,
        "continues": ADA,
        "server_tools": SERVED,
        "server_tools_streamed": SERVED,
        "server_tools_continue": ADA,
    },
}
WITHIN = 180.0


def check(command: list[str], where: Path, product: Product, expected: dict[str, str]) -> None:
    """Run a client's rounds; what it says of those that fail is shown."""
    ran = subprocess.run(
        [*command, product.base_url, product.key, MODEL, OTHER],
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
