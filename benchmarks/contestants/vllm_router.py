"""vllm-router, the router of the vLLM project (Rust, from PyPI)."""

from pathlib import Path

from benchmarks import venvs
from benchmarks.contestants.contestant import Kind, Launch, Place, free_port
from benchmarks.load import Door

REQUIREMENT = "vllm-router==0.1.17"


class VllmRouter:
    """One worker to route to, in turn; only errors are logged."""

    name = "vllm-router"
    kind: Kind = "rust"

    def prepare(self, cache: Path) -> None:
        """Its own environment."""
        venvs.install(cache, REQUIREMENT)

    def launch(self, place: Place) -> Launch:
        """Its launcher becomes the router."""
        return Launch(
            command=(
                str(venvs.folder(place.cache, REQUIREMENT) / "bin" / "vllm-router"),
                *("--host", "127.0.0.1", "--port", str(place.port)),
                *("--worker-urls", place.upstream, "--policy", "round_robin"),
                *("--prometheus-host", "127.0.0.1", "--prometheus-port", str(free_port())),
                *("--log-level", "error"),
            ),
            door=Door(port=place.port),
        )
