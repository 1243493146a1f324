"""LiteLLM's proxy (Python, from PyPI): one worker, with what of ours it can do without a database, and bare.

Its keys and its log of spend in PostgreSQL would be nearer. They need the query engine of Prisma, a program that
neither PyPI nor npm carries: it is downloaded from a host of its own, so not everybody who measures can have it.
"""

import secrets
from dataclasses import dataclass
from pathlib import Path

from benchmarks import venvs
from benchmarks.contestants.contestant import Kind, Launch, Place
from benchmarks.load import Door
from benchmarks.upstream import MODEL

REQUIREMENT = "litellm[proxy]==1.100.5"
"""Releases 1.82.7, 1.82.8 and 1.107.0 were published by attackers: never pin those."""
LOG = "calls.jsonl"
"""In the scratch folder: a line for each call."""

BARE = """\
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
FULL = """\
general_settings:
  master_key: {key}
model_list:
  - model_name: {model}
    litellm_params:
      model: openai/{model}
      api_base: {upstream}/v1
      api_key: none
      rpm: 100000000
      tpm: 1000000000000
  - model_name: {model}
    litellm_params:
      model: openai/{model}
      api_base: {upstream}/v1
      api_key: other
      rpm: 100000000
      tpm: 1000000000000
router_settings:
  optional_pre_call_checks: [enforce_model_rate_limits]
litellm_settings:
  telemetry: false
  request_timeout: 60
  callbacks: call_log.to_file
"""
"""Two deployments, which its default strategy shuffles; limits that no load reaches are enforced on each.

What tells them apart is the credential: two that are equal would be one.
"""
CALL_LOG = '''\
"""What LiteLLM says of each call, bodies included, as a line in a file."""

import json

from litellm.integrations.custom_logger import CustomLogger


class ToFile(CustomLogger):
    def __init__(self):
        super().__init__()
        self.file = open({path!r}, "a", buffering=1)

    async def async_log_success_event(self, kwargs, response_obj, start_time, end_time):
        self.file.write(json.dumps(kwargs["standard_logging_object"], default=str) + "\\n")

    async_log_failure_event = async_log_success_event


to_file = ToFile()
'''
"""The cheapest log that its documents know: its callbacks for others' services cost more, and a service."""


@dataclass(frozen=True, kw_only=True)
class LiteLlm:
    """With a key that is checked, limits, two targets and a log of calls; or, bare, its quickest configuration."""

    bare: bool = False
    kind: Kind = "python"

    @property
    def name(self) -> str:
        """As the tables show it."""
        return "litellm-bare" if self.bare else "litellm"

    def prepare(self, cache: Path) -> None:
        """Its own environment."""
        venvs.install(cache, REQUIREMENT)

    def launch(self, place: Place) -> Launch:
        """Prices come from the package: nothing is fetched."""
        key = f"sk-{secrets.token_urlsafe(24)}"
        configuration = place.scratch / "litellm.yaml"
        text = BARE if self.bare else FULL
        configuration.write_text(
            text.format(model=MODEL, upstream=place.upstream, key=key),
            encoding="utf-8",
        )
        if not self.bare:
            # LiteLLM looks for it beside its configuration.
            module = CALL_LOG.format(path=str(place.scratch / LOG))
            (place.scratch / "call_log.py").write_text(module, encoding="utf-8")
        return Launch(
            command=(
                *("env", "LITELLM_LOCAL_MODEL_COST_MAP=True", "LITELLM_LOG=ERROR", "NO_DOCS=True"),
                str(venvs.folder(place.cache, REQUIREMENT) / "bin" / "litellm"),
                *("--host", "127.0.0.1", "--port", str(place.port)),
                *("--config", str(configuration), "--num_workers", "1"),
            ),
            door=Door(port=place.port, headers=() if self.bare else (f"Authorization: Bearer {key}",)),
        )
