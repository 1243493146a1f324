"""The real model servers, one of each for a whole test session. Only tests marked `long` may ask for them."""

from collections.abc import Iterator

import pytest

from tests.models.servers import ModelServer, start_embeddings, start_transformers


@pytest.fixture(scope="session")
def transformers_server() -> Iterator[ModelServer]:
    """`transformers serve` with a tiny random Llama."""
    server = start_transformers()
    yield server
    server.program.stop()


@pytest.fixture(scope="session")
def embedding_server() -> Iterator[ModelServer]:
    """An embedding server with a real sentence model of 384 dimensions."""
    server = start_embeddings()
    yield server
    server.program.stop()
