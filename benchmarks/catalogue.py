"""Who takes part and in what: a new contestant or scenario is a file of its own and a line here."""

from benchmarks.contestants.contestant import Contestant
from benchmarks.contestants.direct import Direct
from benchmarks.contestants.dwctl import Dwctl
from benchmarks.contestants.litellm import LiteLlm
from benchmarks.contestants.nginx import Nginx
from benchmarks.contestants.sglang_router import SglangRouter
from benchmarks.contestants.vllm_router import VllmRouter
from benchmarks.scenarios import latency
from benchmarks.scenarios.json_1k import JSON_1K, JSON_32K
from benchmarks.scenarios.scenario import Scenario
from benchmarks.scenarios.sse import SSE, SSE_PACED

CONTESTANTS: tuple[Contestant, ...] = (Direct(), Nginx(), Dwctl())
"""Those of every run."""
OTHERS: tuple[Contestant, ...] = (VllmRouter(), SglangRouter(), LiteLlm())
"""Those that a full run adds."""

SCENARIOS: tuple[Scenario, ...] = (JSON_1K, SSE, latency.at(100), latency.at(1000))
"""Those of every run."""
EXTRAS: tuple[Scenario, ...] = (SSE_PACED, JSON_32K, latency.at(5000))
"""Those that are asked for by name."""
