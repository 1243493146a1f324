"""LiteLLM's proxy (Python, from PyPI): one worker, no database, no key, no log of calls."""

from pathlib import Path

from benchmarks import venvs
from benchmarks.contestants.contestant import Kind, Launch, Place
from benchmarks.load import Door
from benchmarks.upstream import MODEL

REQUIREMENT = "litellm[proxy]==1.100.5"
"""Releases 1.82.7, 1.82.8 and 1.107.0 were published by attackers: never pin those."""

CONFIGURATION = """\
model_list:
  - model_name: {model}
    litellm_params:
      model: openai/{model}
      api_base: {upstream}/v1
      api_key: none
litellm_settings:
  telemetry: false
  request_timeout: 60
"""


class LiteLlm:
    """Its quickest configuration that still answers chat completions."""

    name = "litellm"
    kind: Kind = "python"

    def prepare(self, cache: Path) -> None:
        """Its own environment."""
        venvs.install(cache, REQUIREMENT)

    def launch(self, place: Place) -> Launch:
        """Prices come from the package: nothing is fetched."""
        configuration = place.scratch / "litellm.yaml"
        configuration.write_text(CONFIGURATION.format(model=MODEL, upstream=place.upstream), encoding="utf-8")
        return Launch(
            command=(
                *("env", "LITELLM_LOCAL_MODEL_COST_MAP=True", "LITELLM_LOG=ERROR", "NO_DOCS=True"),
                str(venvs.folder(place.cache, REQUIREMENT) / "bin" / "litellm"),
                *("--host", "127.0.0.1", "--port", str(place.port)),
                *("--config", str(configuration), "--num_workers", "1"),
            ),
            door=Door(port=place.port),
        )
