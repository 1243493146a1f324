"""The model's files are the same each time and hold together; real servers load them in the long tests."""

import json
import struct
from pathlib import Path

from tests.models import tiny_llama
from tests.models.tokenizer import alphabet, tokenizer_json, train


def test_training_joins_the_most_frequent_neighbours() -> None:
    # Words are aab, " ab" and " ab": a-b stands there three times, then space-ab twice.
    assert train(["aab ab ab"], merges=2) == [("a", "b"), ("Ġ", "ab")]
    assert train(["ab"], merges=9) == [("a", "b")]


def test_every_byte_has_a_character_of_its_own() -> None:
    shown = alphabet()
    assert len(set(shown.values())) == 256
    assert (shown[ord("a")], shown[ord(" ")], shown[ord("\n")]) == ("a", "Ġ", "Ċ")


def test_vocabulary_is_numbered_without_gaps() -> None:
    model = tokenizer_json(train(["the gateway and the model"], merges=10))["model"]
    assert sorted(model["vocab"].values()) == list(range(len(model["vocab"])))
    assert all("".join(pair) in model["vocab"] for pair in model["merges"])


def test_the_files_are_reproducible_and_whole(tmp_path: Path) -> None:
    name = tiny_llama.make(tmp_path / "one")
    assert tiny_llama.make(tmp_path / "two") == name == "dwctl/tiny-llama"
    (one,) = (tmp_path / "one").glob("models--dwctl--tiny-llama/snapshots/*")
    (two,) = (tmp_path / "two").glob("models--dwctl--tiny-llama/snapshots/*")
    assert one.name == two.name == (one.parent.parent / "refs" / "main").read_text("ascii")
    config = json.loads((one / "config.json").read_bytes())
    weights = (one / "model.safetensors").read_bytes()
    (length,) = struct.unpack_from("<Q", weights)
    header = json.loads(weights[8 : 8 + length])
    assert header["lm_head.weight"]["shape"] == [config["vocab_size"], config["hidden_size"]]
    ends = [tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__"]
    assert len(weights) == 8 + length + ends[-1]
