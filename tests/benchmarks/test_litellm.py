"""How LiteLLM is started: with the features that are compared, and bare."""

import ast
from pathlib import Path

import msgspec
import pytest
from benchmarks.contestants.contestant import Place
from benchmarks.contestants.litellm import LOG, LiteLlm
from benchmarks.upstream import MODEL


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Of one start."""
    return Place(port=1, upstream_port=2, scratch=tmp_path, cache=tmp_path / "cache")


def test_its_features_are_on(place: Place) -> None:
    door = LiteLlm().launch(place).door
    configuration = msgspec.yaml.decode((place.scratch / "litellm.yaml").read_bytes())
    key = configuration["general_settings"]["master_key"]
    assert door.headers == (f"Authorization: Bearer {key}",)
    one, other = configuration["model_list"]
    assert one["model_name"] == other["model_name"] == MODEL
    assert one["litellm_params"] != other["litellm_params"]
    for each in (one, other):
        parameters = each["litellm_params"]
        assert parameters["api_base"] == f"{place.upstream}/v1"
        assert min(parameters["rpm"], parameters["tpm"]) > 0
    assert configuration["router_settings"]["optional_pre_call_checks"] == ["enforce_model_rate_limits"]
    module, _, name = configuration["litellm_settings"]["callbacks"].partition(".")
    source = (place.scratch / f"{module}.py").read_text(encoding="utf-8")
    assert str(place.scratch / LOG) in source
    assigned = [node.targets[0] for node in ast.parse(source).body if isinstance(node, ast.Assign)]
    assert [node.id for node in assigned if isinstance(node, ast.Name)] == [name]


def test_bare_it_has_none_of_them(place: Place) -> None:
    bare = LiteLlm(bare=True)
    assert (bare.name, bare.launch(place).door.headers) == ("litellm-bare", ())
    configuration = msgspec.yaml.decode((place.scratch / "litellm.yaml").read_bytes())
    assert configuration.keys() == {"model_list", "litellm_settings"}
    assert [each.name for each in place.scratch.iterdir()] == ["litellm.yaml"]
